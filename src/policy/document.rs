//! A policy as it is written, with the place of everything.
//!
//! Reading is lenient where leniency lets one run report more: every field is
//! optional, unknown keys are collected, names stay text. [`super::compile`]
//! judges all of it together. Nothing else sees these types.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Location;
pub(super) use serde_saphyr::Spanned;

/// Bytes of the file that a value takes.
pub(super) fn place(location: &Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
    let len = span.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
    start..start + len
}

/// A mapping whose keys the format fixes.
pub(super) trait Written: Default {
    /// All keys that the format knows here.
    const KEYS: &'static [&'static str];

    /// Keys that it does not know.
    fn unknown(&self) -> &[Spanned<String>];
}

macro_rules! written {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)*
            unknown: Vec<Spanned<String>>,
        }

        impl Written for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn unknown(&self) -> &[Spanned<String>] {
                &self.unknown
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a mapping with the keys ")?;
                        f.write_str(&$name::KEYS.join(", "))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut read = $name::default();
                        while let Some(key) = map.next_key::<Spanned<String>>()? {
                            match key.value.as_str() {
                                $(stringify!($field) => read.$field = Some(map.next_value()?),)*
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    read.unknown.push(key);
                                }
                            }
                        }
                        Ok(read)
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }
    )*};
}

written! {
    /// The whole file.
    Document {
        policy: Spanned<String>,
        version: Spanned<String>,
        description: String,
        detect_level: Spanned<u8>,
        block_level: Spanned<u8>,
        unjudged: Spanned<String>,
        limits: LimitsWritten,
        disclosure: DisclosureWritten,
        system_text: String,
        refusal_style: Spanned<String>,
        refusal: Spanned<String>,
        categories: Spanned<Named<CategoryWritten>>,
        rules: Vec<Spanned<RuleWritten>>,
        redaction: RedactionWritten,
    }

    RedactionWritten {
        style: Spanned<String>,
        restore: Spanned<bool>,
    }

    LimitsWritten {
        judged_bytes_max: Spanned<u64>,
        findings_max: Spanned<u64>,
    }

    DisclosureWritten {
        header: Spanned<String>,
        first_turn: Spanned<String>,
    }

    CategoryWritten {
        severity: Spanned<String>,
        input: Spanned<DecisionWritten>,
        output: Spanned<DecisionWritten>,
        refusal: Spanned<String>,
        refusal_style: Spanned<String>,
        store_text: Spanned<bool>,
    }

    DecisionWritten {
        action: Spanned<String>,
        threshold: Spanned<f64>,
    }

    RuleWritten {
        id: Spanned<String>,
        category: Spanned<String>,
        directions: Spanned<Vec<Spanned<String>>>,
        roles: Spanned<Vec<Spanned<String>>>,
        level: Spanned<u8>,
        score: Spanned<f64>,
        phrases: Vec<Spanned<String>>,
        patterns: Vec<Spanned<String>>,
        pii: Spanned<OneOrMany>,
        whole_words: bool,
        unless: Vec<Spanned<String>>,
        redact_as: Spanned<String>,
    }
}

/// A mapping whose keys are the writer's, in the order of the file.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut read = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    read.push((key, map.next_value()?));
                }
                Ok(Named(read))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A name, or a list of names.
#[derive(Debug)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(OneOrMany::Many(names))
            }
        }

        deserializer.deserialize_any(Names)
    }
}
