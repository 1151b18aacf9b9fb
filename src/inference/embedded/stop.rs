//! Ends an answer at a stop text, which may come in pieces.
//!
//! Text waits here only while it can still turn out to be the beginning of a
//! stop text. A match is the one that is complete first, and of several that
//! end together the longest, so the way the text is cut changes nothing.
//! Knows nothing of models; `choice` feeds it.

use std::collections::VecDeque;
use std::mem;

use crate::domain::TokenLogprob;
use crate::inference::anchor::{anchor, respell};

/// Text that is certainly part of the answer, and the tokens that make it up.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settled {
    pub text: String,
    pub tokens: Vec<TokenLogprob>,
    /// A stop text was found; nothing follows.
    pub stopped: bool,
}

#[derive(Debug)]
pub(super) struct StopScan {
    stops: Vec<String>,
    held: String,
    /// Tokens of `held`, each group with the bytes of `held` that it makes up.
    /// INVARIANT: no tokens at all, or the lengths add up to `held.len()`.
    groups: VecDeque<Group>,
    /// Tokens that completed no character yet.
    unplaced: Vec<TokenLogprob>,
}

#[derive(Debug)]
struct Group {
    text_bytes: usize,
    tokens: Vec<TokenLogprob>,
}

impl StopScan {
    pub(super) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, held: String::new(), groups: VecDeque::new(), unplaced: Vec::new() }
    }

    /// Takes the next piece, with its token when tokens are reported at all.
    pub(super) fn push(&mut self, piece: &str, token: Option<TokenLogprob>) -> Settled {
        self.unplaced.extend(token);
        if piece.is_empty() {
            return Settled::default();
        }
        self.held.push_str(piece);
        if !self.unplaced.is_empty() {
            let mut tokens = mem::take(&mut self.unplaced);
            anchor(piece, &mut tokens);
            self.groups.push_back(Group { text_bytes: piece.len(), tokens });
        }
        match self.find() {
            Some(start) => Settled { stopped: true, ..self.settle(start, Cut::Through) },
            None => self.settle(self.certain(), Cut::Before),
        }
    }

    /// The answer is over; `rest` is what the decoder still had.
    pub(super) fn finish(&mut self, rest: &str) -> Settled {
        let mut settled = self.push(rest, None);
        if !settled.stopped {
            let last = self.settle(self.held.len(), Cut::Through);
            settled.text.push_str(&last.text);
            settled.tokens.extend(last.tokens);
        }
        settled
    }

    /// Where the stop text starts that is complete first.
    fn find(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// How much of `held` no stop text can reach into.
    fn certain(&self) -> usize {
        let possible = |tail: &str| self.stops.iter().any(|stop| stop.starts_with(tail));
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let first = self.held.len().saturating_sub(longest);
        self.held
            .char_indices()
            .map(|(at, _)| at)
            .filter(|&at| at >= first)
            .find(|&at| self.held.get(at..).is_some_and(possible))
            .unwrap_or(self.held.len())
    }

    /// Lets the first `end` bytes go, or with [`Cut::Before`] the whole groups among them.
    fn settle(&mut self, end: usize, cut: Cut) -> Settled {
        let mut settled = Settled::default();
        let mut taken = 0;
        while taken < end
            && let Some(group) = self.groups.front()
        {
            let whole = taken + group.text_bytes <= end;
            if !whole && cut == Cut::Before {
                break;
            }
            let Some(mut group) = self.groups.pop_front() else { break };
            if !whole {
                let part = self.held.get(taken..end).unwrap_or_default();
                shorten(&mut group.tokens, part);
            }
            taken += group.text_bytes;
            settled.tokens.append(&mut group.tokens);
        }
        let end = if self.groups.is_empty() { end } else { taken.min(end) };
        settled.text = self.held.get(..end).unwrap_or_default().to_owned();
        self.held = self.held.get(end..).unwrap_or_default().to_owned();
        settled
    }
}

