//! Fields that chat and text completions have in common, and the bounds of
//! their values. Pure data.

use super::{Constant, Field, Range, Shape};
use crate::domain::GenerationRequest;

/// Bound of the `n` field; the configuration may set a lower one.
pub(super) const CHOICES_MAX: i64 = 128;
/// Bound of the token limits; the configuration may set a lower one.
pub(super) const TOKENS_MAX: i64 = 10_000_000;
/// Bound of the list of messages; the configuration may set a lower one.
pub(super) const MESSAGES_MAX: usize = 1_000_000;

/// Bytes of one stop text.
const STOP_BYTES_MAX: usize = 256;
/// Bytes of an identifier that is accepted and dropped.
const IDENTIFIER_BYTES_MAX: usize = 1024;
/// Bytes of a model name.
const MODEL_BYTES_MAX: usize = 256;
/// Tokens whose logits a request may shift.
const BIAS_ENTRIES_MAX: usize = 1024;
/// The sampler divides by the penalty: much less makes the logits infinite.
const REPETITION_PENALTY_MIN: f64 = 0.01;
/// Entries of an object that is accepted and dropped.
const OPAQUE_ENTRIES_MAX: usize = 64;

/// Text without a bound of its own: the bounds of the body and of all text apply.
pub(super) const TEXT: Shape = Shape::Text { bytes_max: usize::MAX, empty: true };
pub(super) const IDENTIFIER: Shape = Shape::Text { bytes_max: IDENTIFIER_BYTES_MAX, empty: true };
pub(super) const OPAQUE: Shape = Shape::Opaque { entries_max: OPAQUE_ENTRIES_MAX };

const STOP_TEXT: Shape = Shape::Text { bytes_max: STOP_BYTES_MAX, empty: false };
const STOPS: Shape = Shape::Either(&[
    STOP_TEXT,
    Shape::List { of: &STOP_TEXT, items_min: 0, items_max: GenerationRequest::STOPS_MAX },
]);
const PENALTY: Shape = Shape::Number(Range { min: -2.0, max: 2.0, open: false });
const STREAM_OPTIONS: &[Field] = &[
    Field::constrained("include_usage", Shape::Boolean, "adds a last chunk with the token counts"),
    Field::harmless(
        "include_obfuscation",
        Shape::Boolean,
        "padding against traffic analysis; the gateway sends none",
    ),
];

pub(super) const MODEL: Field = Field::constrained(
    "model",
    Shape::Text { bytes_max: MODEL_BYTES_MAX, empty: false },
    "a configured back end or alias; picks who answers",
)
.required();
pub(super) const N: Field = Field::constrained(
    "n",
    Shape::Integer { min: 1, max: CHOICES_MAX },
    "answers to the same prompt, each judged; the operator's `choices_max` applies",
);
pub(super) const STOP: Field =
    Field::guarded("stop", STOPS, "texts that end an answer; judged like the prompt");
pub(super) const STREAM: Field =
    Field::constrained("stream", Shape::Boolean, "server-sent events when true");
pub(super) const STREAM_OPTIONS_FIELD: Field =
    Field::constrained("stream_options", Shape::Object(STREAM_OPTIONS), "only with `stream: true`");
pub(super) const TEMPERATURE: Field = Field::constrained(
    "temperature",
    Shape::Number(Range { min: 0.0, max: 2.0, open: false }),
    "sampling; 0 is greedy",
);
pub(super) const TOP_P: Field = Field::constrained(
    "top_p",
    Shape::Number(Range { min: 0.0, max: 1.0, open: true }),
    "sampling; nucleus mass",
);
pub(super) const SEED: Field = Field::constrained(
    "seed",
    Shape::Integer { min: i64::MIN, max: i64::MAX },
    "the same seed and request give the same answer on an embedded model",
);
pub(super) const PRESENCE_PENALTY: Field =
    Field::constrained("presence_penalty", PENALTY, "sampling; additive, for any occurrence");
pub(super) const FREQUENCY_PENALTY: Field =
    Field::constrained("frequency_penalty", PENALTY, "sampling; additive, per occurrence");
pub(super) const LOGIT_BIAS: Field = Field::constrained(
    "logit_bias",
    Shape::TokenBias { entries_max: BIAS_ENTRIES_MAX },
    "sampling; token ids are those of the local model",
);
pub(super) const MAX_TOKENS: Shape = Shape::Integer { min: 1, max: TOKENS_MAX };
pub(super) const USER: Field =
    Field::harmless("user", IDENTIFIER, "an identifier of the end user; not stored, not sent on");

pub(super) const TOP_K: Field = Field::constrained(
    "top_k",
    Shape::Integer { min: -1, max: u32::MAX as i64 },
    "extension (vLLM's name); 0 and -1 turn it off",
);
pub(super) const REPETITION_PENALTY: Field = Field::constrained(
    "repetition_penalty",
    Shape::Number(Range { min: REPETITION_PENALTY_MIN, max: 2.0, open: false }),
    "extension (vLLM's name); multiplicative, 1 turns it off",
);
pub(super) const MIN_P: Field = Field::constrained(
    "min_p",
    Shape::Only(&[Constant::Zero]),
    "extension (vLLM's name); this kind of sampling is not implemented",
);
