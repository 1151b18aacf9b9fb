//! The input stage: every text of the request is judged before any of it may
//! reach a model. The only place that grants [`Permitted`].

use crate::audit::StoredText;
use crate::domain::{
    Action, Field, GenerationRequest, Message, Outcome, Permitted, Place, Prompt, Role, Stage,
    Verdict,
};
use crate::policy::{Engine, Judged, Reply, ReplyStyle};

/// What became of a prompt.
pub(super) enum Judgement {
    Permitted { verdict: Verdict, stored: Vec<StoredText>, request: Permitted<GenerationRequest> },
    Stopped { verdict: Verdict, stored: Vec<StoredText>, reply: Reply, outcome: Outcome },
}

/// Judges all texts together, then redacts and neutralises what may pass.
pub(super) fn judge(engine: &Engine, mut request: GenerationRequest) -> Judgement {
    let (verdict, stored) = {
        let texts = texts(&request);
        let verdict = engine.judge(Stage::Input, &texts);
        let stored = stored(engine, &texts, &verdict);
        (verdict, stored)
    };
    if !verdict.action.stops() {
        rewrite(engine, &verdict, &mut request);
    }
    match Permitted::grant(&verdict, request) {
        Some(request) => Judgement::Permitted { verdict, stored, request },
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

fn texts(request: &GenerationRequest) -> Vec<Judged<'_>> {
    let mut texts = Vec::new();
    match &request.prompt {
        Prompt::Text(text) => texts.push(Judged { place: Place::Prompt, role: Role::User, text }),
        Prompt::Chat(messages) => {
            for (index, message) in (0u32..).zip(messages) {
                let place = |field| Place::Message { index, field };
                let role = message.role;
                texts.push(Judged { place: place(Field::Content), role, text: &message.text });
                if let Some(name) = &message.name {
                    texts.push(Judged { place: place(Field::Name), role, text: name });
                }
            }
        }
    }
    for (index, text) in (0u32..).zip(&request.stop) {
        texts.push(Judged { place: Place::StopText { index }, role: Role::User, text });
    }
    texts
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

/// What passes is redacted where the policy says so, loses its control markers,
/// and gets the policy's own system text in front.
fn rewrite(engine: &Engine, verdict: &Verdict, request: &mut GenerationRequest) {
    let clean = |place: Place, text: &mut String| {
        let redacted = engine.redact(text, place, verdict);
        let neutral = engine.neutralise(&redacted);
        if *neutral != **text {
            *text = neutral.into_owned();
        }
    };
    match &mut request.prompt {
        Prompt::Text(text) => clean(Place::Prompt, text),
        Prompt::Chat(messages) => {
            for (index, message) in (0u32..).zip(messages.iter_mut()) {
                clean(Place::Message { index, field: Field::Content }, &mut message.text);
                if let Some(name) = &mut message.name {
                    clean(Place::Message { index, field: Field::Name }, name);
                }
            }
            if let Some(text) = engine.system_text() {
                messages.insert(0, Message::new(Role::System, text));
            }
        }
    }
}
