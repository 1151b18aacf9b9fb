//! `when:` and `language:`: conditions on whole texts, names resolved.

use std::ops::Range;

use super::missing;
use crate::detect::condition::{Condition, ScriptName};
use crate::detect::{language, script};
use crate::policy::document::{
    LanguageWritten, LengthWritten, NoiseWritten, Spanned, TurnMarkersWritten, WhenWritten,
    Written, place,
};
use crate::policy::kinds::{LanguageSpec, OtherLanguage};
use crate::policy::problem::{Problem, Problems, suggest};

const LENGTH_MAX: u64 = 16 << 20;
const TURNS_MAX: u64 = 10_000;
const LANGUAGE_CHARS_MAX: u64 = 4096;

/// The conditions of a `when:`; all must hold.
pub(super) fn conditions(
    written: &Spanned<WhenWritten>,
    problems: &mut Problems,
) -> Vec<Condition> {
    let before = problems.errors();
    let when = &written.value;
    problems.unknown_keys(when);
    let mut read = Vec::new();
    if let Some(names) = &when.script {
        read.push(Condition::Script(scripts(names, problems)));
    }
    if let Some(mixed) = &when.mixed_scripts {
        if !mixed.value {
            problems.push(
                Problem::new(
                    "policy::useless_key",
                    place(&mixed.referenced),
                    "`mixed_scripts: false` asks for nothing",
                )
                .help("remove the key"),
            );
        }
        read.push(Condition::MixedScripts);
    }
    if let Some(names) = &when.language {
        read.push(Condition::Language(languages(names, problems)));
    }
    if let Some(names) = &when.language_not {
        read.push(Condition::LanguageNot(languages(names, problems)));
    }
    if let Some(length) = &when.length {
        read.push(self::length(length, problems));
    }
    if let Some(repetition) = &when.repetition {
        problems.unknown_keys(&repetition.value);
        let at = place(&repetition.referenced);
        let share_over = required("share_over", repetition.value.share_over.as_ref(), at, problems);
        read.push(Condition::Repetition { share_over });
    }
    if let Some(markers) = &when.turn_markers {
        read.extend(turn_markers(markers, problems));
    }
    if let Some(noise) = &when.noise {
        read.push(self::noise(noise, problems));
    }
    if read.is_empty() && problems.errors() == before {
        problems.push(
            Problem::new(
                "policy::empty_rule",
                place(&written.referenced),
                "`when` asks for nothing",
            )
            .help(format!("one of: {}", WhenWritten::KEYS.join(", "))),
        );
    }
    read
}

fn scripts(names: &Spanned<Vec<Spanned<String>>>, problems: &mut Problems) -> Vec<ScriptName> {
    some("script", names, problems);
    let mut found = Vec::new();
    for name in &names.value {
        match script::by_name(&name.value) {
            Some(script) => found.push(ScriptName(script)),
            None => problems.push(
                Problem::new(
                    "policy::unknown_name",
                    place(&name.referenced),
                    format!("unknown script `{}`", name.value),
                )
                .help("a Unicode script in lower case: latin, cyrillic, greek, arabic, han, hangul, devanagari, old_italic, …"),
            ),
        }
    }
    found
}

fn turn_markers(
    written: &Spanned<TurnMarkersWritten>,
    problems: &mut Problems,
) -> Option<Condition> {
    problems.unknown_keys(&written.value);
    let Some(over) = &written.value.over else {
        let at = place(&written.referenced);
        problems.push(missing("over", at, "e.g. `turn_markers: { over: 8 }`"));
        return None;
    };
    let over = count("turn_markers.over", over, 1..TURNS_MAX + 1, problems);
    Some(Condition::TurnMarkers { over })
}

pub(super) fn some<T>(what: &str, list: &Spanned<Vec<T>>, problems: &mut Problems) {
    if list.value.is_empty() {
        problems.push(Problem::new(
            "policy::empty_rule",
            place(&list.referenced),
            format!("no {what} is named"),
        ));
    }
}

