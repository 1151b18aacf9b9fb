//! The fields of `POST /v1/completions`. Pure data.

use super::shared::{
    FREQUENCY_PENALTY, LOGIT_BIAS, MAX_TOKENS, MIN_P, MODEL, N, PRESENCE_PENALTY,
    REPETITION_PENALTY, SEED, STOP, STREAM, STREAM_OPTIONS_FIELD, TEMPERATURE, TEXT, TOP_K, TOP_P,
    USER,
};
use super::{Constant, Field, Shape};

pub(super) const FIELDS: &[Field] = &[
    MODEL,
    Field::guarded(
        "prompt",
        Shape::Either(&[TEXT, Shape::List { of: &TEXT, items_min: 1, items_max: 1 }]),
        "one text; token ids cannot be judged, and several prompts need several requests",
    )
    .required(),
    Field::constrained(
        "best_of",
        Shape::Integer { min: 1, max: super::CHOICES_MAX },
        "only equal to `n`: no answer is generated and then thrown away",
    ),
    Field::constrained(
        "echo",
        Shape::Only(&[Constant::False]),
        "the prompt is not part of the judged output",
    ),
    FREQUENCY_PENALTY,
    LOGIT_BIAS,
    Field::constrained(
        "logprobs",
        Shape::Integer { min: 0, max: 5 },
        "log-probabilities of released tokens only",
    ),
    Field::constrained("max_tokens", MAX_TOKENS, "per choice; 16 when absent, as OpenAI's"),
    N,
    PRESENCE_PENALTY,
    SEED,
    STOP,
    STREAM,
    STREAM_OPTIONS_FIELD,
    Field::constrained(
        "suffix",
        Shape::Only(&[Constant::Text("")]),
        "Llama 2 does not fill in the middle",
    ),
    TEMPERATURE,
    TOP_P,
    USER,
    TOP_K,
    REPETITION_PENALTY,
    MIN_P,
];
