//! Brings a server's tokens into step with its text.
//!
//! Servers hold text back (stop texts, unfinished characters) while tokens go
//! out, spell tokens without their space, or report tokens of a stop text that
//! is not part of the answer. Behind this file every token comes with exactly
//! its text, so that it can be judged by it; what belongs to no text is dropped.

use std::collections::VecDeque;

use crate::domain::TokenLogprob;
use crate::inference::anchor::{anchor, respell};

/// Text that came without any token; a server that goes on so reports no tokens.
const UNMATCHED_TEXT_BYTES_MAX: usize = 8 << 10;
/// Tokens without text.
const UNMATCHED_TOKENS_MAX: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Aligner {
    text: String,
    tokens: VecDeque<TokenLogprob>,
    /// Something was emitted already.
    begun: bool,
    any_tokens: bool,
}

/// Text and tokens have nothing to do with each other.
#[derive(Debug, PartialEq)]
pub(super) struct OutOfStep;

/// Text with its tokens.
pub(super) type Aligned = (String, Vec<TokenLogprob>);

/// How a token stands to the text after it.
enum Fit {
    /// It makes up this many bytes.
    Bytes(usize),
    /// Its text has not all come yet.
    Pending,
    Mismatch,
}

impl Aligner {
    /// Takes what came together and returns what is in step.
    pub(super) fn push(
        &mut self,
        text: &str,
        tokens: Vec<TokenLogprob>,
    ) -> Result<Aligned, OutOfStep> {
        self.any_tokens |= !tokens.is_empty();
        self.text.push_str(text);
        self.tokens.extend(tokens);
        if self.tokens.len() > UNMATCHED_TOKENS_MAX {
            return Err(OutOfStep);
        }
        if self.tokens.is_empty() {
            let bounded = self.text.len() <= UNMATCHED_TEXT_BYTES_MAX;
            return if bounded { Ok(Aligned::default()) } else { Err(OutOfStep) };
        }
        Ok(self.take_matching())
    }

    /// The choice is over: the rest of the text, and the token that begins in it.
    pub(super) fn finish(&mut self) -> Result<Aligned, OutOfStep> {
        let text = std::mem::take(&mut self.text);
        let mut token = self.tokens.pop_front();
        self.tokens.clear();
        if text.is_empty() {
            return Ok(Aligned::default());
        }
        if !self.any_tokens {
            return Err(OutOfStep);
        }
        if let Some(token) = &mut token {
            respell(&mut token.token, &text);
        }
        Ok((text, token.into_iter().collect()))
    }

    fn take_matching(&mut self) -> Aligned {
        let (mut at, mut whole, mut count) = (0, 0, 0);
        for (index, token) in self.tokens.iter_mut().enumerate() {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            match fit(rest, token, self.begun || at > 0) {
                Fit::Bytes(bytes) => at += bytes,
                Fit::Pending => break,
                Fit::Mismatch => return self.take_all(),
            }
            if self.text.is_char_boundary(at) {
                (whole, count) = (at, index + 1);
            }
        }
        // Tokens that add nothing go with text, never alone.
        if whole == 0 {
            return Aligned::default();
        }
        self.begun = true;
        let rest = self.text.split_off(whole);
        (std::mem::replace(&mut self.text, rest), self.tokens.drain(..count).collect())
    }

    /// They cannot be told apart: all the text, as all the tokens together.
    fn take_all(&mut self) -> Aligned {
        self.begun = true;
        let text = std::mem::take(&mut self.text);
        let mut tokens: Vec<_> = std::mem::take(&mut self.tokens).into();
        anchor(&text, &mut tokens);
        (text, tokens)
    }
}

/// Compares, and respells a token whose space is only in the text or only in the token.
fn fit(rest: &[u8], token: &mut TokenLogprob, begun: bool) -> Fit {
    let bytes = token.token.bytes.as_slice();
    if rest.starts_with(bytes) {
        return Fit::Bytes(bytes.len());
    }
    if bytes.starts_with(rest) {
        return Fit::Pending;
    }
    let spelled = match (rest.strip_prefix(b" "), bytes.strip_prefix(b" ")) {
        (Some(after), None) if after.starts_with(bytes) => format!(" {}", token.token.text),
        (Some(after), None) if bytes.starts_with(after) => return Fit::Pending,
        (None, Some(word)) if !begun && rest.starts_with(word) => {
            String::from_utf8_lossy(word).into_owned()
        }
        (None, Some(word)) if !begun && word.starts_with(rest) => return Fit::Pending,
        _ => return Fit::Mismatch,
    };
    respell(&mut token.token, &spelled);
    // Lossy spelling of broken UTF-8 is longer than what it stands for.
    if rest.starts_with(spelled.as_bytes()) { Fit::Bytes(spelled.len()) } else { Fit::Mismatch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::anchor::tests::token;

    /// What comes out for each piece, tokens joined by `|`.
    fn aligned(pieces: &[(&str, &[&str])]) -> Vec<(String, String)> {
        let mut aligner = Aligner::default();
        let mut out = Vec::new();
        let mut keep = |(text, tokens): Aligned| {
            let bytes: Vec<u8> = tokens.iter().flat_map(|t| t.token.bytes.clone()).collect();
            assert_eq!(text.as_bytes(), bytes, "tokens say what the text says");
            let tokens: Vec<_> = tokens.iter().map(|t| t.token.text.as_str()).collect();
            out.push((text, tokens.join("|")));
        };
        for (text, tokens) in pieces {
            let tokens = tokens.iter().map(|text| token(text.as_bytes())).collect();
            keep(aligner.push(text, tokens).unwrap());
        }
        keep(aligner.finish().unwrap());
        out.retain(|(text, _)| !text.is_empty());
        out
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(text, tokens)| (text.to_owned(), tokens.to_owned())).collect()
    }

    #[test]
    fn text_held_back_by_the_server_meets_its_tokens() {
        let held = aligned(&[("", &["one"]), ("on", &[" two"]), ("e tw", &[]), ("o", &[])]);
        assert_eq!(held, pairs(&[("one", "one"), (" two", " two")]));
    }

    #[test]
    fn tokens_of_a_stop_text_do_not_get_out() {
        assert_eq!(aligned(&[("end", &["end", "\nUser", ":"])]), pairs(&[("end", "end")]));
        assert_eq!(aligned(&[("", &["end\n", "User:"]), ("end", &[])]), pairs(&[("end", "end")]));
    }

    #[test]
    fn lost_and_added_spaces_are_mended() {
        assert_eq!(aligned(&[("Hi there", &["Hi", "there"])]), pairs(&[("Hi there", "Hi| there")]));
        assert_eq!(aligned(&[("Hi", &[" Hi"])]), pairs(&[("Hi", "Hi")]));
    }

    #[test]
    fn tokens_that_say_something_else_are_respelled() {
        assert_eq!(aligned(&[("🙂", &["<0xF0>", "<0x9F>"])]), pairs(&[("🙂", "|🙂")]));
    }

    #[test]
    fn a_server_without_tokens_is_found_out() {
        let mut aligner = Aligner::default();
        assert_eq!(aligner.push("text", Vec::new()).unwrap(), Aligned::default());
        assert_eq!(aligner.finish(), Err(OutOfStep));
        let long = "a".repeat(UNMATCHED_TEXT_BYTES_MAX + 1);
        assert_eq!(Aligner::default().push(&long, Vec::new()), Err(OutOfStep));
    }
}
