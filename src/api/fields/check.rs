//! Checks a body against the table: unknown fields, missing fields, types and
//! bounds, in that order of suspicion. Called by every wire parser.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Constant, Decision, Field, Range, Shape, Variant};
use crate::api::invalid::{Invalid, Path, code};

/// Distinct unknown fields that are stripped and reported; more are refused.
const STRIPPED_MAX: usize = 32;

/// What is done with fields that the table does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// 400 with code `unsupported_payload`.
    #[default]
    Refuse,
    /// Left out, and reported to the caller and in the audit log.
    Strip,
}

/// A body that the table accepts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Paths of fields that were left out.
    pub stripped: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Checker {
    unknown: Unknown,
    path: Path,
    stripped: BTreeSet<String>,
}

impl Checker {
    pub(crate) fn new(unknown: Unknown) -> Self {
        Self { unknown, path: Path::default(), stripped: BTreeSet::new() }
    }

    /// Checks a whole body.
    pub(crate) fn body(mut self, fields: &[Field], body: &Value) -> Result<Accepted, Invalid> {
        let Value::Object(map) = body else {
            let message = "the request body must be a JSON object".to_owned();
            return Err(Invalid::body(code::TYPE, message));
        };
        self.object(fields, None, map)?;
        Ok(Accepted { stripped: self.stripped.into_iter().collect() })
    }

    fn object(
        &mut self,
        fields: &[Field],
        tag: Option<&str>,
        map: &Map<String, Value>,
    ) -> Result<(), Invalid> {
        for name in map.keys() {
            let known = tag == Some(name.as_str()) || fields.iter().any(|f| f.name == name);
            if !known {
                self.unknown_field(name)?;
            }
        }
        for field in fields {
            self.path.enter(field.name);
            match map.get(field.name) {
                None | Some(Value::Null) if field.required => return Err(self.missing()),
                None | Some(Value::Null) => {}
                Some(value) => self.field(field, value)?,
            }
            self.path.leave();
        }
        Ok(())
    }

    fn unknown_field(&mut self, name: &str) -> Result<(), Invalid> {
        self.path.enter_sent(name);
        let full = match self.unknown {
            Unknown::Refuse => true,
            Unknown::Strip => {
                let path = self.path.show_general();
                self.stripped.len() >= STRIPPED_MAX && !self.stripped.contains(&path)
            }
        };
        if full {
            return Err(self.invalid(
                code::UNKNOWN,
                "is not a field that this gateway knows; leave it out (docs/API.md lists all)",
            ));
        }
        self.stripped.insert(self.path.show_general());
        self.path.leave();
        Ok(())
    }

    fn field(&mut self, field: &Field, value: &Value) -> Result<(), Invalid> {
        self.shape(&field.shape, value).map_err(|mut invalid| {
            let own = invalid.param.as_deref() == Some(self.path.show().as_str());
            if own && field.explains() {
                let (Decision::Guarded(why) | Decision::Constrained(why) | Decision::Harmless(why)) =
                    field.decision;
                invalid.message = format!("{}: {why}", invalid.message);
            }
            invalid
        })
    }

    fn shape(&mut self, shape: &Shape, value: &Value) -> Result<(), Invalid> {
        match (shape, value) {
            (Shape::Text { bytes_max, empty }, Value::String(text)) => {
                if text.len() > *bytes_max {
                    return Err(self.must_be(code::TOO_LONG, shape));
                }
                if text.is_empty() && !empty {
                    return Err(self.must_be(code::VALUE, shape));
                }
                Ok(())
            }
            (Shape::Boolean, Value::Bool(_)) => Ok(()),
            (Shape::Integer { min, max }, Value::Number(number)) if !number.is_f64() => {
                let inside = number.as_i64().is_some_and(|n| (*min..=*max).contains(&n));
                if inside { Ok(()) } else { Err(self.must_be(code::VALUE, shape)) }
            }
            (Shape::Number(range), Value::Number(number)) => {
                let inside = number.as_f64().is_some_and(|n| range.contains(n));
                if inside { Ok(()) } else { Err(self.must_be(code::VALUE, shape)) }
            }
            (Shape::Only(constants), value) => {
                let known = constants.iter().any(|constant| constant.equals(value));
                if known { Ok(()) } else { Err(self.must_be(code::UNSUPPORTED, shape)) }
            }
            (Shape::Object(fields), Value::Object(map)) => self.object(fields, None, map),
            (Shape::Opaque { entries_max }, Value::Object(map)) => {
                if map.len() > *entries_max {
                    return Err(self.must_be(code::VALUE, shape));
                }
                Ok(())
            }
            (Shape::TokenBias { entries_max }, Value::Object(map)) => {
                let fits = map.len() <= *entries_max && map.iter().all(is_bias);
                if fits { Ok(()) } else { Err(self.must_be(code::VALUE, shape)) }
            }
            (Shape::List { of, items_min, items_max }, Value::Array(items)) => {
                if !(*items_min..=*items_max).contains(&items.len()) {
                    return Err(self.must_be(code::VALUE, shape));
                }
                self.items(of, items)
            }
            (Shape::Either(alternatives), value) => {
                match alternatives.iter().find(|alternative| alternative.has_type_of(value)) {
                    Some(alternative) => self.shape(alternative, value),
                    None => Err(self.must_be(code::TYPE, shape)),
                }
            }
            (Shape::Variants { tag, of }, Value::Object(map)) => self.variant(tag, of, map),
            (shape, _) => Err(self.must_be(code::TYPE, shape)),
        }
    }