/// What happens to a token group that is only partly certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It waits: a token is reported with all of its text.
    Before,
    /// It is cut down: the rest will never be part of the answer.
    Through,
}

/// Keeps of `tokens` what makes up `part`, their beginning.
fn shorten(tokens: &mut Vec<TokenLogprob>, part: &str) {
    tokens.truncate(1);
    if let Some(token) = tokens.first_mut() {
        respell(&mut token.token, part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inference::anchor::tests::token;

    /// The answer, whatever pieces it comes in, and whether a stop ended it.
    fn run(pieces: &[&str], stops: &[&str], tokens: bool) -> (String, bool) {
        let mut scan = StopScan::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let (mut text, mut spelled) = (String::new(), Vec::new());
        let mut stopped = false;
        for piece in pieces {
            let settled = scan.push(piece, tokens.then(|| token(piece.as_bytes())));
            text.push_str(&settled.text);
            spelled.extend(settled.tokens.iter().flat_map(|token| token.token.bytes.clone()));
            if tokens {
                assert_eq!(text.as_bytes(), spelled, "tokens keep step with the text");
            }
            stopped = settled.stopped;
            if stopped {
                break;
            }
        }
        if !stopped {
            let settled = scan.finish("");
            stopped = settled.stopped;
            text.push_str(&settled.text);
            spelled.extend(settled.tokens.iter().flat_map(|token| token.token.bytes.clone()));
        }
        if tokens {
            assert_eq!(text.as_bytes(), spelled);
        }
        (text, stopped)
    }

    #[test]
    fn the_stop_text_is_not_part_of_the_answer() {
        assert_eq!(run(&["one tw", "o", " th", "ree"], &["two th"], false), ("one ".into(), true));
        assert_eq!(run(&["one tw", "o", " th", "ree"], &["two th"], true), ("one ".into(), true));
        assert_eq!(run(&["one tw"], &["two"], true), ("one tw".into(), false));
        assert_eq!(run(&["aé", "ü"], &["éü"], true), ("a".into(), true));
    }

    #[test]
    fn text_waits_only_while_it_can_become_a_stop_text() {
        let mut scan = StopScan::new(vec!["\nUser:".into()]);
        assert_eq!(scan.push("hi\nUs", None).text, "hi");
        assert_eq!(scan.push("a", None).text, "\nUsa");
        let mut plain = StopScan::new(Vec::new());
        assert_eq!(plain.push("at once", None).text, "at once");
    }

    #[test]
    fn a_token_cut_by_a_stop_text_reports_what_stays() {
        let mut scan = StopScan::new(vec!["\n".into()]);
        let settled = scan.push("end\nmore", Some(token(b"end\nmore")));
        assert!(settled.stopped);
        assert_eq!(settled.text, "end");
        assert_eq!(
            settled.tokens.iter().map(|t| t.token.text.as_str()).collect::<Vec<_>>(),
            ["end"]
        );
    }

    #[test]
    fn tokens_that_complete_no_character_go_with_the_one_that_does() {
        let mut scan = StopScan::new(Vec::new());
        assert_eq!(scan.push("", Some(token(b"\xC3"))), Settled::default());
        assert_eq!(scan.push("é", Some(token(b"\xA9"))).tokens.len(), 2);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            text in "[abü]{0,24}",
            stops in proptest::collection::vec("[abü]{1,4}", 0..3),
            sizes in proptest::collection::vec(1usize..5, 24),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let chars: Vec<char> = text.chars().collect();
            let mut pieces: Vec<String> = Vec::new();
            let mut rest = chars.as_slice();
            for size in sizes {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                pieces.push(piece.iter().collect());
                rest = after;
            }
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let single: Vec<String> = chars.iter().map(char::to_string).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            for tokens in [false, true] {
                prop_assert_eq!(run(&pieces, &stops, tokens), run(&single, &stops, false));
            }
        }
    }
}
