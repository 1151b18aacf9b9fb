//! Llama 2's chat form, as token ids.
//!
//! Source: `generation.py` of Meta's public Llama repository. Each finished
//! pair of turns is BOS, the encoding of `[INST] user [/INST] answer ` and EOS;
//! the last user turn is BOS and the encoding of `[INST] user [/INST]`. The
//! system text stands in the first user turn, inside `<<SYS>>`. Segments are
//! encoded one by one, so no text can reach over the edge of its turn.
//!
//! Roles that Llama 2 does not know are merged:
//! - system and developer messages, wherever they stand, are joined by blank
//!   lines into the one system text;
//! - neighbouring messages of one role are joined by blank lines;
//! - a tool message is user text after the line `Tool result:`;
//! - an answer without a question gets an empty user turn;
//! - an answer at the end is a beginning that the model continues.
//!
//! Participant names are not rendered. Knows nothing of weights.

use super::error::ModelError;
use super::tokenizer::Tokenizer;
use crate::domain::{Message, Role};

/// Tokens by which joining the system text to a turn may shorten both.
const JOIN_SLACK_TOKENS: usize = 16;

/// A prompt as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPrompt {
    pub ids: Vec<u32>,
    /// Whole old turns left out so that the rest fits.
    pub turns_dropped: u32,
    /// The answer goes on in the middle of a text, so its first space is part of it.
    pub continues: bool,
}

/// A user's turn and what was answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Turn {
    user: String,
    answer: Option<String>,
}

/// Renders `messages` into at most `tokens_max` tokens, dropping whole old turns.
pub(super) fn render(
    tokenizer: &Tokenizer,
    messages: &[Message],
    tokens_max: usize,
) -> Result<RenderedPrompt, ModelError> {
    let (system, turns) = turns(messages);
    let Some((last, earlier)) = turns.split_last() else {
        return Err(ModelError::computation("a chat needs at least one message"));
    };
    let renderer = Renderer { tokenizer, system: &system };
    let continues = last.answer.as_deref().is_some_and(|answer| !strip(answer).is_empty());
    let whole = renderer.last(last, true)?;
    if whole.len() > tokens_max {
        return Err(ModelError::prompt_too_long(whole.len(), tokens_max));
    }
    let dropped = |kept: usize| u32::try_from(earlier.len() - kept).unwrap_or(u32::MAX);
    let (kept, ids) = renderer.fit(earlier, renderer.last(last, false)?, whole, tokens_max)?;
    Ok(RenderedPrompt { ids, turns_dropped: dropped(kept), continues })
}

struct Renderer<'a> {
    tokenizer: &'a Tokenizer,
    system: &'a str,
}

