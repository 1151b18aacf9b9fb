//! Properties of the parsers: nothing makes them panic, no text gets lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{chat_of, completion_of, messages, with_chat};
use crate::api::wire::{chat, completions, moderations};
use crate::api::{ApiConfig, UnknownFields};
use crate::domain::Prompt;

/// JSON that resembles requests often enough to get far.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "role",
            "content",
            "type",
            "text",
            "name",
            "messages",
            "model",
            "stop",
            "prompt",
            "input",
            "n",
            "stream",
            "stream_options",
            "logit_bias",
            "tools",
            "user",
            "refusal",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["user", "assistant", "text", "none", ""]).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_a_parser_panic(body in any_json(), bytes in any::<Vec<u8>>()) {
        for config in [UnknownFields::Refuse, UnknownFields::Strip] {
            let config = ApiConfig { unknown_fields: config, ..ApiConfig::default() };
            for body in [body.to_string().as_bytes(), with_chat(json!({"stop": body.clone()})).to_string().as_bytes(), &bytes] {
                let _ = chat::parse(body, &config);
                let _ = completions::parse(body, &config);
                let _ = moderations::parse(body, &config);
            }
        }
    }

    #[test]
    fn all_text_of_an_accepted_request_reaches_the_prompt(
        turns in prop::collection::vec(
            (
                prop::sample::select(vec!["system", "developer", "user", "assistant"]),
                prop::collection::vec("[^\\x00]{0,20}", 1..4),
                prop::option::of("[^\\x00]{1,20}"),
                any::<bool>(),
            ),
            1..6,
        ),
        stop in prop::collection::vec("[^\\x00]{1,20}", 0..=4),
    ) {
        let wire: Vec<_> = turns.iter().map(|(role, texts, name, split)| {
            let parts: Vec<_> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
            let content = if *split { json!(parts) } else { json!(texts.join("\n")) };
            json!({"role": role, "content": content, "name": name})
        }).collect();
        let parsed = chat_of(json!({"messages": wire, "stop": stop})).unwrap();
        prop_assert_eq!(&parsed.request.stop, &stop);
        let read: Vec<_> = messages(parsed).into_iter().map(|m| (m.text, m.name)).collect();
        let sent: Vec<_> = turns.into_iter().map(|(_, texts, name, _)| (texts.join("\n"), name)).collect();
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn a_completion_prompt_is_read_as_sent(prompt in "[^\\x00]{0,200}") {
        let parsed = completion_of(json!({"prompt": prompt})).unwrap();
        prop_assert_eq!(parsed.request.prompt, Prompt::Text(prompt));
    }
}
