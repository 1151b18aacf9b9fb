//! Drawing tokens.

use portcullis::domain::Sampling;
use portcullis::model::{Model, Sampler};

use super::fixtures::load;

const VOCABULARY: usize = 512;

/// Three likely tokens: 300 (half), 301 and 302 (a quarter each), the rest next to nothing.
fn logits() -> Vec<f32> {
    let mut logits = vec![-20.0; VOCABULARY];
    logits[300] = 2.0_f32.ln();
    logits[301] = 0.0;
    logits[302] = 0.0;
    logits
}

fn draw_many(model: &Model, sampling: &Sampling, choice: u32, times: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, choice, None);
    (0..times).map(|_| sampler.draw(model, logits()).unwrap().id).collect()
}

fn seeded() -> Sampling {
    Sampling { seed: Some(7), ..Sampling::default() }
}

fn share(ids: &[u32], id: u32) -> f64 {
    ids.iter().filter(|&&drawn| drawn == id).count() as f64 / ids.len() as f64
}

#[test]
fn a_seed_repeats_and_choices_differ() {
    let model = load("gguf-f32.gguf");
    let first = draw_many(&model, &seeded(), 0, 64);
    assert_eq!(first, draw_many(&model, &seeded(), 0, 64));
    assert_ne!(first, draw_many(&model, &seeded(), 1, 64));
    let unseeded = Sampling::default();
    assert_ne!(draw_many(&model, &unseeded, 0, 64), draw_many(&model, &unseeded, 0, 64));
}

#[test]
fn tokens_are_drawn_as_often_as_they_are_likely() {
    let model = load("gguf-f32.gguf");
    let ids = draw_many(&model, &seeded(), 0, 4000);
    assert!((share(&ids, 300) - 0.5).abs() < 0.04, "{}", share(&ids, 300));
    assert!((share(&ids, 301) - 0.25).abs() < 0.04, "{}", share(&ids, 301));
    // At half the temperature the weights are squared: 4 to 1 to 1.
    let cooler = Sampling { temperature: 0.5, ..seeded() };
    let ids = draw_many(&model, &cooler, 0, 4000);
    assert!((share(&ids, 300) - 2.0 / 3.0).abs() < 0.04, "{}", share(&ids, 300));
}

#[test]
fn top_p_and_top_k_cut_the_tail() {
    let model = load("gguf-f32.gguf");
    let only_best = [
        Sampling { top_p: 0.4, ..seeded() },
        Sampling { top_k: Some(1), ..seeded() },
        Sampling { top_k: Some(2), top_p: 0.3, ..seeded() },
        Sampling { temperature: 0.0, ..seeded() },
        Sampling { temperature: 1e-300, ..seeded() },
    ];
    for sampling in only_best {
        assert_eq!(share(&draw_many(&model, &sampling, 0, 200), 300), 1.0, "{sampling:?}");
    }
    let two = Sampling { top_p: 0.7, ..seeded() };
    let ids = draw_many(&model, &two, 0, 500);
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 2);
}

#[test]
fn penalties_and_bias_move_the_choice() {
    let model = load("gguf-f32.gguf");
    let greedy = Sampling { temperature: 0.0, ..seeded() };
    assert_eq!(draw_many(&model, &greedy, 0, 3), [300, 300, 300]);
    let presence = Sampling { presence_penalty: 1.0, ..greedy.clone() };
    assert_eq!(draw_many(&model, &presence, 0, 4), [300, 301, 302, 300]);
    let frequency = Sampling { frequency_penalty: 0.4, ..greedy.clone() };
    assert_eq!(draw_many(&model, &frequency, 0, 3), [300, 300, 301]);
    let repetition =
        Sampling { repetition_penalty: 10.0, logit_bias: vec![(301, 0.1)], ..greedy.clone() };
    assert_eq!(draw_many(&model, &repetition, 0, 2), [300, 301]);
    let bias = Sampling { logit_bias: vec![(300, -100.0), (40, 100.0)], ..greedy.clone() };
    assert_eq!(draw_many(&model, &bias, 0, 1), [40]);
    // An id that no token has does nothing.
    let bias = Sampling { logit_bias: vec![(4_000_000, 100.0)], ..greedy };
    assert_eq!(draw_many(&model, &bias, 0, 1), [300]);
}

