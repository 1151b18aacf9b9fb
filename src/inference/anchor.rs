//! Ties reported tokens to the text that they make up.
//!
//! Whoever judges text may then judge tokens by their place in it: after
//! [`anchor`], the tokens' bytes, one after the other, are the text's bytes.
//! Both real back ends call it for each piece; it knows neither of them.

use crate::domain::{Alternative, TokenLogprob};

/// Makes the bytes of `tokens` equal those of `text`.
///
/// They differ where a decoder drops the first space, replaces broken UTF-8, or
/// a server reports tokens in another spelling. Then the whole text is the last
/// token's, and those before it are empty: no token may say what the text does not.
pub(super) fn anchor(text: &str, tokens: &mut [TokenLogprob]) {
    if agree(text.as_bytes(), tokens) {
        return;
    }
    let Some((last, others)) = tokens.split_last_mut() else { return };
    for other in others {
        respell(&mut other.token, "");
    }
    respell(&mut last.token, text);
}

/// Cuts `token` down to `text`, the part of it that stays in the answer.
pub(super) fn respell(token: &mut Alternative, text: &str) {
    text.clone_into(&mut token.text);
    token.bytes = text.as_bytes().to_vec();
}

fn agree(text: &[u8], tokens: &[TokenLogprob]) -> bool {
    let mut rest = text;
    for token in tokens {
        let Some(after) = rest.strip_prefix(token.token.bytes.as_slice()) else { return false };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn token(bytes: &[u8]) -> TokenLogprob {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let token = Alternative { text, bytes: bytes.to_vec(), logprob: -0.5 };
        TokenLogprob { token, top: Vec::new() }
    }

    fn anchored(text: &str, tokens: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut tokens: Vec<_> = tokens.iter().map(|bytes| token(bytes)).collect();
        anchor(text, &mut tokens);
        tokens.into_iter().map(|token| token.token.bytes).collect()
    }

    #[test]
    fn tokens_that_agree_stay_as_they_are() {
        assert_eq!(anchored("né", &[b"n", b"\xC3", b"\xA9"]), [&b"n"[..], b"\xC3", b"\xA9"]);
    }

    #[test]
    fn tokens_that_say_something_else_are_respelled() {
        assert_eq!(anchored("Hello", &[b" Hello"]), [b"Hello"]);
        assert_eq!(anchored("\u{FFFD}", &[b"\xC3", b"\xC3"]), [&b""[..], "\u{FFFD}".as_bytes()]);
        assert_eq!(anchored("ab", &[b"ab", b"secret"]), [&b""[..], b"ab"]);
    }
}
