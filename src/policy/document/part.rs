//! What every piece of a written policy can do: be moved to its place among
//! all files, be written over a base, and describe itself to an editor.
//!
//! The macro `written!` derives it for mappings; a new kind of value
//! implements [`Part`] once. Knows no key by name. Used by `document`,
//! `chain`, `compile::overlay` and `schema`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};

/// A place in the text of all files together; see [`super::super::sources`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::policy) struct At {
    start: usize,
    end: usize,
}

/// Bytes of all files together that a value takes.
pub(in crate::policy) fn place(at: &At) -> Range<usize> {
    at.start..at.end
}

/// A value and where it stands.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Spanned<T> {
    pub(in crate::policy) value: T,
    pub(in crate::policy) referenced: At,
}

impl<T> Spanned<T> {
    pub(in crate::policy) fn new(value: T, at: Range<usize>) -> Self {
        Self { value, referenced: At { start: at.start, end: at.end } }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        let span = read.referenced.span();
        let size = |bytes: Option<_>| bytes.and_then(|n| usize::try_from(n).ok());
        let start = size(span.byte_offset()).unwrap_or_default();
        let end = start + size(span.byte_len()).unwrap_or_default();
        Ok(Self { value: read.value, referenced: At { start, end } })
    }
}

/// A piece of a written policy.
pub(in crate::policy) trait Part: Sized {
    /// Moves all places by `bytes`: each file is read with places of its own.
    fn shift(&mut self, bytes: usize);

    /// What holds when this is written over `base`: of mappings both, key by
    /// key; of anything else this alone.
    #[must_use]
    fn over(self, base: Self) -> Self {
        let _ = base;
        self
    }

    /// The JSON Schema of the value; mappings put theirs into `defs` and refer to it.
    fn shape(defs: &mut Map<String, Value>) -> Value;
}

macro_rules! plain {
    ($($type:ty => $shape:expr;)*) => {$(
        impl Part for $type {
            fn shift(&mut self, _: usize) {}

            fn shape(_: &mut Map<String, Value>) -> Value {
                $shape
            }
        }
    )*};
}

plain! {
    bool => json!({ "type": "boolean" });
    u8 => json!({ "type": "integer", "minimum": 0, "maximum": u8::MAX });
    u64 => json!({ "type": "integer", "minimum": 0 });
    f64 => json!({ "type": "number" });
    String => json!({ "type": "string" });
}

impl<T: Part> Part for Spanned<T> {
    fn shift(&mut self, bytes: usize) {
        self.referenced.start += bytes;
        self.referenced.end += bytes;
        self.value.shift(bytes);
    }

    fn over(self, base: Self) -> Self {
        Self { value: self.value.over(base.value), referenced: self.referenced }
    }

    fn shape(defs: &mut Map<String, Value>) -> Value {
        T::shape(defs)
    }
}

impl<T: Part> Part for Option<T> {
    fn shift(&mut self, bytes: usize) {
        if let Some(value) = self {
            value.shift(bytes);
        }
    }

    fn over(self, base: Self) -> Self {
        match (self, base) {
            (Some(own), Some(base)) => Some(own.over(base)),
            (own, base) => own.or(base),
        }
    }

    fn shape(defs: &mut Map<String, Value>) -> Value {
        T::shape(defs)
    }
}

impl<T: Part> Part for Box<T> {
    fn shift(&mut self, bytes: usize) {
        self.as_mut().shift(bytes);
    }

    fn shape(defs: &mut Map<String, Value>) -> Value {
        T::shape(defs)
    }
}

impl<T: Part> Part for Vec<T> {
    fn shift(&mut self, bytes: usize) {
        for item in self {
            item.shift(bytes);
        }
    }

    fn shape(defs: &mut Map<String, Value>) -> Value {
        json!({ "type": "array", "items": T::shape(defs) })
    }
}