impl Renderer<'_> {
    /// The most recent turns of `earlier` that fit, how many, and the ids with `last` behind them.
    /// `alone` is the last turn with the system text, for when none fits.
    fn fit(
        &self,
        earlier: &[Turn],
        last: Vec<u32>,
        alone: Vec<u32>,
        tokens_max: usize,
    ) -> Result<(usize, Vec<u32>), ModelError> {
        // From the newest backwards, so that a long history costs only what is kept.
        let mut pairs: Vec<Vec<u32>> = Vec::new();
        let mut total = last.len();
        for turn in earlier.iter().rev() {
            let pair = self.pair(turn, false)?;
            if total + pair.len() > tokens_max {
                break;
            }
            total += pair.len();
            pairs.push(pair);
        }
        let system_tokens = alone.len().saturating_sub(last.len());
        while let Some(oldest) = pairs.pop() {
            let rest = total - oldest.len();
            total = rest;
            if rest + oldest.len() + system_tokens > tokens_max + JOIN_SLACK_TOKENS {
                continue;
            }
            let Some(turn) = earlier.iter().rev().nth(pairs.len()) else { continue };
            let first = if self.system.is_empty() { oldest } else { self.pair(turn, true)? };
            if rest + first.len() <= tokens_max {
                let kept = pairs.len() + 1;
                let ids = first.into_iter().chain(pairs.into_iter().rev().flatten()).chain(last);
                return Ok((kept, ids.collect()));
            }
        }
        Ok((0, alone))
    }

    fn pair(&self, turn: &Turn, with_system: bool) -> Result<Vec<u32>, ModelError> {
        let user = self.user_text(turn, with_system);
        let answer = strip(turn.answer.as_deref().unwrap_or_default());
        let mut ids = vec![self.tokenizer.bos()];
        ids.extend(self.tokenizer.encode(&format!("[INST] {} [/INST] {answer} ", strip(&user)))?);
        ids.push(self.tokenizer.eos());
        Ok(ids)
    }

    fn last(&self, turn: &Turn, with_system: bool) -> Result<Vec<u32>, ModelError> {
        let user = self.user_text(turn, with_system);
        let mut text = format!("[INST] {} [/INST]", strip(&user));
        if let Some(answer) = turn.answer.as_deref().map(strip).filter(|answer| !answer.is_empty())
        {
            text.push(' ');
            text.push_str(answer);
        }
        let mut ids = vec![self.tokenizer.bos()];
        ids.extend(self.tokenizer.encode(&text)?);
        Ok(ids)
    }

    fn user_text(&self, turn: &Turn, with_system: bool) -> String {
        if with_system && !self.system.is_empty() {
            format!("<<SYS>>\n{}\n<</SYS>>\n\n{}", self.system, turn.user)
        } else {
            turn.user.clone()
        }
    }
}

/// The system text, and the turns in order; only the last may be without an answer.
fn turns(messages: &[Message]) -> (String, Vec<Turn>) {
    let mut system = String::new();
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        let text = match message.role {
            Role::Tool => format!("Tool result:\n{}", message.text),
            _ => message.text.clone(),
        };
        match message.role {
            Role::System | Role::Developer => join(&mut system, &text),
            Role::User | Role::Tool => match turns.last_mut() {
                Some(turn) if turn.answer.is_none() => join(&mut turn.user, &text),
                _ => turns.push(Turn { user: text, answer: None }),
            },
            Role::Assistant => {
                if turns.is_empty() {
                    turns.push(Turn::default());
                }
                if let Some(turn) = turns.last_mut() {
                    join(turn.answer.get_or_insert_default(), &text);
                }
            }
        }
    }
    if turns.is_empty() && !system.is_empty() {
        turns.push(Turn::default());
    }
    (system, turns)
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

/// What Python's `str.strip` removes: white space, and the four separators of ASCII.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(messages: &[(Role, &str)]) -> (String, Vec<(String, Option<String>)>) {
        let messages: Vec<Message> =
            messages.iter().map(|(role, text)| Message::new(*role, *text)).collect();
        let (system, turns) = turns(&messages);
        (system, turns.into_iter().map(|turn| (turn.user, turn.answer)).collect())
    }

    #[test]
    fn roles_that_llama_does_not_know_are_merged() {
        use Role::{Assistant, Developer, System, Tool, User};
        let (system, turns) = read(&[
            (System, "be kind"),
            (Assistant, "hello"),
            (User, "one"),
            (User, "two"),
            (Developer, "be short"),
            (Tool, "42"),
            (Assistant, "three"),
            (Assistant, "four"),
        ]);
        assert_eq!(system, "be kind\n\nbe short");
        assert_eq!(
            turns,
            [
                (String::new(), Some("hello".into())),
                ("one\n\ntwo\n\nTool result:\n42".into(), Some("three\n\nfour".into())),
            ]
        );
    }

    #[test]
    fn a_system_text_alone_still_asks() {
        assert_eq!(read(&[(Role::System, "say hi")]).1, [(String::new(), None)]);
        assert_eq!(read(&[]).1, []);
    }

    #[test]
    fn python_strips_the_ascii_separators_too() {
        assert_eq!(strip("\u{1c}\u{a0} a b \n\u{1f}"), "a b");
    }
}
