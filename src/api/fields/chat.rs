//! The fields of `POST /v1/chat/completions`. Pure data.

use super::message::MESSAGE;
use super::shared::{
    FREQUENCY_PENALTY, IDENTIFIER, LOGIT_BIAS, MAX_TOKENS, MESSAGES_MAX, MIN_P, MODEL, N, OPAQUE,
    PRESENCE_PENALTY, REPETITION_PENALTY, SEED, STOP, STREAM, STREAM_OPTIONS_FIELD, TEMPERATURE,
    TOP_K, TOP_P, USER,
};
use super::{Constant, Field, Shape};

const NO_TOOLS: &str = "tool calls are not generated: their arguments would be unjudged text";
const TEXT_ONLY: &str = "the gateway judges text only";
const CACHE: &str = "a hint for a cache that the gateway does not share between callers";

pub(super) const FIELDS: &[Field] = &[
    Field::guarded(
        "messages",
        Shape::List { of: &MESSAGE, items_min: 1, items_max: MESSAGES_MAX },
        "the whole history is judged; the operator's `messages_max` applies",
    )
    .required(),
    MODEL,
    Field::constrained("audio", Shape::Only(&[]), TEXT_ONLY),
    FREQUENCY_PENALTY,
    Field::constrained("function_call", Shape::Only(&[Constant::Text("none")]), NO_TOOLS),
    Field::constrained("functions", Shape::Only(&[Constant::EmptyList]), NO_TOOLS),
    LOGIT_BIAS,
    Field::constrained("logprobs", Shape::Boolean, "log-probabilities of released tokens only"),
    Field::constrained(
        "max_completion_tokens",
        MAX_TOKENS,
        "per choice; must agree with `max_tokens` when both are given",
    ),
    Field::constrained("max_tokens", MAX_TOKENS, "per choice; the older name"),
    Field::harmless("metadata", OPAQUE, "labels for a store that the gateway does not have"),
    Field::constrained("modalities", Shape::Only(&[Constant::ListOf("text")]), TEXT_ONLY),
    Field::constrained(
        "moderation",
        Shape::Only(&[]),
        "the gateway's own policy judges; a request cannot configure another",
    ),
    N,
    Field::harmless("parallel_tool_calls", Shape::Boolean, "no tools, so nothing runs in parallel"),
    Field::constrained(
        "prediction",
        Shape::Only(&[]),
        "predicted output is not used, and would be unjudged text",
    ),
    PRESENCE_PENALTY,
    Field::harmless("prompt_cache_key", IDENTIFIER, CACHE),
    Field::harmless("prompt_cache_options", OPAQUE, CACHE),
    Field::harmless("prompt_cache_retention", IDENTIFIER, CACHE),
    Field::constrained(
        "reasoning_effort",
        Shape::Only(&[Constant::Text("none")]),
        "Llama 2 does not reason apart from its answer",
    ),
    Field::constrained(
        "response_format",
        Shape::Only(&[Constant::Type("text")]),
        "the gateway cannot promise JSON",
    ),
    Field::harmless("safety_identifier", IDENTIFIER, "an identifier of the end user; not stored"),
    SEED,
    Field::harmless("service_tier", IDENTIFIER, "there is one tier"),
    STOP,
    Field::harmless("store", Shape::Boolean, "the gateway stores what its audit policy says"),
    STREAM,
    STREAM_OPTIONS_FIELD,
    TEMPERATURE,
    Field::constrained("tool_choice", Shape::Only(&[Constant::Text("none")]), NO_TOOLS),
    Field::constrained("tools", Shape::Only(&[Constant::EmptyList]), NO_TOOLS),
    Field::constrained(
        "top_logprobs",
        Shape::Integer { min: 0, max: 20 },
        "only with `logprobs: true`",
    ),
    TOP_P,
    USER,
    Field::constrained(
        "verbosity",
        Shape::Only(&[Constant::Text("medium")]),
        "Llama 2 has no such setting; medium is the default",
    ),
    Field::constrained("web_search_options", Shape::Only(&[]), "the gateway does not search"),
    TOP_K,
    REPETITION_PENALTY,
    MIN_P,
];
