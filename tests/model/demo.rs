//! The demonstration model that ships with the program, against its own samples.

use std::path::Path;

use portcullis::domain::{Message, Role, Sampling};
use portcullis::model::{Model, Sampler};
use serde::Deserialize;

use super::fixtures::read;

/// Where the best token leads the second by less (in logits) along the way, engines may differ,
/// since ours rounds activations to 8 bits.
const LEAD_MIN: f64 = 0.1;

#[derive(Debug, Deserialize)]
struct Samples {
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    #[serde(default)]
    messages: Vec<SampleMessage>,
    prompt: Option<String>,
    prompt_ids: Vec<u32>,
    answer_ids: Vec<u32>,
    answer: String,
    finish_reason: String,
    smallest_lead: f64,
}

#[derive(Debug, Deserialize)]
struct SampleMessage {
    role: Role,
    content: String,
}

#[test]
fn the_demo_model_answers_as_its_samples_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo-llama");
    let model = Model::load(&folder.join("demo-llama.gguf"), None).unwrap();
    let Samples { samples } = read(&folder.join("samples.json"));
    let mut clear = 0;
    for sample in &samples {
        let prompt = match &sample.prompt {
            Some(text) => model.render_text(text, 0).unwrap(),
            None => {
                let messages: Vec<Message> = sample
                    .messages
                    .iter()
                    .map(|message| Message::new(message.role, message.content.as_str()))
                    .collect();
                model.render_chat(&messages, 0).unwrap()
            }
        };
        assert_eq!(prompt.ids, sample.prompt_ids);
        if sample.smallest_lead < LEAD_MIN {
            continue;
        }
        clear += 1;
        let (ids, stopped) = answer(&model, &prompt.ids, sample.answer_ids.len() + 1);
        let expected = sample.answer_ids.as_slice();
        assert_eq!(ids.get(..expected.len()), Some(expected), "{}", sample.answer);
        // One that was cut at its length might have stopped at the next token.
        assert!(stopped || sample.finish_reason != "stop", "{}", sample.answer);
        let mut decoder = model.text_decoder();
        let text: String = expected.iter().map(|&id| decoder.push(id)).collect();
        assert_eq!(text, sample.answer);
    }
    assert!(clear * 2 >= samples.len(), "only {clear} of {} samples are clear", samples.len());
}

/// The greedy answer without its end, at most `tokens_max` long, and whether it ended.
fn answer(model: &Model, prompt: &[u32], tokens_max: usize) -> (Vec<u32>, bool) {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let mut sampler = Sampler::new(&sampling, 0, None);
    let mut sequence = model.sequence(prompt.len() + tokens_max).unwrap();
    let mut logits = model.forward(&mut sequence, prompt).unwrap();
    let mut ids = Vec::new();
    while ids.len() < tokens_max {
        let id = sampler.draw(model, logits).unwrap().id;
        if model.is_end_of_sequence(id) {
            return (ids, true);
        }
        ids.push(id);
        logits = model.forward(&mut sequence, &[id]).unwrap();
    }
    (ids, false)
}
