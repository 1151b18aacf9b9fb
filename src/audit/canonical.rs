//! Canonical JSON: one value, one sequence of bytes, so that a hash of it means
//! something to a stranger.
//!
//! RFC 8785: keys sorted, no white space, numbers as ECMAScript prints them. Two
//! narrower rules make the number form unambiguous without a full ECMAScript
//! printer: fractions are rounded to 4 decimals, and nothing lies beyond the
//! integers that a double holds exactly. Keys are field names of ours, all
//! ASCII, so that byte order is RFC 8785's UTF-16 order.
//!
//! Knows no record and no file. Called by `record` and `chain`.

use serde::Serialize;
use serde_json::{Number, Value};

/// The largest integer that every JSON reader keeps exactly (2^53 - 1, RFC 7493).
const INTEGER_MAX: u64 = (1 << 53) - 1;
const FRACTION_STEPS: f64 = 10_000.0;

/// The canonical bytes of `value`. Numbers out of range become the nearest one
/// in range.
///
/// # Errors
/// When `value` has no JSON form (a map with keys that are not texts).
pub(super) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    normalise(&mut value);
    serde_json::to_vec(&value)
}

/// The recursion is as deep as the value: our records, or what serde_json's
/// parser let pass (128 levels).
fn normalise(value: &mut Value) {
    match value {
        Value::Number(number) => *number = normal_number(number),
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(fields) => fields.values_mut().for_each(normalise),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn normal_number(number: &Number) -> Number {
    if let Some(integer) = number.as_u64() {
        return integer.min(INTEGER_MAX).into();
    }
    let limit = INTEGER_MAX.cast_signed();
    if let Some(integer) = number.as_i64() {
        return integer.max(-limit).into();
    }
    let float = number.as_f64().unwrap_or_default();
    let rounded = (float * FRACTION_STEPS).round() / FRACTION_STEPS;
    if rounded.fract() == 0.0 || !rounded.is_finite() {
        // `as` saturates, and turns minus zero into zero.
        return (rounded as i64).clamp(-limit, limit).into();
    }
    Number::from_f64(rounded).unwrap_or_else(|| 0.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        String::from_utf8(to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b": 1, "a": [{"d": 2, "c": null}]}"#).unwrap();
        assert_eq!(text(&value), r#"{"a":[{"c":null,"d":2}],"b":1}"#);
    }

    #[test]
    fn numbers_have_one_form() {
        for (number, want) in [
            (json!(0.1_f32), "0.1"),
            (json!(0.9_f32), "0.9"),
            (json!(1.0_f32), "1"),
            (json!(-0.0), "0"),
            (json!(0.0001), "0.0001"),
            (json!(0.00004), "0"),
            (json!(1e300), "9007199254740991"),
            (json!(-1e300), "-9007199254740991"),
            (json!(u64::MAX), "9007199254740991"),
            (json!(i64::MIN), "-9007199254740991"),
            (json!(123_456.789_01), "123456.789"),
        ] {
            assert_eq!(text(&number), want);
        }
    }

    /// The string examples of RFC 8785, section 3.2.2.2.
    #[test]
    fn strings_are_escaped_as_the_standard_says() {
        assert_eq!(
            text(&json!("\u{20ac}$\u{f}\nA'B\"\\\"/\u{8}\u{7f}")),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\\b\u{7f}\""
        );
    }

    proptest::proptest! {
        /// A reader that parses and prints again gets the same bytes.
        #[test]
        fn canonical_text_is_a_fixed_point(score in 0.0_f32..=1.0, number in proptest::prelude::any::<i64>(), word in ".*") {
            let first = text(&json!({ "score": score, "number": number, "word": word }));
            let again: Value = serde_json::from_str(&first).unwrap();
            proptest::prop_assert_eq!(text(&again), first);
        }
    }
}
