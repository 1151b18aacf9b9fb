//! Draws tokens from logits.
//!
//! Order: bias, penalties, temperature, top-k, top-p. Penalties count the
//! tokens of this answer only. Log-probabilities are of the unmodified
//! distribution, as OpenAI's. The same seed and choice draw the same tokens.
//! Knows nothing of weights; `inference` keeps one per choice.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Method};

use super::error::ModelError;
use super::tokenizer::Pieces;
use crate::domain::{Alternative, Sampling, TokenLogprob};

/// Below this, dividing by the temperature could overflow; the best token is as good as certain.
const TEMPERATURE_MIN: f64 = 1e-5;

/// Spreads the choices of one request over the seeds: 2^64 divided by the golden ratio.
const CHOICE_STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// Draws tokens for one choice.
pub struct Sampler {
    sampling: Sampling,
    /// `None` means greedy.
    random: Option<LogitsProcessor>,
    logprobs: Option<u8>,
    /// How often each token was drawn.
    drawn: HashMap<u32, u32>,
}

/// A drawn token.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub id: u32,
    /// Natural logarithms under the unmodified distribution, when asked for.
    pub logprob: Option<TokenLogprob>,
}

impl Sampler {
    /// `choice` varies the seed between the choices of one request. Without a seed, one is drawn.
    pub fn new(sampling: &Sampling, choice: u32, logprobs: Option<u8>) -> Self {
        let seed = sampling.seed.or_else(|| getrandom::u64().ok()).unwrap_or_default();
        let seed = seed.wrapping_add(u64::from(choice).wrapping_mul(CHOICE_STRIDE));
        let random = method(sampling).map(|method| LogitsProcessor::from_sampling(seed, method));
        Self { sampling: sampling.clone(), random, logprobs, drawn: HashMap::new() }
    }

    /// # Errors
    /// When a logit is not a number, which a damaged checkpoint can bring about.
    pub(super) fn draw_from(
        &mut self,
        pieces: &Pieces,
        logits: Vec<f32>,
    ) -> Result<Drawn, ModelError> {
        if logits.is_empty() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(ModelError::computation(
                "the network's output is not finite; the weights may be damaged",
            ));
        }
        let reference = self.logprobs.map(|top| Reference::new(&logits, top));
        let logits = self.adjust(logits);
        let id = match &mut self.random {
            None => best(&logits)?,
            Some(random) => {
                let length = logits.len();
                random.sample(&Tensor::from_vec(logits, length, &Device::Cpu)?)?
            }
        };
        *self.drawn.entry(id).or_default() += 1;
        Ok(Drawn { id, logprob: reference.map(|reference| reference.of(id, pieces)) })
    }

    fn adjust(&self, mut logits: Vec<f32>) -> Vec<f32> {
        for &(id, bias) in &self.sampling.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        let Sampling { presence_penalty, frequency_penalty, repetition_penalty, .. } =
            self.sampling;
        for (&id, &times) in &self.drawn {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            if repetition_penalty > 0.0 {
                // llama.cpp's form: always away from the token, whatever the sign.
                *logit *=
                    if *logit > 0.0 { repetition_penalty.recip() } else { repetition_penalty };
            }
            *logit -= presence_penalty + frequency_penalty * times as f32;
        }
        logits
    }
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("sampling", &self.sampling).finish_non_exhaustive()
    }
}

fn method(sampling: &Sampling) -> Option<Method> {
    let Sampling { temperature, top_p, top_k, .. } = *sampling;
    if temperature.is_nan() || temperature < TEMPERATURE_MIN {
        return None;
    }
    let nucleus = (top_p > 0.0 && top_p < 1.0).then_some(top_p);
    let k = top_k.filter(|&k| k > 0).map(|k| k as usize);
    Some(match (k, nucleus) {
        (None, None) => Method::All { temperature },
        (None, Some(p)) => Method::TopP { p, temperature },
        (Some(k), None) => Method::TopK { k, temperature },
        (Some(k), Some(p)) => Method::TopKThenTopP { k, p, temperature },
    })
}

/// The greatest logit's id; the first of equals.
fn best(logits: &[f32]) -> Result<u32, ModelError> {
    let best = logits
        .iter()
        .enumerate()
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(id, _)| id);
    best.and_then(|id| u32::try_from(id).ok())
        .ok_or_else(|| ModelError::computation("the vocabulary is empty"))
}

/// The unmodified distribution, as far as it is reported.
struct Reference {
    logits: Vec<f32>,
    /// Logarithm of the sum of the exponentials.
    total: f64,
    top: Vec<u32>,
}

impl Reference {
    fn new(logits: &[f32], top: u8) -> Self {
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - greatest).exp()).sum();
        let mut ranked: Vec<u32> = (0..u32::try_from(logits.len()).unwrap_or(u32::MAX)).collect();
        let logit = |id: u32| logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let order = |a: &u32, b: &u32| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b));
        let top = usize::from(top);
        if top < ranked.len() {
            ranked.select_nth_unstable_by(top, order);
            ranked.truncate(top);
        }
        ranked.sort_unstable_by(order);
        Self { logits: logits.to_vec(), total: f64::from(greatest) + sum.ln(), top: ranked }
    }

    fn of(&self, id: u32, pieces: &Pieces) -> TokenLogprob {
        TokenLogprob {
            token: self.alternative(id, pieces),
            top: self.top.iter().map(|&id| self.alternative(id, pieces)).collect(),
        }
    }

    fn alternative(&self, id: u32, pieces: &Pieces) -> Alternative {
        let bytes = pieces.bytes(id).to_vec();
        let logit = self.logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        Alternative {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            logprob: (f64::from(logit) - self.total) as f32,
        }
    }
}
