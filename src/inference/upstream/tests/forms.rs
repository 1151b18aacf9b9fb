//! Answers as servers write them, in every way to cut and end a line.

use super::*;

fn expect_hello(outcome: &Outcome) {
    let events = outcome.as_ref().unwrap();
    assert_eq!(events[0], STARTED);
    assert_eq!(text(events, 0), "Héllo 🙂");
    let last = [end(0, FinishReason::Stop), GenerationEvent::Usage(COUNTED)];
    assert_eq!(events[events.len() - 2..], last);
}

#[tokio::test]
async fn a_stream_becomes_events_and_the_request_is_ours() {
    let server = Server::always(stream(hello())).await;
    let backend = upstream(&[&server], |config| {
        config.model = Some("meta-llama/Llama-2-7b-chat-hf".into());
        config.api_key = Some("sk-upstream".into());
        config.tokens_default_max = 99;
    });
    assert_eq!(backend.tokens_default_max(), 99);
    expect_hello(&outcome(&backend, chat()).await);
    let asked = server.asked.lock().unwrap().remove(0);
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    let mut names: Vec<_> =
        head.lines().skip(1).map(|line| line.split_once(':').unwrap().0.to_lowercase()).collect();
    names.sort();
    let ours = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, ours);
    assert!(head.contains("accept-encoding: identity"));
    assert!(head.contains("authorization: Bearer sk-upstream"));
    assert!(body.contains(r#""model":"meta-llama/Llama-2-7b-chat-hf""#));
    assert!(body.contains(r#""max_tokens":99"#), "what is charged is what is asked for");
    assert!(!format!("{backend:?}").contains("sk-upstream"), "the key is not printed");
}

/// As llama.cpp's server counts: the chat form in an event of its own behind each choice, the
/// older form with the choice's last event.
#[tokio::test]
async fn counts_of_each_choice_are_added_up() {
    let ended = |choice: u32, tokens: u32| {
        let counted = format!(r#""usage":{{"prompt_tokens":3,"completion_tokens":{tokens}}}"#);
        let apart = event(&format!(r#"{{"choices":[],{counted}}}"#));
        let with = event(&format!(
            r#"{{"choices":[{{"index":{choice},"text":"","finish_reason":"length"}}],{counted}}}"#
        ));
        [[finished(choice, "length"), apart].concat(), with]
    };
    for form in 0..2 {
        let end = |choice, tokens| ended(choice, tokens)[form].clone();
        let body = [said(1, "b"), said(0, "a"), end(1, 4), said(0, "aa"), end(0, 5), done()];
        let server = Server::always(stream(body.concat())).await;
        let two = GenerationRequest { choices: 2, ..chat() };
        let events = outcome(&upstream(&[&server], |_| {}), two).await.unwrap();
        let usage = Usage { prompt_tokens: 3, completion_tokens: 9 };
        assert_eq!(events.last(), Some(&GenerationEvent::Usage(usage)));
    }
}

#[tokio::test]
async fn cuts_change_nothing() {
    for size in [1, 2, 3, 5, 64] {
        let mut acts = vec![Act::Send(head("text/event-stream; charset=utf-8"))];
        for piece in hello().as_bytes().chunks(size) {
            acts.push(Act::Send(piece.to_vec()));
            acts.push(Act::Wait(Duration::ZERO));
        }
        expect_hello(&outcome_of(acts).await);
    }
}

#[tokio::test]
async fn line_ends_comments_marks_and_long_data_are_understood() {
    let commented = format!(": keep-alive\n\nid: 7\nretry: 10\n\n{}", hello());
    let several_lines = hello().replace(r#""choices":"#, "\ndata: \"choices\":\ndata:");
    for body in [
        hello().replace('\n', "\r\n"),
        hello().replace('\n', "\r"),
        format!("\u{FEFF}{}", hello()),
        commented,
        several_lines,
        hello().replace("data: ", "data:"),
    ] {
        expect_hello(&outcome_of(stream(body)).await);
    }
}

#[tokio::test]
async fn choices_may_be_interleaved() {
    let body = [
        said(1, "b"),
        said(0, "a"),
        finished(1, "length"),
        said(0, "a"),
        finished(0, "stop"),
        usage(),
        done(),
    ];
    let server = Server::always(stream(body.concat())).await;
    let two = GenerationRequest { choices: 2, ..chat() };
    let events = outcome(&upstream(&[&server], |_| {}), two).await.unwrap();
    assert_eq!((text(&events, 0), text(&events, 1)), ("aa".into(), "b".into()));
    assert!(events.contains(&end(1, FinishReason::Length)));
    assert_eq!(events.last(), Some(&GenerationEvent::Usage(COUNTED)));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Héllo 🙂"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    let acts = vec![Act::Send(head("application/json")), Act::Send(body.into())];
    expect_hello(&outcome_of(acts).await);
    let unfinished = r#"{"choices":[{"index":0,"message":{"content":"a"}}]}"#;
    let acts = vec![Act::Send(head("application/json")), Act::Send(unfinished.into())];
    assert_eq!(outcome_of(acts).await, Err(InferenceErrorKind::Upstream { status: 200 }));
}

#[tokio::test]
async fn text_prompts_go_to_completions_with_their_logprobs() {
    let logprobs = r#"{"tokens":["Once"," upon"],"token_logprobs":[-0.5,-0.25],"top_logprobs":[{"Once":-0.5},null]}"#;
    let chunk = format!(
        r#"{{"choices":[{{"index":0,"text":"Once upon","logprobs":{logprobs},"finish_reason":"length"}}]}}"#
    );
    let server = Server::always(stream([event(&chunk), done()].concat())).await;
    let wanted =
        GenerationRequest { logprobs: Some(1), ..request(Prompt::Text("Tell a tale.".into())) };
    let events = outcome(&upstream(&[&server], |_| {}), wanted).await.unwrap();
    let GenerationEvent::Delta { text, tokens, .. } = &events[1] else { panic!("{events:?}") };
    assert_eq!(text, "Once upon");
    assert_eq!(tokens.iter().map(|token| token.token.logprob).collect::<Vec<_>>(), [-0.5, -0.25]);
    assert_eq!(tokens[0].top[0].text, "Once");
    assert_eq!(events[2..], [end(0, FinishReason::Length)], "no usage was told, none is made up");
    assert!(server.asked.lock().unwrap()[0].starts_with("POST /v1/completions "));
}

#[tokio::test]
async fn a_server_without_logprobs_is_refused_when_they_are_wanted() {
    let server = Server::always(stream(hello())).await;
    let wanted = GenerationRequest { logprobs: Some(0), ..chat() };
    let refused = outcome(&upstream(&[&server], |_| {}), wanted).await;
    assert_eq!(refused, Err(InferenceErrorKind::Unsupported { field: "logprobs" }));
}

#[tokio::test]
async fn tool_messages_are_refused_before_any_work() {
    let server = Server::always(stream(hello())).await;
    let tool = request(Prompt::Chat(vec![Message::new(Role::Tool, "42")]));
    let refused = outcome(&upstream(&[&server], |_| {}), tool).await;
    assert_eq!(refused, Err(InferenceErrorKind::Unsupported { field: "messages" }));
    assert_eq!(server.times_asked(), 0);
}
