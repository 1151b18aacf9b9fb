//! The table in words: what error messages and the documentation say of a shape.

use std::fmt;

use super::{Constant, Shape};

impl Shape {
    /// As in "must be …".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text { bytes_max: usize::MAX, empty: true } => "a string".to_owned(),
            Self::Text { bytes_max: usize::MAX, .. } => "a non-empty string".to_owned(),
            Self::Text { bytes_max, empty: true } => {
                format!("a string of at most {bytes_max} bytes")
            }
            Self::Text { bytes_max, .. } => {
                format!("a non-empty string of at most {bytes_max} bytes")
            }
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a 64-bit integer".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Number(range) if range.open => {
                format!("a number above {}, up to {}", range.min, range.max)
            }
            Self::Number(range) => format!("a number from {} to {}", range.min, range.max),
            Self::Only(constants) => {
                let mut words = vec!["null".to_owned()];
                words.extend(constants.iter().map(|constant| format!("`{constant}`")));
                words.join(" or ")
            }
            Self::Object(_) => "an object".to_owned(),
            Self::Opaque { entries_max } => {
                format!("an object of at most {entries_max} entries")
            }
            Self::TokenBias { entries_max } => format!(
                "an object of at most {entries_max} token ids, each with a number from -100 to 100"
            ),
            Self::List { of, items_min, items_max } if items_min == items_max => {
                format!("a list of {items_min}: {}", of.describe())
            }
            Self::List { of, items_min, items_max } => {
                format!("a list of {items_min} to {items_max}, each {}", of.describe())
            }
            Self::Either(alternatives) => {
                let words: Vec<_> = alternatives.iter().map(Self::describe).collect();
                words.join(", or ")
            }
            Self::Variants { tag, of } => {
                let accepted = of.iter().filter(|variant| variant.accepts.is_ok());
                let names: Vec<_> = accepted.map(|variant| format!("`{}`", variant.name)).collect();
                format!("an object with `{tag}` {}", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::False => f.write_str("false"),
            Self::Zero => f.write_str("0"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::EmptyList => f.write_str("[]"),
            Self::ListOf(text) => write!(f, "[\"{text}\"]"),
            Self::Type(name) => write!(f, "{{\"type\": \"{name}\"}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;

    use crate::api::fields::{self, Decision, Field, Shape};
    use crate::domain::Endpoint;

    /// The rows of one endpoint, as docs/API.md has them.
    fn markdown(endpoint: Endpoint) -> String {
        let mut rows = "| field | decision | accepted | why |\n|---|---|---|---|\n".to_owned();
        object("", fields::of(endpoint), &mut rows);
        rows
    }

    fn object(path: &str, list: &[Field], rows: &mut String) {
        for field in list {
            let path = format!("{path}{}", field.name);
            let (decision, why) = match field.decision {
                Decision::Guarded(why) => ("guarded", why),
                Decision::Constrained(why) => ("constrained", why),
                Decision::Harmless(why) => ("harmless", why),
            };
            let required = if field.required { " (required)" } else { "" };
            let accepted = field.shape.describe();
            writeln!(rows, "| `{path}`{required} | {decision} | {accepted} | {why} |").unwrap();
            inner(&path, &field.shape, rows);
        }
    }

    fn inner(path: &str, shape: &Shape, rows: &mut String) {
        match shape {
            Shape::Object(fields) => object(&format!("{path}."), fields, rows),
            Shape::List { of, .. } => inner(&format!("{path}[]"), of, rows),
            Shape::Either(alternatives) => {
                for alternative in *alternatives {
                    inner(path, alternative, rows);
                }
            }
            Shape::Variants { tag, of } => {
                for variant in *of {
                    let path = format!("{path}({tag}={})", variant.name);
                    match variant.accepts {
                        Ok(fields) => object(&format!("{path}."), fields, rows),
                        Err(why) => {
                            writeln!(rows, "| `{path}` | constrained | refused | {why} |").unwrap();
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Run with `PORTCULLIS_BLESS=1` to write the tables after a change.
    #[test]
    fn the_documentation_has_the_table_of_the_code() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/API.md");
        let mut text = fs::read_to_string(&file).unwrap();
        for endpoint in Endpoint::ALL {
            let name = endpoint.name();
            let (begin, end) = (format!("<!-- fields: {name} -->\n"), "<!-- end of fields -->");
            let from = text.find(&begin).unwrap() + begin.len();
            let to = from + text[from..].find(end).unwrap();
            let table = markdown(*endpoint);
            if std::env::var_os("PORTCULLIS_BLESS").is_some() {
                text.replace_range(from..to, &table);
            } else {
                assert_eq!(&text[from..to], table, "{name}: run the test with PORTCULLIS_BLESS=1");
            }
        }
        if std::env::var_os("PORTCULLIS_BLESS").is_some() {
            fs::write(file, text).unwrap();
        }
    }

    /// The request fields of OpenAI's Python package 3.54.
    const PUBLISHED: &[(Endpoint, &str)] = &[
        (
            Endpoint::ChatCompletions,
            "messages model audio frequency_penalty function_call functions logit_bias logprobs \
             max_completion_tokens max_tokens metadata modalities moderation n \
             parallel_tool_calls prediction presence_penalty prompt_cache_key \
             prompt_cache_options prompt_cache_retention reasoning_effort response_format \
             safety_identifier seed service_tier stop store stream stream_options temperature \
             tool_choice tools top_logprobs top_p user verbosity web_search_options",
        ),
        (
            Endpoint::Completions,
            "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n \
             presence_penalty seed stop stream stream_options suffix temperature top_p user",
        ),
        (Endpoint::Moderations, "input model"),
    ];

    #[test]
    fn every_published_field_has_one_decision() {
        for (endpoint, published) in PUBLISHED {
            let mut ours: Vec<_> = fields::of(*endpoint).iter().map(|field| field.name).collect();
            for name in published.split_whitespace() {
                assert!(ours.contains(&name), "{endpoint:?}: `{name}` has no decision");
            }
            let count = ours.len();
            ours.sort_unstable();
            ours.dedup();
            assert_eq!(ours.len(), count, "{endpoint:?}: a field has two decisions");
        }
    }
}