    fn items(&mut self, of: &Shape, items: &[Value]) -> Result<(), Invalid> {
        for (index, item) in items.iter().enumerate() {
            self.path.enter_index(index);
            self.shape(of, item)?;
            self.path.leave();
        }
        Ok(())
    }

    fn variant(
        &mut self,
        tag: &'static str,
        variants: &[Variant],
        map: &Map<String, Value>,
    ) -> Result<(), Invalid> {
        let Some(Value::String(sent)) = map.get(tag) else {
            self.path.enter(tag);
            return Err(match map.get(tag) {
                None | Some(Value::Null) => self.missing(),
                Some(_) => self.invalid(code::TYPE, "must be a string"),
            });
        };
        let Some(variant) = variants.iter().find(|variant| variant.name == sent) else {
            self.path.enter(tag);
            let names: Vec<_> = variants
                .iter()
                .filter(|variant| variant.accepts.is_ok())
                .map(|variant| format!("`{}`", variant.name))
                .collect();
            let message = format!("must be one of {}", names.join(", "));
            return Err(self.invalid(code::UNSUPPORTED, &message));
        };
        match variant.accepts {
            Ok(fields) => self.object(fields, Some(tag), map),
            Err(why) => {
                let message = format!("with `{tag}` `{}` is not accepted: {why}", variant.name);
                Err(self.invalid(code::UNSUPPORTED, &message))
            }
        }
    }

    fn missing(&self) -> Invalid {
        self.invalid(code::MISSING, "is missing")
    }

    fn must_be(&self, code: &'static str, shape: &Shape) -> Invalid {
        self.invalid(code, &format!("must be {}", shape.describe()))
    }

    fn invalid(&self, code: &'static str, what: &str) -> Invalid {
        let param = self.path.show();
        Invalid::new(code, &param, format!("`{param}` {what}"))
    }
}

/// A decimal token id and a shift within -100..=100.
fn is_bias((id, shift): (&String, &Value)) -> bool {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    digits
        && id.parse::<u32>().is_ok()
        && shift.as_f64().is_some_and(|shift| (-100.0..=100.0).contains(&shift))
}

impl Range {
    fn contains(self, value: f64) -> bool {
        value <= self.max && if self.open { value > self.min } else { value >= self.min }
    }
}

impl Constant {
    fn equals(self, value: &Value) -> bool {
        match self {
            Self::False => value == &Value::Bool(false),
            Self::Zero => value.as_f64() == Some(0.0),
            Self::Text(text) => value.as_str() == Some(text),
            Self::EmptyList => value.as_array().is_some_and(Vec::is_empty),
            Self::ListOf(text) => value
                .as_array()
                .and_then(|items| items.first().filter(|_| items.len() == 1))
                .is_some_and(|item| item.as_str() == Some(text)),
            Self::Type(name) => value.as_object().is_some_and(|map| {
                map.len() == 1 && map.get("type").and_then(Value::as_str) == Some(name)
            }),
        }
    }
}

impl Field {
    /// Whether an error should give the reason of the decision, too.
    const fn explains(&self) -> bool {
        matches!(self.shape, Shape::Only(_) | Shape::Either(_))
    }
}

impl Shape {
    fn has_type_of(&self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Text { .. }, Value::String(_))
                | (Self::List { .. }, Value::Array(_))
                | (Self::Variants { .. } | Self::Object(_), Value::Object(_))
        )
    }
}
