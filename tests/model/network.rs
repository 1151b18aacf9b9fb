//! Logits, log-probabilities and greedy text against transformers.

use portcullis::domain::Sampling;
use portcullis::model::{Model, RenderedPrompt, Sampler, Sequence};

use super::fixtures::{CHECKPOINTS, Expected, ExpectedPrompt, checkpoint, expected, load};

/// Greatest difference of a logit, as a part of the logits' standard deviation.
///
/// Unquantised weights are multiplied exactly as transformers does, in F32, so only the order of
/// the sums differs. With ggml blocks the activations are rounded to 8 bits, which transformers
/// does not do; that the products themselves are right is tested beside `Matrix`.
const TOLERANCE_EXACT: f32 = 2e-5;
const TOLERANCE_QUANTISED: f32 = 0.12;

/// The best token may be another one nowhere, or at so many of a hundred positions.
const TOP1_PERCENT_QUANTISED: usize = 8;

fn tolerance(expected: &Expected) -> f32 {
    expected.spread * if expected.quantised { TOLERANCE_QUANTISED } else { TOLERANCE_EXACT }
}

fn greatest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn greedy(model: &Model, sequence: &mut Sequence, mut logits: Vec<f32>, tokens: usize) -> Vec<u32> {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let mut sampler = Sampler::new(&sampling, 0, None);
    let mut answer = Vec::new();
    for _ in 0..tokens {
        let id = sampler.draw(model, logits).unwrap().id;
        answer.push(id);
        logits = model.forward(sequence, &[id]).unwrap();
    }
    answer
}