#[test]
fn logprobs_are_of_the_unmodified_distribution() {
    let model = load("gguf-f32.gguf");
    let sampling =
        Sampling { temperature: 0.0, logit_bias: vec![(301, 50.0)], ..Sampling::default() };
    let drawn = Sampler::new(&sampling, 0, Some(2)).draw(&model, logits()).unwrap();
    let logprob = drawn.logprob.unwrap();
    assert_eq!(drawn.id, 301);
    assert!((logprob.token.logprob - 0.25_f32.ln()).abs() < 1e-4);
    assert_eq!(logprob.token.bytes, model.token_bytes(301));
    assert_eq!(logprob.top.len(), 2);
    assert!((logprob.top[0].logprob - 0.5_f32.ln()).abs() < 1e-4);
    assert_eq!(logprob.top[0].bytes, model.token_bytes(300));
    let none = Sampler::new(&sampling, 0, Some(0)).draw(&model, logits()).unwrap();
    assert!(none.logprob.unwrap().top.is_empty());
    assert!(Sampler::new(&sampling, 0, None).draw(&model, logits()).unwrap().logprob.is_none());
}

#[test]
fn the_first_tokens_logprob_has_the_bytes_of_its_text() {
    let model = load("gguf-f32.gguf");
    let word = model.tokenizer().encode("the").unwrap()[0];
    assert_eq!(model.token_bytes(word).first(), Some(&b' '));
    let mut logits = vec![0.0; VOCABULARY];
    logits[word as usize] = 9.0;
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let mut sampler = Sampler::new(&sampling, 0, Some(1));
    let mut decoder = model.text_decoder();
    for _ in 0..2 {
        let drawn = sampler.draw(&model, logits.clone()).unwrap();
        let logprob = decoder.as_text(drawn.logprob.unwrap());
        assert_eq!(decoder.push(drawn.id).into_bytes(), logprob.token.bytes);
        assert_eq!(logprob.top[0].bytes, logprob.token.bytes);
    }
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    let model = load("gguf-f32.gguf");
    for (sampling, bad) in
        [(seeded(), f32::NAN), (Sampling { temperature: 0.0, ..seeded() }, f32::INFINITY)]
    {
        let mut logits = logits();
        logits[5] = bad;
        assert!(Sampler::new(&sampling, 0, Some(3)).draw(&model, logits).is_err());
    }
    assert!(Sampler::new(&seeded(), 0, None).draw(&model, Vec::new()).is_err());
}

proptest::proptest! {
    /// Any parameters and any finite logits give a token of the vocabulary.
    #[test]
    fn any_parameters_draw_a_token(
        temperature in 0.0..1e9_f64,
        top_p in 0.0..=1.0_f64,
        top_k in proptest::option::of(0..2000_u32),
        penalty in -2.0..2.0_f32,
        repetition_penalty in 0.0..100.0_f32,
        scale in 0.0..1e30_f32,
        seed: u64,
    ) {
        let sampling = Sampling {
            temperature, top_p, top_k, seed: Some(seed), presence_penalty: penalty,
            frequency_penalty: -penalty, repetition_penalty, logit_bias: vec![(3, 100.0)],
        };
        let model = model();
        let mut sampler = Sampler::new(&sampling, 0, Some(5));
        for _ in 0..3 {
            let logits = logits().iter().map(|logit| logit * scale).collect();
            let drawn = sampler.draw(model, logits).unwrap();
            proptest::prop_assert!((drawn.id as usize) < VOCABULARY);
        }
    }
}

fn model() -> &'static Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    MODEL.get_or_init(|| load("gguf-f32.gguf"))
}