/// A mapping whose keys are the writer's, in the order of the file.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Named<T>(pub(in crate::policy) Vec<(Spanned<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Part> Part for Named<T> {
    fn shift(&mut self, bytes: usize) {
        for (key, value) in &mut self.0 {
            key.shift(bytes);
            value.shift(bytes);
        }
    }

    fn over(self, base: Self) -> Self {
        let mut merged = base.0;
        for (key, value) in self.0 {
            let at = merged.iter().position(|(known, _)| known.value == key.value);
            let value = match at.map(|at| merged.remove(at)) {
                Some((_, below)) => value.over(below),
                None => value,
            };
            merged.insert(at.unwrap_or(merged.len()), (key, value));
        }
        Self(merged)
    }

    fn shape(defs: &mut Map<String, Value>) -> Value {
        json!({ "type": "object", "additionalProperties": T::shape(defs) })
    }
}

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

/// The key that a field stands for: `match` is a word of the language.
pub(in crate::policy) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(name) => name,
            Err(_) => field,
        },
        _ => field,
    }
}

/// A key of the format, as [`Written::FIELDS`] lists it.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Field {
    pub(in crate::policy) key: &'static str,
    /// The lines of its doc comment.
    pub(in crate::policy) about: &'static [&'static str],
    pub(in crate::policy) shape: fn(&mut Map<String, Value>) -> Value,
}

/// A mapping whose keys the format fixes.
pub(in crate::policy) trait Written: Part + Default {
    /// The name of the type.
    const NAME: &'static str;
    /// All keys that the format knows here.
    const KEYS: &'static [&'static str];
    const FIELDS: &'static [Field];

    /// Keys that it does not know.
    fn unknown(&self) -> &[Spanned<String>];

    /// Drops them, when they were reported.
    fn forget_unknown(&mut self);

    /// The keys that are written here.
    fn present(&self) -> Vec<&'static str>;
}

/// Declares mappings: every key is optional, unknown ones are collected. The
/// doc comment of a key becomes its description in the schema.
macro_rules! written {
    ($($(#[$meta:meta])* $name:ident { $($(#[doc = $about:literal])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        pub(in crate::policy) struct $name {
            $($(#[doc = $about])* pub(in crate::policy) $field: Option<$type>,)*
            unknown: Vec<$crate::policy::document::part::Spanned<String>>,
        }

        impl $crate::policy::document::part::Written for $name {
            const NAME: &'static str = stringify!($name);
            const KEYS: &'static [&'static str] =
                &[$($crate::policy::document::part::key(stringify!($field))),*];
            const FIELDS: &'static [$crate::policy::document::part::Field] =
                &[$($crate::policy::document::part::Field {
                    key: $crate::policy::document::part::key(stringify!($field)),
                    about: &[$($about),*],
                    shape: <$type as $crate::policy::document::part::Part>::shape,
                }),*];

            fn unknown(&self) -> &[$crate::policy::document::part::Spanned<String>] {
                &self.unknown
            }

            fn forget_unknown(&mut self) {
                self.unknown.clear();
            }

            fn present(&self) -> Vec<&'static str> {
                let mut present = Vec::new();
                $(if self.$field.is_some() {
                    present.push($crate::policy::document::part::key(stringify!($field)));
                })*
                present
            }
        }

        impl $crate::policy::document::part::Part for $name {
            fn shift(&mut self, bytes: usize) {
                $(self.$field.shift(bytes);)*
                self.unknown.shift(bytes);
            }

            fn over(self, base: Self) -> Self {
                let mut unknown = self.unknown;
                unknown.extend(base.unknown);
                Self { $($field: self.$field.over(base.$field),)* unknown }
            }

            fn shape(
                defs: &mut serde_json::Map<String, serde_json::Value>,
            ) -> serde_json::Value {
                $crate::policy::schema::mapping::<Self>(defs)
            }
        }

        impl<'de> serde::de::Deserialize<'de> for $name {
            fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::policy::document::part::{Spanned, Written};
                struct Fields;

                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a mapping with the keys ")?;
                        f.write_str(&$name::KEYS.join(", "))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut read = $name::default();
                        while let Some(key) = map.next_key::<Spanned<String>>()? {
                            let name = key.value.as_str();
                            $(if name == $crate::policy::document::part::key(stringify!($field)) {
                                read.$field = Some(map.next_value()?);
                                continue;
                            })*
                            map.next_value::<serde::de::IgnoredAny>()?;
                            read.unknown.push(key);
                        }
                        Ok(read)
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }
    )*};
}
pub(super) use written;
