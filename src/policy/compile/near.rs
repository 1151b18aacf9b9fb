//! `near:` words in canonical form, compiled to patterns with a bound.

use super::rules::{OUTPUT_MATCH_CHARS_MAX, Reading};
use crate::detect::Pattern;
use crate::detect::near::{GROUP_WORDS_MAX, GROUPS_MAX, WITHIN_WORDS_MAX, patterns};
use crate::policy::document::{NearWritten, Spanned, place};
use crate::policy::kinds::NearSpec;
use crate::policy::problem::{Problem, Problems};
use crate::text::canonical;

/// Words between two neighbours unless the rule says otherwise.
const WITHIN_WORDS: usize = 6;
const WORD_CHARS_MAX: usize = 64;

/// `chars_max` is the bound of what an output rule may match.
pub(super) fn read(
    written: &Spanned<NearWritten>,
    chars_max: Option<usize>,
    reading: &mut Reading<'_>,
) -> Option<(NearSpec, Vec<Pattern>)> {
    let at = place(&written.referenced);
    let problems = &mut *reading.problems;
    problems.unknown_keys(&written.value);
    let words = words(written, problems)?;
    let within = within(written.value.within.as_ref(), problems)?;
    let ordered = written.value.ordered.unwrap_or_default();
    let compiled = match patterns(&words, within, ordered) {
        Ok(compiled) => compiled,
        Err(error) => {
            problems.push(
                Problem::new("policy::bad_near", at, error.to_string())
                    .help("use fewer groups, or a smaller `within`"),
            );
            return None;
        }
    };
    let longest = compiled.iter().filter_map(Pattern::chars_max).max().unwrap_or_default();
    if chars_max.is_some_and(|limit| longest > limit) {
        problems.push(
            Problem::new(
                "policy::unbounded_pattern",
                at,
                format!("these words can stand up to {longest} characters apart"),
            )
            .help(format!(
                "output is held back until a match is decided, so a match may have at most {OUTPUT_MATCH_CHARS_MAX} characters: use a smaller `within` or fewer groups, or judge the input only"
            )),
        );
        return None;
    }
    Some((NearSpec { words, within, ordered }, compiled))
}

fn words(written: &Spanned<NearWritten>, problems: &mut Problems) -> Option<Vec<Vec<String>>> {
    let at = place(&written.referenced);
    let Some(groups) = &written.value.words else {
        problems.push(super::missing(
            "words",
            at,
            "e.g. `words: [[make, build], [bomb*, explosive]]`",
        ));
        return None;
    };
    let groups_at = place(&groups.referenced);
    if !(2..=GROUPS_MAX).contains(&groups.value.len()) {
        problems.push(
            Problem::new(
                "policy::bad_near",
                groups_at,
                format!("`near` needs 2 to {GROUPS_MAX} groups of words"),
            )
            .label(format!("{} here", groups.value.len()))
            .help(
                "each group is a list of words of which one must occur: `[[make, build], [bomb*]]`",
            ),
        );
        return None;
    }
    let read: Vec<Option<Vec<String>>> =
        groups.value.iter().map(|group| one_group(group, &groups_at, problems)).collect();
    read.into_iter().collect()
}

fn one_group(
    group: &[Spanned<String>],
    groups_at: &std::ops::Range<usize>,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    if !(1..=GROUP_WORDS_MAX).contains(&group.len()) {
        let at = group.first().map_or(groups_at.clone(), |first| place(&first.referenced));
        problems.push(Problem::new(
            "policy::bad_near",
            at,
            format!("a group needs 1 to {GROUP_WORDS_MAX} words"),
        ));
        return None;
    }
    let mut words: Vec<String> = Vec::new();
    for word in group {
        let folded = canonical(&word.value).trim().to_owned();
        let stem = folded.strip_suffix('*').unwrap_or(&folded);
        if !stem.contains(char::is_alphanumeric) || stem.chars().count() > WORD_CHARS_MAX {
            problems.push(
                Problem::new(
                    "policy::unreachable",
                    place(&word.referenced),
                    "this word can never be found",
                )
                .help(format!(
                    "in canonical form it must have 1 to {WORD_CHARS_MAX} characters, letters or digits among them; `*` may only end it"
                )),
            );
            return None;
        }
        if stem.contains('*') {
            problems.push(
                Problem::new(
                    "policy::bad_near",
                    place(&word.referenced),
                    "`*` may only stand at the end of a word",
                )
                .help("list the forms, or write a pattern"),
            );
            return None;
        }
        if !words.contains(&folded) {
            words.push(folded);
        }
    }
    Some(words)
}

fn within(written: Option<&Spanned<u64>>, problems: &mut Problems) -> Option<usize> {
    let Some(written) = written else { return Some(WITHIN_WORDS) };
    let within = usize::try_from(written.value).ok().filter(|value| *value <= WITHIN_WORDS_MAX);
    if within.is_none() {
        problems.push(
            Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`within` must be 0 to {WITHIN_WORDS_MAX} words"),
            )
            .label(written.value.to_string())
            .help("for words further apart use `match: { all: […], within_chars: … }`"),
        );
    }
    within
}
