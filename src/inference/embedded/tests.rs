//! The embedded back end with a real, if senseless, model: random weights in
//! `tests/golden/checkpoints`, made by the script beside them.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;

use super::*;
use crate::domain::{FinishReason, GenerationEvent, Message, Role, Sampling, Usage};
use crate::model::Sampler;

const END_OF_SEQUENCE: u32 = 2;
/// Long enough for anything that should happen, short enough to notice that it does not.
const PATIENCE: Duration = Duration::from_secs(20);

fn model() -> Arc<Model> {
    let file = "tests/golden/checkpoints/gguf-f32.gguf";
    Arc::new(Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), None).unwrap())
}

fn embedded(change: impl FnOnce(&mut EmbeddedConfig)) -> Embedded {
    let mut config = EmbeddedConfig { slots: 2, queue_requests_max: 1, ..Default::default() };
    change(&mut config);
    Embedded::start("golden".into(), model(), config).unwrap()
}

/// A greedy request that does not end by itself.
fn request(text: &str, tokens_max: u32) -> GenerationRequest {
    GenerationRequest {
        prompt: Prompt::Text(text.into()),
        sampling: Sampling {
            temperature: 0.0,
            logit_bias: vec![(END_OF_SEQUENCE, -100.0)],
            ..Sampling::default()
        },
        choices: 1,
        tokens_max: Some(tokens_max),
        stop: Vec::new(),
        logprobs: None,
    }
}

type Event = Result<GenerationEvent, InferenceErrorKind>;

async fn next(stream: &mut TokenStream) -> Option<Event> {
    let event = tokio::time::timeout(PATIENCE, stream.next()).await.expect("nothing happens");
    event.map(|event| event.map_err(|error| error.kind))
}

async fn rest(mut stream: TokenStream) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream).await {
        events.push(event);
    }
    events
}

async fn run(embedded: &Embedded, request: GenerationRequest) -> Vec<GenerationEvent> {
    let events = rest(embedded.enqueue(request).await.unwrap()).await;
    events.into_iter().collect::<Result<_, _>>().unwrap()
}

