//! The keys that say how texts are read and weighed together: readings,
//! conversations, sampling, the system text.
//!
//! Called by [`super::header`], [`super::rules`] and [`super::compile`]; what
//! the keys mean is `policy`'s.

use super::share;
use crate::domain::{Category, Stage, View};
use crate::policy::document::{Document, LimitsWritten, NamesWritten, RuleWritten, Spanned, place};
use crate::policy::problem::{Problem, Problems, suggest};
use crate::policy::spec::{ConversationSpec, LimitsSpec, SystemPromptSpec};

/// More decodings inside one another are nobody's accident, and their text is `too_encoded`.
const VIEWS_DEPTH_CEILING: u64 = 8;
/// API requests have no more turns.
const WINDOW_TURNS_CEILING: u64 = 10_000;
/// Fewer words in a row are chance, more are a finding that hardly comes.
const OVERLAP_WORDS: std::ops::RangeInclusive<u64> = 4..=32;

const VIEWS: &[(&str, View)] = &[
    ("canonical", View::Canonical),
    ("joined", View::Joined),
    ("squeezed", View::Squeezed),
    ("leetspeak", View::Leetspeak),
    ("base64", View::Base64),
    ("base32", View::Base32),
    ("hex", View::Hex),
    ("percent", View::Percent),
    ("html_entities", View::HtmlEntities),
    ("unicode_escapes", View::UnicodeEscapes),
    ("quoted_printable", View::QuotedPrintable),
    ("binary", View::Binary),
    ("morse", View::Morse),
    ("caesar", View::Caesar),
    ("reversed", View::Reversed),
    ("pig_latin", View::PigLatin),
    ("tags", View::Tags),
    ("steganography", View::Steganography),
    ("nested", View::Nested),
];

pub(super) fn conversation(document: &Document, problems: &mut Problems) -> ConversationSpec {
    let mut spec = ConversationSpec::default();
    let Some(written) = &document.conversation else { return spec };
    problems.unknown_keys(written);
    if let Some(decay) = &written.decay {
        spec.decay = share("decay", decay, problems).unwrap_or(spec.decay);
    }
    if let Some(window) = &written.window_turns {
        let range = 1..=WINDOW_TURNS_CEILING;
        spec.window_turns = whole("window_turns", window, range, problems)
            .and_then(|turns| u32::try_from(turns).ok())
            .unwrap_or(spec.window_turns);
    }
    spec.join = written.join.unwrap_or(spec.join);
    spec
}

pub(super) fn system_prompt(document: &Document, problems: &mut Problems) -> SystemPromptSpec {
    let Some(written) = &document.system_prompt else { return SystemPromptSpec::default() };
    problems.unknown_keys(written);
    let overlap_words = written
        .overlap_words
        .as_ref()
        .and_then(|words| whole("overlap_words", words, OVERLAP_WORDS, problems))
        .and_then(|words| usize::try_from(words).ok());
    SystemPromptSpec { canary: written.canary.unwrap_or_default(), overlap_words }
}

pub(super) fn views_depth(
    written: &LimitsWritten,
    limits: &mut LimitsSpec,
    problems: &mut Problems,
) {
    let Some(depth) = &written.views_depth else { return };
    let depth = whole("views_depth", depth, 0..=VIEWS_DEPTH_CEILING, problems);
    limits.views_depth =
        depth.and_then(|depth| usize::try_from(depth).ok()).unwrap_or(limits.views_depth);
}

/// The readings in which a rule counts; `None`: all of them.
pub(super) fn views(
    written: &RuleWritten,
    directions: &[Stage],
    problems: &mut Problems,
) -> Option<Vec<View>> {
    let names = written.views.as_ref()?;
    let at = place(&names.referenced);
    let list = match &names.value {
        NamesWritten::List(list) => list,
        NamesWritten::Word(word) if word == "all" => return None,
        NamesWritten::Word(word) => {
            let known: Vec<&str> =
                std::iter::once("all").chain(VIEWS.iter().map(|(name, _)| *name)).collect();
            problems.push(
                Problem::new("policy::unknown_name", at, format!("`{word}` is no set of views"))
                    .help(format!(
                        "write `all` or a list: `views: [canonical]`; {}",
                        suggest(word, &known)
                    )),
            );
            return None;
        }
    };
    let mut views: Vec<View> =
        list.iter().filter_map(|name| problems.name("view", name, VIEWS)).collect();
    views.sort_unstable();
    views.dedup();
    if list.is_empty() {
        problems.push(Problem::new(
            "policy::empty_rule",
            at.clone(),
            "no view is left for this rule",
        ));
    }
    if directions.contains(&Stage::Output) && !views.contains(&View::Canonical) {
        problems.push(
            Problem::new("policy::useless_key", at, "this rule can find nothing in an answer")
                .help("answers are judged in their canonical view only: add `canonical`, or write `directions: [input]`"),
        );
    }
    Some(views)
}

/// The share of exchanges in which a rule acts; `None`: all of them.
pub(super) fn sample(
    written: &RuleWritten,
    category: Option<Category>,
    problems: &mut Problems,
) -> Option<f32> {
    let sample = written.sample.as_ref()?;
    if category == Some(Category::ChildExploitation) {
        problems.push(
            Problem::new(
                "policy::floor",
                place(&sample.referenced),
                "a rule of `child_exploitation` acts in every exchange",
            )
            .help("`child_exploitation` is always blocked, both ways; remove `sample`"),
        );
    }
    share("sample", sample, problems).filter(|share| *share < 1.0)
}

fn whole(
    what: &str,
    written: &Spanned<u64>,
    range: std::ops::RangeInclusive<u64>,
    problems: &mut Problems,
) -> Option<u64> {
    if range.contains(&written.value) {
        return Some(written.value);
    }
    problems.push(
        Problem::new(
            "policy::out_of_range",
            place(&written.referenced),
            format!("`{what}` must be {} to {}", range.start(), range.end()),
        )
        .label(written.value.to_string()),
    );
    None
}