#[test]
fn logits_agree_with_transformers() {
    let mut failed = Vec::new();
    for (file, name) in CHECKPOINTS {
        let (model, expected) = (load(file), expected(name));
        let mut worst: f32 = 0.0;
        for ExpectedPrompt { ids, logits, .. } in &expected.prompts {
            let mut sequence = model.sequence(ids.len()).unwrap();
            let ours = model.forward(&mut sequence, ids).unwrap();
            worst = worst.max(greatest_difference(&ours, logits));
        }
        println!("{name}: greatest difference {worst}, spread {}", expected.spread);
        if worst > tolerance(&expected) {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn the_best_token_agrees_at_every_position() {
    for (file, name) in CHECKPOINTS {
        let (model, expected) = (load(file), expected(name));
        let (mut different, mut all) = (0, 0);
        for ExpectedPrompt { ids, best, .. } in &expected.prompts {
            let rows = model.forward_all(ids).unwrap();
            assert_eq!(rows.len(), best.len());
            for (row, &best) in rows.iter().zip(best) {
                let ours = row.iter().copied().fold(f32::MIN, f32::max);
                let lead = ours - row[best as usize];
                // Random networks have near ties, which rounding decides.
                assert!(lead <= 2.0 * tolerance(&expected), "{name}: {lead}");
                all += 1;
                different += usize::from(lead > 0.0);
            }
        }
        println!("{name}: the best token differs at {different} of {all} positions");
        let allowed = if expected.quantised { all * TOP1_PERCENT_QUANTISED / 100 } else { 0 };
        assert!(different <= allowed, "{name}: {different} of {all}");
    }
}

#[test]
fn greedy_text_is_identical() {
    for (file, name) in CHECKPOINTS {
        let model = load(file);
        for prompt in expected(name).prompts {
            let mut sequence = model.sequence(prompt.ids.len() + prompt.answer_ids.len()).unwrap();
            let logits = model.forward(&mut sequence, &prompt.ids).unwrap();
            let answer = greedy(&model, &mut sequence, logits, prompt.answer_ids.len());
            assert_eq!(answer, prompt.answer_ids, "{name}");
            let mut decoder = model.text_decoder();
            let mut text: String = answer.iter().map(|&id| decoder.push(id)).collect();
            text.push_str(&decoder.finish());
            assert_eq!(text, prompt.answer, "{name}");
        }
    }
}

#[test]
fn scores_agree_with_transformers() {
    for (file, name) in CHECKPOINTS {
        let (model, expected) = (load(file), expected(name));
        for prompt in &expected.prompts {
            let ours = model.score(&prompt.ids).unwrap();
            let worst = greatest_difference(&ours, &prompt.logprobs);
            assert!(worst <= 2.0 * tolerance(&expected), "{name}: {worst}");
        }
    }
}

#[test]
fn a_prompt_in_pieces_gives_the_same_answer_as_a_whole_one() {
    for (file, name) in [("hf-f16-shards", "hf-f16-shards"), ("gguf-f16-gqa.gguf", "gguf-f16-gqa")]
    {
        let model = load(file);
        let ExpectedPrompt { ids, logits, .. } = expected(name).prompts.pop().unwrap();
        for piece in [1, 100, 149] {
            let mut sequence = model.sequence(ids.len()).unwrap();
            let mut last = Vec::new();
            for ids in ids.chunks(piece) {
                last = model.forward(&mut sequence, ids).unwrap();
            }
            assert_eq!(sequence.len(), ids.len());
            assert!(greatest_difference(&last, &logits) < 1e-4, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn a_fork_goes_its_own_way() {
    let model = load("gguf-q8_0-gqa.gguf");
    let prompt = expected("gguf-q8_0-gqa").prompts.swap_remove(1);
    let mut sequence = model.sequence(prompt.ids.len() + prompt.answer_ids.len()).unwrap();
    let logits = model.forward(&mut sequence, &prompt.ids).unwrap();
    let mut fork = sequence.fork().unwrap();
    model.forward(&mut fork, &[5, 6, 7]).unwrap();
    let answer = greedy(&model, &mut sequence, logits, prompt.answer_ids.len());
    assert_eq!(answer, prompt.answer_ids);
    assert_eq!(fork.len(), prompt.ids.len() + 3);
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = load("hf-f32");
    assert_eq!(model.card().context_tokens, 256);
    assert!(model.sequence(257).is_err());
    let mut sequence = model.sequence(4).unwrap();
    assert!(model.forward(&mut sequence, &[]).is_err());
    assert!(model.forward(&mut sequence, &[512]).is_err());
    assert!(model.forward(&mut sequence, &[1, 2, 3, 4, 5]).is_err());
    assert!(sequence.is_empty());
    model.forward(&mut sequence, &[1, 2, 3, 4]).unwrap();
    assert!(model.forward(&mut sequence, &[5]).is_err());
    assert_eq!(sequence.len(), 4);
    let shorter = Model::load(&checkpoint("hf-f32"), Some(100)).unwrap();
    assert!(shorter.sequence(101).is_err());
}

#[test]
fn the_card_says_what_was_loaded() {
    let path = checkpoint("gguf-q4_k.gguf");
    let model = Model::load(&path, None).unwrap();
    let card = model.card();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(card.digest, portcullis::domain::Digest::of(&bytes));
    assert_eq!(card.file_bytes, bytes.len() as u64);
    assert_eq!((card.name.as_str(), card.quantisation.as_str()), ("golden gguf-q4_k", "Q4_K"));
    assert_eq!(card.vocabulary, 512);
    let inspection = Model::inspect(&path).unwrap();
    assert_eq!(inspection.card.digest, card.digest);
    assert_eq!(inspection.tensors.len(), 12);
    assert_eq!(load("hf-f16-shards").card().quantisation, "F16");
}

#[test]
fn a_built_in_image_is_the_same_model() {
    let bytes: &'static [u8] = include_bytes!("../golden/checkpoints/gguf-q4_0.gguf");
    let model = Model::from_gguf_bytes(bytes).unwrap();
    let file = load("gguf-q4_0.gguf");
    assert_eq!(model.card().digest, file.card().digest);
    let run = |model: &Model| {
        let RenderedPrompt { ids, .. } = model.render_text("The gateway", 8).unwrap();
        model.forward(&mut model.sequence(ids.len()).unwrap(), &ids).unwrap()
    };
    assert_eq!(run(&model), run(&file));
}
