//! The decision about every field of every request, as one table.
//!
//! Each field of the published OpenAI request schemas is guarded (its text is
//! judged), constrained (accepted within bounds that the gateway can honour) or
//! harmless (accepted without effect). The same table checks requests
//! (`check`), documents itself (`table`, `docs/API.md`) and becomes the OpenAPI
//! description (`openapi`). Knows nothing of policies or HTTP.
//!
//! Source of the field lists: the request types of OpenAI's Python package,
//! version 3.54.

mod chat;
mod check;
mod completions;
mod message;
mod moderations;
mod openapi;
mod shared;
mod table;

use crate::domain::Endpoint;

pub(crate) use check::Checker;
pub use check::Unknown;
pub(crate) use openapi::schema;
use shared::CHOICES_MAX;

/// One field of a request object.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub decision: Decision,
    pub shape: Shape,
    pub required: bool,
}

/// What the gateway does with a field, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decision {
    /// Text: judged by the policy before a model sees it.
    Guarded(&'static str),
    /// Honoured within its shape; everything else is refused.
    Constrained(&'static str),
    /// Accepted and without effect; never forwarded.
    Harmless(&'static str),
}

/// The values that a field may have. `null` counts as absent everywhere.
#[derive(Debug)]
pub(crate) enum Shape {
    Text {
        /// UTF-8 bytes.
        bytes_max: usize,
        empty: bool,
    },
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Number(Range),
    /// Only these constants: a feature that is off, or its default.
    Only(&'static [Constant]),
    Object(&'static [Field]),
    /// An object that is accepted and dropped as a whole.
    Opaque {
        entries_max: usize,
    },
    /// Token ids (decimal keys) and what is added to their logits, -100..=100.
    TokenBias {
        entries_max: usize,
    },
    List {
        of: &'static Self,
        items_min: usize,
        items_max: usize,
    },
    /// The first alternative whose JSON type fits decides.
    Either(&'static [Self]),
    /// An object whose fields depend on the value of `tag`.
    Variants {
        tag: &'static str,
        of: &'static [Variant],
    },
}

/// An interval of numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub min: f64,
    pub max: f64,
    /// The lower end itself is not accepted.
    pub open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Constant {
    False,
    Zero,
    Text(&'static str),
    EmptyList,
    /// A list with this one text.
    ListOf(&'static str),
    /// An object with the one field `type`.
    Type(&'static str),
}

#[derive(Debug)]
pub(crate) struct Variant {
    /// The value of the tag.
    pub name: &'static str,
    /// The fields beside the tag, or why this variant is refused.
    pub accepts: Result<&'static [Field], &'static str>,
}

/// The fields of an endpoint's request body.
pub(crate) const fn of(endpoint: Endpoint) -> &'static [Field] {
    match endpoint {
        Endpoint::ChatCompletions => chat::FIELDS,
        Endpoint::Completions => completions::FIELDS,
        Endpoint::Moderations => moderations::FIELDS,
    }
}

impl Field {
    pub(crate) const fn guarded(name: &'static str, shape: Shape, why: &'static str) -> Self {
        Self { name, decision: Decision::Guarded(why), shape, required: false }
    }

    pub(crate) const fn constrained(name: &'static str, shape: Shape, why: &'static str) -> Self {
        Self { name, decision: Decision::Constrained(why), shape, required: false }
    }

    pub(crate) const fn harmless(name: &'static str, shape: Shape, why: &'static str) -> Self {
        Self { name, decision: Decision::Harmless(why), shape, required: false }
    }

    /// The same field, required.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}
