//! Prompts against Meta's reference form.

use portcullis::domain::{Message, Role};
use serde::Deserialize;

use super::fixtures::{golden, load, read};

#[derive(Debug, Deserialize)]
struct Golden {
    dialogs: Vec<Dialog>,
}

#[derive(Debug, Deserialize)]
struct Dialog {
    messages: Vec<GoldenMessage>,
    ids: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct GoldenMessage {
    role: Role,
    text: String,
}

fn says(role: Role, text: &str) -> Message {
    Message::new(role, text)
}

#[test]
fn prompts_are_those_of_the_reference() {
    let golden: Golden = read(&golden("tokenizer/golden.json"));
    for model in ["gguf-f32.gguf", "hf-f32"].map(load) {
        for Dialog { messages, ids } in &golden.dialogs {
            let messages: Vec<Message> =
                messages.iter().map(|message| says(message.role, &message.text)).collect();
            let prompt = model.render_chat(&messages, 1).unwrap();
            assert_eq!(&prompt.ids, ids, "{messages:?}");
            assert_eq!((prompt.turns_dropped, prompt.continues), (0, false));
        }
    }
}

#[test]
fn whole_old_turns_are_dropped_and_the_system_text_stays() {
    let model = load("hf-f32");
    let mut messages = vec![says(Role::System, "Answer in one sentence.")];
    for turn in 0..30 {
        messages.push(says(Role::User, &format!("question {turn}")));
        messages.push(says(Role::Assistant, &format!("answer {turn}")));
    }
    messages.push(says(Role::User, "and now?"));
    let prompt = model.render_chat(&messages, 100).unwrap();
    assert!(prompt.ids.len() <= model.card().context_tokens - 100);
    assert!(prompt.turns_dropped > 0 && prompt.turns_dropped < 30);
    // The same as if the dropped turns had never been there.
    let dropped = prompt.turns_dropped as usize;
    let mut kept = vec![messages[0].clone()];
    kept.extend_from_slice(&messages[1 + 2 * dropped..]);
    let shorter = model.render_chat(&kept, 100).unwrap();
    assert_eq!((&shorter.ids, shorter.turns_dropped), (&prompt.ids, 0));
    // One turn more would not have fitted.
    let more = [&messages[..1], &messages[2 * dropped - 1..]].concat();
    assert!(model.render_chat(&more, 0).unwrap().ids.len() > model.card().context_tokens - 100);
}

#[test]
fn without_room_for_any_old_turn_the_last_one_is_left() {
    let model = load("hf-f32");
    let long = "word ".repeat(60);
    let messages = [
        says(Role::System, "be kind"),
        says(Role::User, &long),
        says(Role::Assistant, &long),
        says(Role::User, "and now?"),
    ];
    let prompt = model.render_chat(&messages, 150).unwrap();
    assert_eq!(prompt.turns_dropped, 1);
    let alone = [messages[0].clone(), messages[3].clone()];
    assert_eq!(prompt.ids, model.render_chat(&alone, 0).unwrap().ids);
}

#[test]
fn a_last_message_that_is_too_long_says_by_how_much() {
    let model = load("hf-f32");
    let error = model.render_chat(&[says(Role::User, &"a b ".repeat(400))], 16).unwrap_err();
    let (tokens, tokens_max) = error.too_long().unwrap();
    assert!(tokens > 400);
    assert_eq!(tokens_max, 240);
    let error = model.render_text(&"a b ".repeat(400), 16).unwrap_err();
    assert_eq!(error.too_long().unwrap().1, 240);
    assert!(model.render_chat(&[], 16).unwrap_err().too_long().is_none());
}

#[test]
fn an_answer_at_the_end_is_continued() {
    let model = load("hf-f32");
    let messages = [says(Role::User, "Hello!"), says(Role::Assistant, "The owl")];
    let prompt = model.render_chat(&messages, 1).unwrap();
    let text = model.tokenizer().encode("[INST] Hello! [/INST] The owl").unwrap();
    assert_eq!(prompt.ids, [&[1], text.as_slice()].concat());
    assert!(prompt.continues);
    let messages = [says(Role::User, "Hello!"), says(Role::Assistant, " \n")];
    let prompt = model.render_chat(&messages, 1).unwrap();
    assert_eq!(prompt, model.render_chat(&messages[..1], 1).unwrap());
}
