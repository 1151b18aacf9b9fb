//! Control markers of Llama 2's chat form, found however they are disguised.
//!
//! The chat form separates turns by `[INST]`, `[/INST]`, `<<SYS>>`,
//! `<</SYS>>`, `<s>` and `</s>`. In a caller's text they could pose as the
//! application's words. They are looked for in the canonical view, where
//! full-width brackets, look-alike letters and invisible characters are gone,
//! and with a blank anywhere inside. `policy` reports them; the pipeline
//! passes on what [`neutralise`] returns.

use std::borrow::Cow;
use std::ops::Range;

use super::Canonical;

/// Opening bracket, word, closing bracket; a slash may precede the word.
const MARKERS: [(&str, &str, &str); 3] = [("[", "inst", "]"), ("<<", "sys", ">>"), ("<", "s", ">")];

/// Characters that a marker spans at most, blanks between all of them included.
pub const MARKER_CHARS_MAX: usize = 16;

/// Passes of [`neutralise`]. One is enough (brackets only disappear); the
/// bound keeps that from being a matter of trust.
const PASSES_MAX: usize = 8;

/// The markers of a canonical text, as ranges of it, in order, disjoint.
pub fn find(canonical: &str) -> Vec<Range<usize>> {
    let bytes = canonical.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(opening) {
        let start = at + next;
        let end = MARKERS.iter().find_map(|marker| marker_at(bytes, start, *marker));
        if let Some(end) = end {
            found.push(start..end);
        }
        at = end.unwrap_or(start + 1);
    }
    found
}

fn opening(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'[' | b'<'))
}

/// The end of the marker that begins at `start`, when one does.
fn marker_at(bytes: &[u8], start: usize, marker: (&str, &str, &str)) -> Option<usize> {
    let (open, word, close) = marker;
    let mut at = start;
    let mut expect = |wanted: u8, optional: bool| -> Option<()> {
        let blank = usize::from(at > start && bytes.get(at) == Some(&b' '));
        if bytes.get(at + blank) == Some(&wanted) {
            at += blank + 1;
            Some(())
        } else {
            optional.then_some(())
        }
    };
    for byte in open.bytes() {
        expect(byte, false)?;
    }
    expect(b'/', true)?;
    for byte in word.bytes().chain(close.bytes()) {
        expect(byte, false)?;
    }
    Some(at)
}

/// Replaces the brackets of every marker by parentheses, so that the canonical
/// view of the result contains none. Other text is returned as it is.
pub fn neutralise(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !matches!(byte, b'[' | b'<')) {
        return Cow::Borrowed(text);
    }
    let mut current = Cow::Borrowed(text);
    for _ in 0..PASSES_MAX {
        let Some(next) = one_pass(&current) else { return current };
        current = Cow::Owned(next);
    }
    // Not reached; and if it were, nothing with a bracket may pass.
    Cow::Owned(super::canonical(&current).replace(['[', '<'], "("))
}

fn one_pass(text: &str) -> Option<String> {
    let view = Canonical::of(text);
    let found = find(view.text());
    if found.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for marker in found {
        let span = view.original(marker.clone());
        let name: String = view
            .text()
            .get(marker)
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '[' | '<' => '(',
                ']' | '>' => ')',
                other => other.to_ascii_uppercase(),
            })
            .collect();
        out.push_str(text.get(done..span.start).unwrap_or_default());
        out.push_str(&name);
        done = span.end.max(done);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markers_are_found_however_they_are_disguised() {
        for text in [
            "[INST]",
            "[/INST]",
            "<<SYS>>",
            "<</SYS>>",
            "<s>",
            "</s>",
            "[ inst ]",
            "< / s >",
            "［ＩＮＳＴ］",
            "[I\u{200b}NST]",
            "< <SYS> >",
            "[ / I N S T ]",
            "<<ЅYS>>",
            "【INST】",
            "a [INST [INST] b",
            "<<s>>",
        ] {
            assert_eq!(find(Canonical::of(text).text()).len(), 1, "{text:?}");
            let harmless = neutralise(text);
            assert!(find(Canonical::of(&harmless).text()).is_empty(), "{harmless:?}");
        }
        assert_eq!(neutralise("x [/INST] y <<SYS>>"), "x (/INST) y ((SYS))");
    }

    #[test]
    fn other_brackets_stay() {
        for text in ["a[i] < s && s > b", "<span>", "[instance]", "List<string>", "é < ß"] {
            assert!(matches!(neutralise(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    fn brackets() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("["),
                Just("]"),
                Just("<"),
                Just(">"),
                Just("/"),
                Just("INST"),
                Just("i"),
                Just("nst"),
                Just("SYS"),
                Just("s"),
                Just(" "),
                Just("\u{200b}"),
                Just("［"),
                Just("＜"),
                Just("(s)"),
                Just("é"),
                Just("\n"),
                Just("[INST]"),
                Just("<<SYS>>"),
            ],
            0..24,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_survives_neutralising_and_doing_it_twice_changes_nothing(text in brackets()) {
            let once = neutralise(&text).into_owned();
            prop_assert!(find(Canonical::of(&once).text()).is_empty(), "{once:?}");
            prop_assert_eq!(neutralise(&once).into_owned(), once.clone());
            if find(Canonical::of(&text).text()).is_empty() {
                prop_assert_eq!(once, text);
            }
        }
    }
}
