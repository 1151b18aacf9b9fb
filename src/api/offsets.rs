//! Where tokens stand in the text of a choice.
//!
//! A token comes with the piece that completes it, so its text may have begun
//! to go out in an earlier one, and text that a policy masked has no tokens. So
//! each token is looked for in the text that no token has claimed yet. Pure;
//! the completions' wire form uses it.

/// Text that may wait for its tokens; more is given up, oldest first.
const UNCLAIMED_BYTES_MAX: usize = 64 << 10;

/// One choice's text so far, as far as it matters to tokens yet to come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offsets {
    unclaimed: Vec<u8>,
    /// Characters that begin before `unclaimed`.
    chars: usize,
}

impl Offsets {
    /// Adds text that goes out.
    pub(crate) fn take(&mut self, text: &str) {
        self.unclaimed.extend_from_slice(text.as_bytes());
        self.claim(self.unclaimed.len().saturating_sub(UNCLAIMED_BYTES_MAX));
    }

    /// Characters before the next token. One within a character stands where that begins.
    pub(crate) fn place(&mut self, token: &[u8]) -> usize {
        let found = match token.len() {
            0 => None,
            length => self.unclaimed.windows(length).position(|bytes| bytes == token),
        };
        let Some(before) = found else { return self.chars };
        self.claim(before);
        let within = token.first().is_some_and(|byte| !begins_char(*byte));
        let offset = self.chars.saturating_sub(usize::from(within));
        self.claim(token.len());
        offset
    }

    fn claim(&mut self, length: usize) {
        let claimed = self.unclaimed.drain(..length.min(self.unclaimed.len()));
        self.chars += claimed.filter(|byte| begins_char(*byte)).count();
    }
}

const fn begins_char(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(pieces: &[(&str, &[&[u8]])]) -> Vec<usize> {
        let mut offsets = Offsets::default();
        let mut placed = Vec::new();
        for (text, tokens) in pieces {
            offsets.take(text);
            placed.extend(tokens.iter().map(|token| offsets.place(token)));
        }
        placed
    }

    #[test]
    fn a_token_stands_where_its_text_begins() {
        assert_eq!(
            placed(&[("a", &[b"a"]), (" Hel", &[]), ("lo x", &[b" Hello", b" x"])]),
            [0, 1, 7]
        );
    }

    #[test]
    fn characters_are_counted_however_tokens_cut_them() {
        let bytes = "🙂".as_bytes();
        let tokens: Vec<&[u8]> = bytes.chunks(1).chain([b"".as_slice(), b"b"]).collect();
        assert_eq!(placed(&[("é", &["é".as_bytes()]), ("🙂b", &tokens)]), [0, 1, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn masked_text_belongs_to_no_token() {
        assert_eq!(placed(&[("call ", &[b"call "]), ("[removed] now", &[b" now"])]), [0, 14]);
        assert_eq!(placed(&[("a", &[b"unsaid", b"a"])]), [0, 0]);
    }

    #[test]
    fn text_without_tokens_is_not_kept_for_ever() {
        let mut offsets = Offsets::default();
        for _ in 0..3 {
            offsets.take(&"é".repeat(UNCLAIMED_BYTES_MAX / 2));
        }
        assert_eq!(offsets.unclaimed.len(), UNCLAIMED_BYTES_MAX);
        offsets.take("x");
        assert_eq!(offsets.place(b"x"), UNCLAIMED_BYTES_MAX / 2 * 3);
    }
}
