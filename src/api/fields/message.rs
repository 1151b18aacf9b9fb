//! The messages of a chat, by role, and the parts of their content. Pure data.

use super::shared::{IDENTIFIER, OPAQUE, TEXT};
use super::{Constant, Field, Shape, Variant};

/// Parts of one message.
const PARTS_MAX: usize = 1024;
/// Bytes of a participant's name.
const NAME_BYTES_MAX: usize = 256;

const JOINED: &str = "string or text parts; parts are joined by line feeds";
const NOT_TEXT: &str = "the gateway judges text only";
const NO_CALLS: &str = "arguments of tool calls are not judged, so they are not accepted";

const TEXT_PART: Variant = Variant {
    name: "text",
    accepts: Ok(&[
        Field::guarded("text", TEXT, "judged").required(),
        Field::harmless("prompt_cache_breakpoint", OPAQUE, "a hint for a cache"),
    ]),
};
const REFUSAL_PART: Variant = Variant {
    name: "refusal",
    accepts: Ok(&[Field::guarded("refusal", TEXT, "judged").required()]),
};

const fn refused(name: &'static str) -> Variant {
    Variant { name, accepts: Err(NOT_TEXT) }
}

const TEXT_PARTS: Shape = Shape::Variants { tag: "type", of: &[TEXT_PART] };
const USER_PARTS: Shape = Shape::Variants {
    tag: "type",
    of: &[TEXT_PART, refused("image_url"), refused("input_audio"), refused("file")],
};
const ASSISTANT_PARTS: Shape = Shape::Variants { tag: "type", of: &[TEXT_PART, REFUSAL_PART] };

const fn parts(of: &'static Shape) -> Shape {
    Shape::List { of, items_min: 1, items_max: PARTS_MAX }
}

const PLAIN_CONTENT: Shape = Shape::Either(&[TEXT, parts(&TEXT_PARTS)]);
const USER_CONTENT: Shape = Shape::Either(&[TEXT, parts(&USER_PARTS)]);
const ASSISTANT_CONTENT: Shape = Shape::Either(&[TEXT, parts(&ASSISTANT_PARTS)]);

const NAME: Field = Field::guarded(
    "name",
    Shape::Text { bytes_max: NAME_BYTES_MAX, empty: false },
    "the participant's name; judged",
);
const PLAIN: &[Field] = &[Field::guarded("content", PLAIN_CONTENT, JOINED).required(), NAME];
const USER: &[Field] = &[Field::guarded("content", USER_CONTENT, JOINED).required(), NAME];
const ASSISTANT: &[Field] = &[
    Field::guarded("content", ASSISTANT_CONTENT, "as above; needed unless `refusal` is given"),
    Field::guarded("refusal", TEXT, "an earlier refusal; judged as the message's text"),
    NAME,
    Field::constrained("audio", Shape::Only(&[]), NOT_TEXT),
    Field::constrained("tool_calls", Shape::Only(&[Constant::EmptyList]), NO_CALLS),
    Field::constrained("function_call", Shape::Only(&[]), NO_CALLS),
];
const TOOL: &[Field] = &[
    Field::guarded("content", PLAIN_CONTENT, "a tool's result; judged like a user's text")
        .required(),
    Field::harmless("tool_call_id", IDENTIFIER, "the call is not part of the prompt").required(),
];
const FUNCTION: &[Field] = &[
    Field::guarded("content", TEXT, "a function's result; judged, read as a tool's").required(),
    Field::guarded("name", Shape::Text { bytes_max: NAME_BYTES_MAX, empty: false }, "judged")
        .required(),
];

pub(super) const MESSAGE: Shape = Shape::Variants {
    tag: "role",
    of: &[
        Variant { name: "system", accepts: Ok(PLAIN) },
        Variant { name: "developer", accepts: Ok(PLAIN) },
        Variant { name: "user", accepts: Ok(USER) },
        Variant { name: "assistant", accepts: Ok(ASSISTANT) },
        Variant { name: "tool", accepts: Ok(TOOL) },
        Variant { name: "function", accepts: Ok(FUNCTION) },
    ],
};
