//! The resolved settings as a configuration file, each value with its origin.
//!
//! What is printed can be loaded again and gives the same settings. Secrets are
//! not part of [`super::Settings`]' written form and so never appear.

use serde_json::{Map, Value, json};

use super::{Origin, Resolved};

/// Values shorter than this get their comments in one column.
const COMMENT_COLUMN: usize = 44;

/// YAML with a comment per value: where it comes from.
pub fn yaml(resolved: &Resolved) -> String {
    let mut out = String::new();
    write_map(resolved, &written(resolved), &mut Vec::new(), &mut out);
    out
}

/// `{"settings": {…}, "origins": {"listen": "default", …}}`; origins have one flat map by path.
pub fn json(resolved: &Resolved) -> Value {
    let settings = written(resolved);
    let mut origins = Map::new();
    collect_origins(resolved, &settings, &mut Vec::new(), &mut origins);
    json!({ "settings": settings, "origins": origins })
}

fn written(resolved: &Resolved) -> Map<String, Value> {
    match serde_json::to_value(&resolved.settings) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn write_map(
    resolved: &Resolved,
    map: &Map<String, Value>,
    path: &mut Vec<String>,
    out: &mut String,
) {
    let indent = "  ".repeat(path.len());
    for (key, value) in map {
        path.push(key.clone());
        let key = scalar(&Value::String(key.clone()));
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push_str(&format!("{indent}{key}:\n"));
                write_map(resolved, inner, path, out);
            }
            value => {
                let origin = origin(resolved, path);
                let line = format!("{indent}{key}: {}", scalar(value));
                out.push_str(&format!("{line:COMMENT_COLUMN$} # {origin}\n"));
            }
        }
        path.pop();
    }
}

fn collect_origins(
    resolved: &Resolved,
    map: &Map<String, Value>,
    path: &mut Vec<String>,
    origins: &mut Map<String, Value>,
) {
    for (key, value) in map {
        path.push(key.clone());
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                collect_origins(resolved, inner, path, origins);
            }
            _ => {
                origins.insert(path.join("."), origin(resolved, path).to_string().into());
            }
        }
        path.pop();
    }
}

fn origin(resolved: &Resolved, path: &[String]) -> Origin {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    resolved.origin(&path)
}

/// JSON is YAML; text that reads as itself goes without quotes.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        value => value.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        && !words.contains(&text.to_ascii_lowercase().as_str())
}
