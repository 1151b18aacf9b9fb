//! The text that finders of codes read: invisible characters gone, full-width
//! and mathematical letters plain, but capitals kept, because codes need them.
//!
//! Called by [`super`] for texts that are not ASCII.

use unicode_normalization::char::decompose_compatible;

use super::map::Map;
use crate::text::fold::{Folded, is_dropped, with_folded};

/// A tidy text and where it came from; `None` when nothing changes.
pub(super) fn tidy(text: &str) -> Option<(String, Map)> {
    let mut out = String::with_capacity(text.len());
    let mut map = Map::default();
    let mut changed = false;
    for (at, c) in text.char_indices() {
        let span = at..at + c.len_utf8();
        let before = out.len();
        let kept = c.is_ascii() || !push(c, &mut out);
        if kept {
            out.push(c);
            map.copy(span.len(), span.start);
        } else {
            changed = true;
            map.replace(out.len() - before, &span);
        }
    }
    changed.then_some((out, map))
}

/// Stands for a picture; the squeezed reading takes it for a separator.
const PICTURE: char = '*';

/// Emoji and dingbats that are no letters in boxes.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{2775}' | '\u{2794}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}')
}

/// Pushes the plain form of a character that has another one.
fn push(c: char, out: &mut String) -> bool {
    if is_dropped(c) || is_tag(c) {
        return true;
    }
    // Pictures between letters separate them, whatever letter one may resemble.
    if is_picture(c) {
        out.push(PICTURE);
        return true;
    }
    let mut parts = [None, None];
    let mut count = 0;
    decompose_compatible(c, |part| {
        if let Some(slot) = parts.get_mut(count) {
            *slot = Some(part);
        }
        count += 1;
    });
    if let [Some(plain), None] = parts
        && plain.is_ascii()
    {
        out.push(plain);
        return true;
    }
    // Letters of other scripts stay themselves; the canonical view knows their look-alikes.
    let boxed = matches!(c, '\u{1f100}'..='\u{1f1ff}');
    if c.is_alphanumeric() && !boxed {
        return false;
    }
    with_folded(c, |folded| {
        match folded {
            Folded::Space => out.push(' '),
            Folded::One(one) if one.is_ascii() => {
                out.push(if c.is_uppercase() { one.to_ascii_uppercase() } else { *one });
            }
            Folded::Many(many) if many.is_ascii() => out.push_str(many),
            _ => return false,
        }
        true
    })
}

/// Tag characters are read on their own ([`super::hidden`]).
pub(super) fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}
