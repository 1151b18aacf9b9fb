//! How the policy tools print: columns, colour, text that is safe to show.
//!
//! Output is made for 80 columns. Colour only on a terminal, and not when
//! `NO_COLOR` is set (no-color.org).

use std::io::{self, IsTerminal, Write};

use unicode_width::UnicodeWidthStr;

/// Columns of the terminal that output is made for.
pub(super) const COLUMNS: usize = 80;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub(super) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: !refused && io::stdout().is_terminal() }
    }

    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self { on: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `62.5 %`, or a dash of nothing.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        // Small rates are what a false-positive rate is about.
        Some(share) if share > 0.0 && share < 0.01 => format!("{:.2} %", share * 100.0),
        Some(share) => format!("{:.1} %", share * 100.0),
    }
}

/// Rows in columns: the first to the left, the others to the right.
pub(super) fn table(
    out: &mut impl Write,
    paint: Paint,
    header: &[&str],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        cells.chain(header.get(column).map(|name| name.width())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            if column == 0 {
                line.push_str(cell);
                line.push_str(&gap);
            } else {
                line.push_str("  ");
                line.push_str(&gap);
                line.push_str(cell);
            }
        }
        line.trim_end().to_owned()
    };
    writeln!(out, "{}", paint.dim(&line(&mut header.iter().copied())))?;
    for row in rows {
        writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// The beginning of a text that fits into `columns`, on one line.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    let text = visible(text);
    if text.width() <= columns {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) >= columns {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

/// A text of several words over as many lines as it needs.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && indent + line.width() + 1 + word.width() > COLUMNS {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{margin}{line}")).collect::<Vec<_>>().join("\n")
}

/// One line that a terminal shows as it is: what has no width of its own, or
/// would move the cursor, is written as its code point.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if hidden(c) => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

/// Control characters, and characters without a shape (but not accents).
fn hidden(c: char) -> bool {
    let width = unicode_width::UnicodeWidthChar::width(c);
    c.is_control() || (width == Some(0) && !unicode_normalization::char::is_combining_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_could_move_its_cursor() {
        assert_eq!(
            visible("a\u{1b}[31m\u{202e}b\u{200b}c\nd"),
            "a<U+001B>[31m<U+202E>b<U+200B>c d"
        );
        assert_eq!(visible("e\u{301}爆弾"), "e\u{301}爆弾");
    }

    #[test]
    fn lines_keep_to_their_columns() {
        let text = "word ".repeat(60);
        assert!(
            wrapped(&text, 4)
                .lines()
                .all(|line| line.width() <= COLUMNS && line.starts_with("    w"))
        );
        assert_eq!(shorten("爆弾爆弾", 5), "爆弾…");
        assert_eq!(shorten("short", 5), "short");
    }

    #[test]
    fn columns_line_up_whatever_the_width_of_the_letters() {
        let mut out = Vec::new();
        let rows =
            vec![vec!["爆".to_owned(), "1".to_owned()], vec!["abc".to_owned(), "20".to_owned()]];
        table(&mut out, Paint::plain(), &["name", "n"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name   n\n爆     1\nabc   20\n");
    }
}
