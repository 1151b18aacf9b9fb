//! The input stage: every text of the request is judged, in the form in which
//! the model will read it, before any of it may reach one. The only place that
//! grants [`Permitted`].

use std::borrow::Cow;
use std::sync::Arc;

use super::turns::{self, Turn};
use crate::audit::StoredText;
use crate::domain::{
    Action, Field, GenerationRequest, Message, Outcome, Permitted, Place, Prompt, Role, Stage,
    Verdict,
};
use crate::policy::{Engine, Judged, Originals, Reply, ReplyStyle};

/// What became of a prompt.
pub(super) enum Judgement {
    Permitted {
        verdict: Verdict,
        stored: Vec<StoredText>,
        request: Permitted<GenerationRequest>,
        /// What is to be put back into the answer.
        originals: Option<Arc<Originals>>,
    },
    Stopped {
        verdict: Verdict,
        stored: Vec<StoredText>,
        reply: Reply,
        outcome: Outcome,
    },
}

/// The texts of one request, each with its place.
struct Texts {
    /// Of `/v1/completions`; empty for a chat.
    prompt: Option<String>,
    turns: Vec<Turn>,
    /// Participant names as sent, with the index of their message.
    names: Vec<(u32, Role, String)>,
    stop: Vec<String>,
}

/// Judges all texts together, then redacts and neutralises what may pass.
pub(super) fn judge(engine: &Engine, mut request: GenerationRequest) -> Judgement {
    let mut texts = Texts::of(&mut request);
    let judged = texts.judged();
    let verdict = engine.judge(Stage::Input, &judged);
    let stored = stored(engine, &judged, &verdict);
    drop(judged);
    let originals = texts.rewrite(engine, &verdict);
    texts.put_back(engine, &mut request);
    match Permitted::grant(&verdict, request) {
        Some(request) => Judgement::Permitted { verdict, stored, request, originals },
        None => {
            let mut reply = engine.reply(verdict.decisive());
            let outcome = if verdict.action == Action::Replace {
                // A prepared answer is an ordinary one, whatever refusals look like.
                reply.style = ReplyStyle::Message;
                Outcome::PolicyReplace
            } else {
                Outcome::PolicyBlock
            };
            Judgement::Stopped { verdict, stored, reply, outcome }
        }
    }
}

/// The notice that this is an AI, when the policy wants one at the start of a
/// conversation and this is one.
pub(super) fn first_turn_notice(engine: &Engine, request: &GenerationRequest) -> Option<String> {
    let Prompt::Chat(messages) = &request.prompt else { return None };
    let begun = messages.iter().any(|message| message.role == Role::Assistant);
    let notice = engine.disclosure().first_turn.as_deref()?;
    (!begun).then(|| format!("{notice}\n\n"))
}

fn stored(engine: &Engine, texts: &[Judged<'_>], verdict: &Verdict) -> Vec<StoredText> {
    verdict
        .findings
        .iter()
        .filter(|finding| engine.stores_text(finding.category))
        .filter_map(|finding| {
            let judged = texts.iter().find(|judged| judged.place == finding.place)?;
            let text = judged.text.get(finding.span.clone())?.to_owned();
            Some(StoredText { place: finding.place, text })
        })
        .collect()
}

impl Texts {
    /// Takes the texts out of the request; [`Self::put_back`] returns them.
    fn of(request: &mut GenerationRequest) -> Self {
        let stop = std::mem::take(&mut request.stop);
        match std::mem::replace(&mut request.prompt, Prompt::Text(String::new())) {
            Prompt::Text(prompt) => {
                Self { prompt: Some(prompt), turns: Vec::new(), names: Vec::new(), stop }
            }
            Prompt::Chat(messages) => {
                let names = (0u32..).zip(&messages).filter_map(|(index, message)| {
                    Some((index, message.role, message.name.clone()?))
                });
                let names = names.collect();
                Self { prompt: None, turns: turns::of(messages), names, stop }
            }
        }
    }

    fn judged(&self) -> Vec<Judged<'_>> {
        let prompt =
            self.prompt.iter().map(|text| Judged { place: Place::Prompt, role: Role::User, text });
        let turns = self.turns.iter().map(|turn| Judged {
            place: content(turn.index),
            role: turn.message.role,
            text: &turn.message.text,
        });
        let names = self.names.iter().map(|(index, role, name)| Judged {
            place: Place::Message { index: *index, field: Field::Name },
            role: *role,
            text: name,
        });
        let stop = (0u32..).zip(&self.stop).map(|(index, text)| Judged {
            place: Place::StopText { index },
            role: Role::User,
            text,
        });
        prompt.chain(turns).chain(names).chain(stop).collect()
    }

    /// What passes is redacted where the policy says so and loses its control markers.
    /// Returns what pseudonyms stand for.
    fn rewrite(&mut self, engine: &Engine, verdict: &Verdict) -> Option<Arc<Originals>> {
        let judged = self.judged();
        let mut redaction = engine.redaction(verdict, judged.iter().map(|judged| judged.text));
        drop(judged);
        let mut clean = |place: Place, text: &mut String| {
            let redacted = redaction.apply(place, text);
            let neutral = engine.neutralise(&redacted);
            if *neutral != **text {
                *text = neutral.into_owned();
            }
        };
        if let Some(prompt) = &mut self.prompt {
            clean(Place::Prompt, prompt);
        }
        for turn in &mut self.turns {
            clean(content(turn.index), &mut turn.message.text);
            // A name that is not as it was is no name.
            let place = Place::Message { index: turn.index, field: Field::Name };
            turn.message.name.take_if(|name| {
                matches!(engine.redact(name, place, verdict), Cow::Owned(_))
                    || matches!(engine.neutralise(name), Cow::Owned(_))
            });
        }
        // A masked stop text would stop at something else.
        let mut index = 0;
        self.stop.retain(|text| {
            let place = Place::StopText { index };
            index += 1;
            matches!(engine.redact(text, place, verdict), Cow::Borrowed(_))
        });
        redaction.into_originals()
    }

    /// Gives the request the texts that the model may see, the policy's own in front.
    fn put_back(self, engine: &Engine, request: &mut GenerationRequest) {
        request.stop = self.stop;
        request.prompt = match self.prompt {
            Some(prompt) => Prompt::Text(prompt),
            None => {
                let own = engine.system_text().map(|text| Message::new(Role::System, text));
                let turns = self.turns.into_iter().map(|turn| turn.message);
                Prompt::Chat(
                    turns::of(own.into_iter().chain(turns).collect())
                        .into_iter()
                        .map(|turn| turn.message)
                        .collect(),
                )
            }
        };
    }
}

const fn content(index: u32) -> Place {
    Place::Message { index, field: Field::Content }
}
