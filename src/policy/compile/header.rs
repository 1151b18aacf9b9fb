//! The keys at the top of a policy: name, levels, limits, texts.

use std::sync::Arc;

use super::{judging, missing};
use crate::policy::document::{Document, Spanned, place};
use crate::policy::problem::{Problem, Problems};
use crate::policy::spec::{LimitsSpec, Refusal, UnjudgedMeans};

/// Rules have levels 1 to 3.
pub(in crate::policy) const LEVEL_MAX: u8 = 3;
/// More than this per text would only serve to exhaust the gateway.
const JUDGED_BYTES_CEILING: u64 = 16 << 20;
const FINDINGS_CEILING: u64 = 4096;
const VIEWS_BYTES_CEILING: u64 = 64 << 20;
const REQUEST_BYTES_CEILING: u64 = 64 << 20;
/// Response headers are short.
const HEADER_BYTES_MAX: usize = 512;
const TEXT_BYTES_MAX: usize = 8 << 10;

pub(in crate::policy) const STYLES: &[(&str, bool)] = &[("message", false), ("error", true)];
pub(in crate::policy) const UNJUDGED: &[(&str, UnjudgedMeans)] =
    &[("block", UnjudgedMeans::Block), ("flag", UnjudgedMeans::Flag)];

#[derive(Debug)]
pub(super) struct Header {
    pub(super) policy: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) detect_level: u8,
    pub(super) block_level: u8,
    pub(super) unjudged: UnjudgedMeans,
    pub(super) limits: LimitsSpec,
    pub(super) disclosure_header: Arc<str>,
    pub(super) disclosure_first_turn: Option<Arc<str>>,
    pub(super) refusal: Refusal,
}

pub(super) fn read(document: &Document, problems: &mut Problems) -> Header {
    let (detect_level, block_level) = levels(document, problems);
    let unjudged = document.unjudged.as_ref();
    let unjudged =
        unjudged.and_then(|written| problems.name("meaning of unjudged text", written, UNJUDGED));
    let (disclosure_header, disclosure_first_turn) = disclosure(document, problems);
    let text =
        required("refusal", document.refusal.as_ref(), "say what a refused caller reads", problems);
    let as_error = document.refusal_style.as_ref().and_then(|written| style(written, problems));
    Header {
        policy: required("policy", document.policy.as_ref(), "give the policy a name", problems),
        version: required(
            "version",
            document.version.as_ref(),
            "e.g. `version: \"2026.11\"`",
            problems,
        ),
        detect_level,
        block_level,
        unjudged: unjudged.unwrap_or(UnjudgedMeans::Block),
        limits: limits(document, problems),
        disclosure_header,
        disclosure_first_turn,
        refusal: Refusal { text, as_error: as_error.unwrap_or_default() },
    }
}

/// `message` or `error`; true for the latter.
pub(super) fn style(written: &Spanned<String>, problems: &mut Problems) -> Option<bool> {
    problems.name("refusal style", written, STYLES)
}

/// A text that people will read: not empty, not a book.
pub(super) fn text(what: &str, written: &Spanned<String>, problems: &mut Problems) -> Arc<str> {
    let text = written.value.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        problems.push(Problem::new(
            "policy::bad_text",
            place(&written.referenced),
            format!("`{what}` must have 1 to {TEXT_BYTES_MAX} bytes"),
        ));
    }
    text.into()
}

fn required(
    what: &str,
    written: Option<&Spanned<String>>,
    help: &str,
    problems: &mut Problems,
) -> Arc<str> {
    match written {
        Some(written) => text(what, written, problems),
        None => {
            problems.push(missing(what, 0..0, help));
            "".into()
        }
    }
}

fn levels(document: &Document, problems: &mut Problems) -> (u8, u8) {
    let mut read = |what: &str, written: Option<&Spanned<u8>>| -> u8 {
        let Some(written) = written else { return 1 };
        level(what, written, problems);
        written.value
    };
    let detect = read("detect_level", document.detect_level.as_ref());
    let block = read("block_level", document.block_level.as_ref());
    if block > detect {
        let at = document.block_level.as_ref().map_or(0..0, |written| place(&written.referenced));
        problems.push(
            Problem::new("policy::out_of_range", at, "`block_level` is above `detect_level`")
                .help("a rule that is not detected cannot block; raise `detect_level`"),
        );
    }
    (detect, block)
}

/// Reports a level that there is not.
pub(super) fn level(what: &str, written: &Spanned<u8>, problems: &mut Problems) {
    if !(1..=LEVEL_MAX).contains(&written.value) {
        problems.push(Problem::new(
            "policy::out_of_range",
            place(&written.referenced),
            format!("`{what}` must be 1 to {LEVEL_MAX}"),
        ));
    }
}

fn limits(document: &Document, problems: &mut Problems) -> LimitsSpec {
    let mut limits = LimitsSpec::default();
    let Some(written) = &document.limits else { return limits };
    problems.unknown_keys(written);
    let mut read = |what: &str, written: Option<&Spanned<u64>>, ceiling: u64, into: &mut usize| {
        let Some(written) = written else { return };
        match usize::try_from(written.value) {
            Ok(value) if (1..=ceiling).contains(&written.value) => *into = value,
            _ => problems.push(Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`{what}` must be 1 to {ceiling}"),
            )),
        }
    };
    read(
        "judged_bytes_max",
        written.judged_bytes_max.as_ref(),
        JUDGED_BYTES_CEILING,
        &mut limits.judged_bytes_max,
    );
    read("findings_max", written.findings_max.as_ref(), FINDINGS_CEILING, &mut limits.findings_max);
    read(
        "views_bytes_max",
        written.views_bytes_max.as_ref(),
        VIEWS_BYTES_CEILING,
        &mut limits.views_bytes_max,
    );
    read(
        "request_bytes_max",
        written.request_bytes_max.as_ref(),
        REQUEST_BYTES_CEILING,
        &mut limits.request_bytes_max,
    );
    judging::views_depth(written, &mut limits, problems);
    limits
}

fn disclosure(document: &Document, problems: &mut Problems) -> (Arc<str>, Option<Arc<str>>) {
    let help = "clauses 3.5 and 4 want people to know that they read an AI: `disclosure: { header: \"…\" }`";
    let Some(written) = &document.disclosure else {
        problems.push(missing("disclosure", 0..0, help));
        return ("".into(), None);
    };
    problems.unknown_keys(written);
    let header: Arc<str> = match &written.header {
        None => {
            problems.push(missing("disclosure.header", 0..0, help));
            "".into()
        }
        Some(header) => {
            let value = header.value.trim();
            let fits = (1..=HEADER_BYTES_MAX).contains(&value.len());
            if !fits || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                problems.push(
                    Problem::new(
                        "policy::bad_text",
                        place(&header.referenced),
                        "`disclosure.header` cannot be a header value",
                    )
                    .help(format!(
                        "1 to {HEADER_BYTES_MAX} printable ASCII characters on one line"
                    )),
                );
            }
            value.into()
        }
    };
    let first_turn =
        written.first_turn.as_ref().map(|written| text("disclosure.first_turn", written, problems));
    (header, first_turn)
}