fn text(events: &[GenerationEvent], wanted: u32) -> String {
    let texts = events.iter().filter_map(|event| match event {
        GenerationEvent::Delta { choice, text, .. } if *choice == wanted => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// What the model says when nobody else uses it, prompt and answer computed in one piece each.
fn reference(text: &str, tokens: u32) -> String {
    let model = model();
    let prompt = model.render_text(text, 1).unwrap();
    let mut sequence = model.sequence(model.card().context_tokens).unwrap();
    let mut decoder = model.decoder_after(&prompt);
    let mut sampler = Sampler::new(&request(text, tokens).sampling, 0, None);
    let mut logits = model.forward(&mut sequence, &prompt.ids).unwrap();
    let mut answer = String::new();
    for _ in 0..tokens {
        let id = sampler.draw(&model, logits).unwrap().id;
        answer.push_str(&decoder.push(id));
        logits = model.forward(&mut sequence, &[id]).unwrap();
    }
    answer.push_str(&decoder.finish());
    answer
}

#[tokio::test]
async fn an_answer_is_what_the_model_says_and_is_counted() {
    let embedded = embedded(|_| {});
    // Longer than one chunk of prefill.
    let long = "Hello there. ".repeat(24);
    assert!(embedded.model.render_text(&long, 1).unwrap().ids.len() > request::PREFILL_TOKENS_MAX);
    for prompt in ["Hello", &long] {
        let events = run(&embedded, request(prompt, 12)).await;
        let model_digest = Some(embedded.model.card().digest);
        let prompt_tokens = embedded.model.render_text(prompt, 1).unwrap().ids.len() as u32;
        let started = GenerationEvent::Started {
            prompt_tokens: Some(prompt_tokens),
            turns_dropped: 0,
            model_digest,
        };
        assert_eq!(events[0], started);
        assert_eq!(text(&events, 0), reference(prompt, 12));
        let finished = GenerationEvent::Finished { choice: 0, reason: FinishReason::Length };
        let usage = GenerationEvent::Usage(Usage { prompt_tokens, completion_tokens: 12 });
        assert_eq!(events[events.len() - 2..], [finished, usage]);
    }
    embedded.ready().await.unwrap();
}

#[tokio::test]
async fn choices_share_a_prompt_and_draw_apart() {
    let embedded = embedded(|config| config.threads = Some(2));
    let mut two = GenerationRequest { choices: 2, ..request("Hello", 10) };
    let greedy = run(&embedded, two.clone()).await;
    let alone = reference("Hello", 10);
    assert_eq!((text(&greedy, 0), text(&greedy, 1)), (alone.clone(), alone));
    assert!(matches!(
        greedy.last(),
        Some(GenerationEvent::Usage(Usage { completion_tokens: 20, .. }))
    ));
    two.sampling.temperature = 1.0;
    two.sampling.seed = Some(7);
    let drawn = run(&embedded, two.clone()).await;
    assert_ne!(text(&drawn, 0), text(&drawn, 1));
    let again = run(&embedded, two).await;
    assert_eq!((text(&again, 0), text(&again, 1)), (text(&drawn, 0), text(&drawn, 1)));
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_in_it() {
    let embedded = embedded(|_| {});
    let whole = reference("Hello", 16);
    let chars: Vec<char> = whole.chars().collect();
    let stop: String = chars[8..11].iter().collect();
    let before = whole.split(&stop).next().unwrap();
    for logprobs in [None, Some(2)] {
        let stopped =
            GenerationRequest { stop: vec![stop.clone()], logprobs, ..request("Hello", 16) };
        let events = run(&embedded, stopped).await;
        assert_eq!(text(&events, 0), before);
        let finished = GenerationEvent::Finished { choice: 0, reason: FinishReason::Stop };
        assert!(events.contains(&finished));
    }
}

#[tokio::test]
async fn reported_tokens_make_up_the_text_of_their_piece() {
    let embedded = embedded(|_| {});
    let wanted = GenerationRequest { logprobs: Some(3), ..request("Hello", 24) };
    let mut tokens_seen = 0;
    for event in run(&embedded, wanted).await {
        let GenerationEvent::Delta { text, tokens, .. } = event else { continue };
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.token.bytes.clone()).collect();
        assert_eq!(bytes, text.as_bytes());
        assert!(tokens.iter().all(|token| token.top.len() == 3 && token.token.logprob <= 0.0));
        tokens_seen += tokens.len();
    }
    assert_eq!(tokens_seen, 24);
}

#[tokio::test]
async fn a_request_without_a_limit_gets_the_default_that_is_told() {
    let backend = embedded(|config| config.tokens_default_max = 7);
    let unlimited = GenerationRequest { tokens_max: None, ..request("Hello", 1) };
    let events = run(&backend, unlimited).await;
    let Some(GenerationEvent::Usage(usage)) = events.last() else { panic!("{events:?}") };
    assert_eq!((usage.completion_tokens, backend.tokens_default_max()), (7, 7));
    let short = embedded(|config| config.context_tokens = Some(32));
    assert_eq!(short.tokens_default_max(), 32, "more does not fit");
}

#[tokio::test]
async fn the_context_ends_an_answer() {
    let embedded = embedded(|config| config.context_tokens = Some(32));
    let unlimited = GenerationRequest { tokens_max: None, ..request("Hello", 1) };
    let events = run(&embedded, unlimited).await;
    let Some(GenerationEvent::Usage(usage)) = events.last() else { panic!("{events:?}") };
    assert_eq!(usage.prompt_tokens + usage.completion_tokens, 32);
    let long = "Hello there. ".repeat(12);
    let error = embedded.enqueue(request(&long, 5)).await.unwrap_err();
    let InferenceErrorKind::PromptTooLong { tokens, .. } = error.kind else { panic!("{error:?}") };
    assert!(tokens.unwrap() > 32);
    assert_eq!(embedded.load(), Load::default(), "its place is free again");
}

#[tokio::test]
async fn an_answer_that_was_asked_for_has_its_room_or_is_refused() {
    let embedded = embedded(|config| config.context_tokens = Some(32));
    let prompt = embedded.model.render_text("Hello", 1).unwrap().ids.len() as u32;
    let events = run(&embedded, request("Hello", 32 - prompt)).await;
    let Some(GenerationEvent::Usage(usage)) = events.last() else { panic!("{events:?}") };
    assert_eq!(usage.completion_tokens, 32 - prompt, "all that was promised");
    // One more fits no prompt but an empty one; beyond the context it needs no look at the prompt.
    for tokens in [32 - prompt + 1, 33] {
        let error = embedded.enqueue(request("Hello", tokens)).await.unwrap_err();
        assert_eq!(error.kind, InferenceErrorKind::AnswerTooLong { tokens }, "{error}");
    }
    assert!(embedded.check(&request("Hello", 32)).is_ok());
    assert!(embedded.check(&request("Hello", 33)).is_err(), "before any work");
    assert_eq!(embedded.load(), Load::default(), "its place is free again");
}

#[tokio::test]
async fn old_turns_make_way_and_are_counted() {
    let embedded = embedded(|config| config.context_tokens = Some(96));
    let turn = |role| Message::new(role, "Hello there. ".repeat(12));
    let messages = vec![turn(Role::User), turn(Role::Assistant), Message::new(Role::User, "Hello")];
    let chat = GenerationRequest { prompt: Prompt::Chat(messages), ..request("", 4) };
    let events = run(&embedded, chat).await;
    assert!(matches!(events[0], GenerationEvent::Started { turns_dropped: 1, .. }));
}

#[tokio::test]
async fn requests_take_turns() {
    let embedded = embedded(|_| {});
    let long = embedded.enqueue(request("Hello", 150)).await.unwrap();
    let short = embedded.enqueue(request("Hello", 3)).await.unwrap();
    let long = async {
        let events = rest(long).await;
        (std::time::Instant::now(), events)
    };
    let short = async {
        let events = rest(short).await;
        (std::time::Instant::now(), events)
    };
    let ((long_end, long), (short_end, short)) = futures::join!(long, short);
    assert!(short_end < long_end, "the short one does not wait for the long one");
    assert!(long.iter().chain(&short).all(Result::is_ok));
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_else() {
    let embedded = embedded(|_| {});
    let slow = embedded.enqueue(request("Hello", 150)).await.unwrap();
    let quick = run(&embedded, request("Hello there", 100)).await;
    assert_eq!(text(&quick, 0), reference("Hello there", 100));
    assert_eq!(embedded.load().running, 1, "the slow one waits, unfinished");
    let events: Vec<_> = rest(slow).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(text(&events, 0), reference("Hello", 150));
}

#[tokio::test]
async fn a_dropped_stream_frees_its_slot_and_a_full_queue_turns_away() {
    let embedded = embedded(|config| {
        config.slots = 1;
        config.queue_requests_max = 0;
    });
    let mut endless = embedded.enqueue(request("Hello", 150)).await.unwrap();
    next(&mut endless).await.unwrap().unwrap();
    let refused = embedded.enqueue(request("Hello", 1)).await.unwrap_err();
    assert!(matches!(refused.kind, InferenceErrorKind::Overloaded { .. }));
    drop(endless);
    let freed = async {
        while embedded.load() != Load::default() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
    assert_eq!(text(&run(&embedded, request("Hello", 4)).await, 0), reference("Hello", 4));
}

#[tokio::test]
async fn a_failed_generation_ends_alone() {
    let embedded = embedded(|_| {});
    let mut broken = request("Hello", 4);
    broken.sampling.temperature = 1.0;
    broken.sampling.logit_bias = vec![(5, f32::NAN)];
    let (broken, sound) = futures::join!(
        async { rest(embedded.enqueue(broken).await.unwrap()).await },
        run(&embedded, request("Hello", 20)),
    );
    assert_eq!(broken.last(), Some(&Err(InferenceErrorKind::Failed)));
    assert_eq!(text(&sound, 0), reference("Hello", 20));
    assert_eq!(embedded.load(), Load::default());
    embedded.ready().await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_what_runs_and_what_waits() {
    let embedded = embedded(|config| config.slots = 1);
    let mut running = embedded.enqueue(request("Hello", 150)).await.unwrap();
    next(&mut running).await.unwrap().unwrap();
    let waiting = embedded.enqueue(request("Hello", 1)).await.unwrap();
    drop(embedded);
    assert_eq!(rest(waiting).await, [Err(InferenceErrorKind::Unavailable)]);
    // A full channel has no place for the reason; the stream ends unfinished all the same.
    let ended = rest(running).await;
    assert!(!ended.iter().any(|event| matches!(event, Ok(GenerationEvent::Usage(_)))));
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_name() {
    let embedded = embedded(|_| {});
    let plain = || request("Hello", 4);
    let too_many = vec![".".to_owned(); GenerationRequest::STOPS_MAX + 1];
    let vocabulary = embedded.model.card().vocabulary as u32;
    let mut biased = plain();
    biased.sampling.logit_bias = vec![(vocabulary, 1.0)];
    for (request, field) in [
        (GenerationRequest { choices: 3, ..plain() }, "n"),
        (GenerationRequest { choices: 0, ..plain() }, "n"),
        (GenerationRequest { stop: vec![String::new()], ..plain() }, "stop"),
        (GenerationRequest { stop: too_many, ..plain() }, "stop"),
        (GenerationRequest { tokens_max: Some(0), ..plain() }, "max_tokens"),
        (biased, "logit_bias"),
    ] {
        let refused = embedded.check(&request).unwrap_err();
        assert_eq!(refused.kind, InferenceErrorKind::Unsupported { field });
    }
    assert!(embedded.check(&plain()).is_ok());
}