fn languages(names: &Spanned<Vec<Spanned<String>>>, problems: &mut Problems) -> Vec<&'static str> {
    some("language", names, problems);
    let known: Vec<&'static str> = language::names().collect();
    names
        .value
        .iter()
        .filter_map(|name| {
            let found = known.iter().find(|known| **known == name.value).copied();
            if found.is_none() {
                problems.push(
                    Problem::new(
                        "policy::unknown_name",
                        place(&name.referenced),
                        format!("unknown language `{}`", name.value),
                    )
                    .label("no ISO 639-1 code that can be told apart here")
                    .help(suggest(&name.value, &known)),
                );
            }
            found
        })
        .collect()
}

fn length(written: &Spanned<LengthWritten>, problems: &mut Problems) -> Condition {
    let length = &written.value;
    problems.unknown_keys(length);
    if length.chars_over.is_none() && length.words_over.is_none() {
        problems.push(missing(
            "chars_over",
            place(&written.referenced),
            "`length: { chars_over: 8000 }` or `{ words_over: 1500 }`",
        ));
    }
    let mut read = |what: &str, written: Option<&Spanned<u64>>| {
        written.map(|written| count(what, written, 1..LENGTH_MAX + 1, problems))
    };
    Condition::Length {
        chars_over: read("length.chars_over", length.chars_over.as_ref()),
        words_over: read("length.words_over", length.words_over.as_ref()),
    }
}

fn noise(written: &Spanned<NoiseWritten>, problems: &mut Problems) -> Condition {
    let noise = &written.value;
    problems.unknown_keys(noise);
    let at = place(&written.referenced);
    if noise.tail_over.is_none() && noise.anywhere_over.is_none() {
        problems.push(missing("tail_over", at.clone(), "e.g. `noise: { tail_over: 0.8 }`"));
    }
    let mut read = |what: &str, value: &Option<Spanned<f64>>| {
        value.as_ref().map(|value| required(what, Some(value), at.clone(), problems))
    };
    Condition::Noise {
        tail_over: read("tail_over", &noise.tail_over),
        anywhere_over: read("anywhere_over", &noise.anywhere_over),
    }
}

/// A share that must be exceeded: above 0 and below 1.
fn required(
    what: &str,
    written: Option<&Spanned<f64>>,
    at: Range<usize>,
    problems: &mut Problems,
) -> f64 {
    let Some(written) = written else {
        problems.push(missing(what, at, &format!("e.g. `{what}: 0.5`")));
        return 1.0;
    };
    if !(written.value > 0.0 && written.value < 1.0) {
        problems.push(
            Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`{what}` must lie between 0 and 1"),
            )
            .label(written.value.to_string()),
        );
    }
    written.value
}

pub(super) fn count(
    what: &str,
    written: &Spanned<u64>,
    allowed: Range<u64>,
    problems: &mut Problems,
) -> usize {
    if !allowed.contains(&written.value) {
        problems.push(
            Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`{what}` must be {} to {}", allowed.start, allowed.end.saturating_sub(1)),
            )
            .label(written.value.to_string()),
        );
    }
    usize::try_from(written.value).unwrap_or(usize::MAX)
}

/// The languages that the policy covers.
pub(super) fn covered(
    written: Option<&Spanned<LanguageWritten>>,
    problems: &mut Problems,
) -> Option<LanguageSpec> {
    let written = written?;
    let at = place(&written.referenced);
    problems.unknown_keys(&written.value);
    let covered = match &written.value.covered {
        Some(names) => languages(names, problems),
        None => {
            problems.push(missing("covered", at.clone(), "e.g. `covered: [en, de]`"));
            Vec::new()
        }
    };
    let known = [
        ("judge", OtherLanguage::Judge),
        ("flag", OtherLanguage::Flag),
        ("refuse", OtherLanguage::Refuse),
    ];
    let other = match &written.value.other {
        Some(other) => problems.name("treatment of other languages", other, &known),
        None => {
            problems.push(missing("other", at, "`judge`, `flag` or `refuse`"));
            None
        }
    };
    let min_chars = written.value.min_chars.as_ref().map_or(language::LETTERS_MIN, |written| {
        count("min_chars", written, 20..LANGUAGE_CHARS_MAX + 1, problems)
    });
    Some(LanguageSpec { covered, other: other.unwrap_or(OtherLanguage::Judge), min_chars })
}
