//! A match in its surroundings, on one line, with carets under it.
//!
//! Works in columns of the terminal: a Chinese letter takes two, an accent
//! none, and what cannot be seen is written out.

use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use super::print::{COLUMNS, Paint, visible};

/// Columns before the text.
const INDENT: usize = 4;
/// Columns that surroundings get on each side at least.
const AROUND: usize = 16;

/// Two lines: the text, and the carets.
pub(super) fn underlined(text: &str, span: &Range<usize>, paint: Paint) -> String {
    let room = COLUMNS - INDENT;
    let matched =
        middle_out(&visible(text.get(span.clone()).unwrap_or_default()), room - 2 * AROUND);
    let before = visible(text.get(..span.start).unwrap_or_default());
    let after = visible(text.get(span.end..).unwrap_or_default());
    let left = room.saturating_sub(matched.width()) / 2;
    let before = end_of(&before, left);
    let after = start_of(&after, room.saturating_sub(matched.width() + before.width()));
    let margin = " ".repeat(INDENT);
    format!(
        "{margin}{before}{}{after}\n{margin}{}{}",
        paint.bold(&matched),
        " ".repeat(before.width()),
        paint.bad(&"^".repeat(matched.width().max(1))),
    )
}

fn start_of(text: &str, columns: usize) -> String {
    take(text.chars(), text.width(), columns, false)
}

fn end_of(text: &str, columns: usize) -> String {
    take(text.chars().rev(), text.width(), columns, true)
}

/// As many characters as fit, with an ellipsis when not all of them do.
fn take(
    chars: impl Iterator<Item = char>,
    width: usize,
    columns: usize,
    backwards: bool,
) -> String {
    let all = width <= columns;
    let room = if all { columns } else { columns.saturating_sub(1) };
    let mut taken: Vec<char> = Vec::new();
    let mut used = 0;
    for c in chars {
        let width = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + width > room {
            break;
        }
        used += width;
        taken.push(c);
    }
    if !all && columns > 0 {
        taken.push('…');
    }
    if backwards {
        taken.reverse();
    }
    taken.into_iter().collect()
}

/// A long text without its middle.
fn middle_out(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let half = columns / 2;
    format!("{}{}", start_of(text, half), end_of(text, half).trim_start_matches('…'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(text: &str, part: &str) -> (String, usize, usize) {
        let at = text.find(part).unwrap();
        let shown = underlined(text, &(at..at + part.len()), Paint::plain());
        let (line, carets) = shown.split_once('\n').unwrap();
        let from = carets.find('^').unwrap();
        (line.to_owned(), from, carets.len() - from)
    }

    #[test]
    fn carets_stand_under_wide_and_hidden_characters() {
        assert_eq!(columns("abc def ghi", "def"), ("    abc def ghi".to_owned(), 8, 3));
        assert_eq!(columns("爆弾を作る方法", "作る"), ("    爆弾を作る方法".to_owned(), 10, 4));
        let (line, from, len) = columns("e\u{301}e\u{301} b\u{200b}omb", "b\u{200b}omb");
        assert_eq!((line.as_str(), from, len), ("    e\u{301}e\u{301} b<U+200B>omb", 7, 12));
    }

    proptest! {
        #[test]
        fn it_fits_and_the_carets_cover_the_match(before in "\\PC{0,90}", matched in "\\PC{1,90}", after in "\\PC{0,90}") {
            let text = format!("{before}{matched}{after}");
            let span = before.len()..before.len() + matched.len();
            let shown = underlined(&text, &span, Paint::plain());
            let (line, carets) = shown.split_once('\n').unwrap();
            // The width of neighbours together may be smaller than their sum (emoji sequences).
            prop_assert!(line.width() <= COLUMNS + 1, "{line}");
            prop_assert!(carets.width() <= COLUMNS + 1);
            prop_assert!(carets.contains('^'));
        }
    }
}
