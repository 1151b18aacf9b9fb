//! Reads a request body as JSON, without any of the freedom that smuggles.
//!
//! Names that occur twice are refused, because two readers may choose
//! differently; so are NUL characters, which end a text early elsewhere. The
//! number of values is bounded, the depth is serde_json's 128.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::invalid::{Invalid, Path, code};

/// Values (objects, lists, texts, numbers) of one body.
const VALUES_MAX: usize = 500_000;

/// Parses `body` completely.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Invalid> {
    let reader = Reader::default();
    let mut input = serde_json::Deserializer::from_slice(body);
    let value = Seed(&reader).deserialize(&mut input);
    value.and_then(|value| input.end().map(|()| value)).map_err(|error| reader.explain(&error))
}

#[derive(Default)]
struct Reader {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    path: Path,
    values: usize,
    invalid: Option<Invalid>,
}

impl Reader {
    /// Our own complaint, or the parser's, whose texts are constants.
    fn explain(&self, error: &serde_json::Error) -> Invalid {
        if let Some(invalid) = self.state.borrow_mut().invalid.take() {
            return invalid;
        }
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Eof => "ends too early".to_owned(),
            serde_json::error::Category::Data => "cannot be read".to_owned(),
            _ => error.to_string(),
        };
        let place = format!(" at line {line} column {column}");
        let what = what.trim_end_matches(place.as_str());
        Invalid::body(
            code::JSON,
            format!("the request body is not valid JSON: {what} (line {line}, column {column})"),
        )
    }

    fn refuse<E: serde::de::Error>(&self, code: &'static str, message: &str) -> E {
        let mut state = self.state.borrow_mut();
        let param = state.path.show();
        state.invalid = Some(match param.as_str() {
            "" => Invalid::body(code, message.to_owned()),
            param => Invalid::new(code, param, format!("`{param}`: {message}")),
        });
        E::custom("refused")
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let values = {
            let mut state = self.state.borrow_mut();
            state.values += 1;
            state.values
        };
        if values > VALUES_MAX {
            return Err(self.refuse(code::TOO_MANY_VALUES, "the body has too many values"));
        }
        Ok(())
    }

    fn text<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.refuse(code::NUL, "texts must not contain the NUL character"));
        }
        Ok(())
    }
}

struct Seed<'r>(&'r Reader);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        self.0.count()?;
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.text(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.0.text(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.0.state.borrow_mut().path.enter_index(list.len());
            let Some(item) = items.next_element_seed(Seed(self.0))? else { break };
            self.0.state.borrow_mut().path.leave();
            list.push(item);
        }
        self.0.state.borrow_mut().path.leave();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            self.0.state.borrow_mut().path.enter_sent(&name);
            self.0.text(&name)?;
            if map.contains_key(&name) {
                return Err(self.0.refuse(code::DUPLICATE, "the field occurs more than once"));
            }
            let value = entries.next_value_seed(Seed(self.0))?;
            self.0.state.borrow_mut().path.leave();
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_reads_like_serde_json() {
        let body =
            r#"{"a":[1,-2,2.5e3,"x\u00e9\ud83d\ude00",null,true,{}],"b":18446744073709551615}"#;
        assert_eq!(parse(body.as_bytes()).unwrap(), serde_json::from_str::<Value>(body).unwrap());
    }

    #[test]
    fn bad_bodies_are_refused_with_a_place_but_without_their_text() {
        let deep = "[".repeat(200);
        let cases: &[(&[u8], &str, Option<&str>)] = &[
            (b"", code::JSON, None),
            (b"{\"model\": \"hunter2\"", code::JSON, None),
            (b"{\"model\": hunter2}", code::JSON, None),
            (b"{} {\"hunter2\": 1}", code::JSON, None),
            (b"{\"a\": \"\xff hunter2\"}", code::JSON, None),
            (br#"{"a": "hunter2 \ud800"}"#, code::JSON, None),
            (br#"{"a": "hunter2 \udc00\ud800"}"#, code::JSON, None),
            (b"{\"a\": 1e999}", code::JSON, None),
            (b"{\"a\": NaN}", code::JSON, None),
            (b"{\"a\": \"hunter2\x00\"}", code::JSON, None),
            (br#"{"a": "hunter2\u0000"}"#, code::NUL, Some("a")),
            (br#"{"m": [{}, {"hunter2\u0000": 1}]}"#, code::NUL, Some("m[1].hunter2?")),
            (br#"{"a": 1, "b": {"c": 1, "c": "hunter2"}}"#, code::DUPLICATE, Some("b.c")),
            (br#"{"a": 1, "\u0061": 2}"#, code::DUPLICATE, Some("a")),
            (deep.as_bytes(), code::JSON, None),
        ];
        for (body, code, param) in cases {
            let invalid = parse(body).unwrap_err();
            assert_eq!(&invalid.code, code, "{invalid}");
            assert_eq!(invalid.param.as_deref(), *param);
            if param.is_none() {
                assert!(!invalid.message.contains("hunter2"), "{invalid}");
            }
        }
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let body = format!("[{}1]", "1,".repeat(VALUES_MAX));
        assert_eq!(parse(body.as_bytes()).unwrap_err().code, code::TOO_MANY_VALUES);
    }
}
