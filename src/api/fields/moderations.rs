//! The fields of `POST /v1/moderations`. Pure data.

use super::shared::{IDENTIFIER, TEXT};
use super::{Field, Shape, Variant};

/// Texts of one request; the operator's `text_bytes_max` bounds their size.
pub(super) const INPUTS_MAX: usize = 1024;

const NOT_TEXT: &str = "the gateway judges text only";

const PART: Shape = Shape::Variants {
    tag: "type",
    of: &[
        Variant { name: "text", accepts: Ok(&[Field::guarded("text", TEXT, "judged").required()]) },
        Variant { name: "image_url", accepts: Err(NOT_TEXT) },
    ],
};

pub(super) const FIELDS: &[Field] = &[
    Field::guarded(
        "input",
        Shape::Either(&[
            TEXT,
            Shape::List { of: &Shape::Either(&[TEXT, PART]), items_min: 1, items_max: INPUTS_MAX },
        ]),
        "each string is judged by itself; text parts are joined by line feeds and judged as one",
    )
    .required(),
    Field::harmless("model", IDENTIFIER, "the caller's policy judges, whatever is named here"),
];
