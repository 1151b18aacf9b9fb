//! The layers, read and merged into one tree whose values know their origin.
//!
//! Values from the environment and from flags are text; `written` reads numbers
//! out of text. Text that begins with `[` or `{` is read as YAML, for lists and
//! maps.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{self, PathBuf};

use figment2::value::{Dict, Empty, Num, Tag, Value as Leaf};

use super::Sources;
use super::origin::{Origin, Path};
use super::problem::Problems;
use super::recover::recover;
use super::yaml::{self, SyntaxError, Value};

const FILE_BYTES_MAX: u64 = 1 << 20;

const PREFIX: &str = "PORTCULLIS_";

/// `PORTCULLIS_AUDIT__QUEUE_RECORDS_MAX` is `audit.queue_records_max`.
const SEPARATOR: &str = "__";

/// Variables of ours that are no settings of the gateway: the file's place, and what `chat` reads.
const NO_SETTINGS: &[&str] = &["CONFIG", "API_KEY", "URL"];

/// A value given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As typed, e.g. `--listen`.
    pub name: String,
    /// The key's path, e.g. `["audit", "queue_records_max"]`.
    pub path: Vec<String>,
    /// More than one make a list.
    pub values: Vec<String>,
}

impl Flag {
    pub fn new(name: &str, dotted: &str, values: Vec<String>) -> Self {
        let path = dotted.split('.').map(str::to_owned).collect();
        Self { name: name.to_owned(), path, values }
    }
}

/// The merged layers.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(BTreeMap<String, Branch>);

#[derive(Debug, Clone)]
struct Branch {
    origin: Origin,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Leaf(Leaf),
    Map(Tree),
}

/// Reads all layers; what cannot be read is a problem and left out.
pub(super) fn merge(sources: &Sources, problems: &mut Problems) -> Tree {
    let mut tree = Tree::default();
    if let Some(path) = &sources.file {
        tree.overlay(read_file(path, problems));
    }
    for (name, value) in &sources.environment {
        let Some(path) = setting_of_variable(name).filter(|_| !value.is_empty()) else { continue };
        let origin = Origin::Environment(name.clone());
        tree.overlay(single(&path, origin, std::slice::from_ref(value), problems));
    }
    for flag in &sources.flags {
        let origin = Origin::Flag(flag.name.clone());
        tree.overlay(single(&flag.path, origin, &flag.values, problems));
    }
    tree
}

impl Tree {
    /// Puts `upper` over this tree: maps are merged, anything else is replaced.
    fn overlay(&mut self, upper: Self) {
        for (key, branch) in upper.0 {
            match (self.0.get_mut(&key).map(|below| &mut below.content), branch) {
                (Some(Content::Map(below)), Branch { content: Content::Map(above), .. }) => {
                    below.overlay(above);
                }
                (_, branch) => {
                    self.0.insert(key, branch);
                }
            }
        }
    }

    /// Where the value at `path` was written; `None` when it was not.
    pub(super) fn origin(&self, path: &[String]) -> Option<Origin> {
        let (first, rest) = path.split_first()?;
        let branch = self.0.get(first)?;
        match (&branch.content, rest) {
            (_, []) => Some(branch.origin.clone()),
            (Content::Map(tree), rest) => tree.origin(rest),
            (Content::Leaf(_), _) => None,
        }
    }

    /// The highest layer that wrote anything at or below `key`; 0 when none did.
    pub(super) fn layer(&self, key: &str) -> u8 {
        self.0.get(key).map_or(0, |branch| match &branch.content {
            Content::Leaf(_) => branch.origin.layer(),
            Content::Map(tree) => tree.0.keys().map(|key| tree.layer(key)).max().unwrap_or(0),
        })
    }

    /// The values without their origins.
    pub(super) fn to_dict(&self) -> Dict {
        let content = |branch: &Branch| match &branch.content {
            Content::Leaf(leaf) => leaf.clone(),
            Content::Map(tree) => Leaf::Dict(Tag::Default, tree.to_dict()),
        };
        self.0.iter().map(|(key, branch)| (key.clone(), content(branch))).collect()
    }
}

fn read_file(path: &path::Path, problems: &mut Problems) -> Tree {
    let whole = || Origin::File { path: path.to_owned(), line: None };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            problems.add(&[], whole(), format!("cannot read this file: {error}"), None);
            return Tree::default();
        }
    };
    match yaml::parse(&text) {
        Ok(Value::Map(entries)) => file_tree(path, entries),
        Ok(Value::Null) => Tree::default(),
        Ok(_) => {
            let help = Some("write one `key: value` a line, e.g. `listen: 127.0.0.1:8080`".into());
            problems.add(&[], whole(), "this is not a map of settings", help);
            Tree::default()
        }
        Err(error) => {
            problems.part_unread();
            let recovered = recover(&text, error);
            for SyntaxError { line, message } in recovered.errors {
                let origin = Origin::File { path: path.to_owned(), line };
                problems.add(&[], origin, message, None);
            }
            file_tree(path, recovered.entries)
        }
    }
}

fn read_text(path: &path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > FILE_BYTES_MAX) {
        return Err(std::io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// A key without a value counts as not written.
fn file_tree(path: &path::Path, entries: Vec<(String, yaml::Node)>) -> Tree {
    let mut tree = Tree::default();
    for (key, node) in entries {
        let origin = Origin::File { path: PathBuf::from(path), line: Some(node.line) };
        let content = match node.value {
            Value::Null => continue,
            Value::Map(entries) => Content::Map(file_tree(path, entries)),
            value => Content::Leaf(leaf(value)),
        };
        tree.0.insert(key, Branch { origin, content });
    }
    tree
}

fn leaf(value: Value) -> Leaf {
    match value {
        Value::Null => Leaf::Empty(Tag::Default, Empty::None),
        Value::Bool(value) => Leaf::Bool(Tag::Default, value),
        Value::Integer(value) => Leaf::Num(
            Tag::Default,
            u128::try_from(value).map_or(Num::I128(value), |positive| {
                u64::try_from(positive).map_or(Num::U128(positive), Num::U64)
            }),
        ),
        Value::Float(value) => Leaf::Num(Tag::Default, Num::F64(value)),
        Value::Text(text) => Leaf::String(Tag::Default, text),
        Value::List(items) => {
            Leaf::Array(Tag::Default, items.into_iter().map(|item| leaf(item.value)).collect())
        }
        Value::Map(entries) => {
            let entries = entries.into_iter().map(|(key, node)| (key, leaf(node.value)));
            Leaf::Dict(Tag::Default, entries.collect())
        }
    }
}

fn setting_of_variable(name: &str) -> Option<Path> {
    let setting = name.strip_prefix(PREFIX)?;
    if NO_SETTINGS.contains(&setting) || is_service_link(setting) {
        return None;
    }
    Some(setting.split(SEPARATOR).map(str::to_ascii_lowercase).collect())
}

/// Kubernetes puts `PORTCULLIS_PORT`, `PORTCULLIS_SERVICE_HOST` and the like into every pod beside
/// a Service named `portcullis`.
fn is_service_link(setting: &str) -> bool {
    setting == "PORT" || setting.starts_with("PORT_") || setting.starts_with("SERVICE_")
}

/// A tree with one value.
fn single(path: &[String], origin: Origin, values: &[String], problems: &mut Problems) -> Tree {
    let leaves: Result<Vec<_>, String> = values.iter().map(|value| text_value(value)).collect();
    let value = match leaves {
        Ok(mut values) if values.len() == 1 => values.remove(0),
        Ok(values) => {
            Value::List(values.into_iter().map(|value| yaml::Node { line: 1, value }).collect())
        }
        Err(message) => {
            problems.add(path, origin, message, None);
            return Tree::default();
        }
    };
    nested(path, &origin, value)
}

fn text_value(text: &str) -> Result<Value, String> {
    // `[::1]:8080` is an address, not a list.
    let is_address = text.parse::<std::net::SocketAddr>().is_ok();
    if text.starts_with(['[', '{']) && !is_address {
        yaml::parse(text).map_err(|error| error.message)
    } else {
        Ok(Value::Text(text.to_owned()))
    }
}

fn nested(path: &[String], origin: &Origin, value: Value) -> Tree {
    let Some((first, rest)) = path.split_first() else {
        return match value {
            Value::Map(entries) => {
                let trees = entries.into_iter().map(|(key, node)| {
                    let tree = nested(&[], origin, node.value.clone());
                    let content = match &node.value {
                        Value::Map(_) => Content::Map(tree),
                        _ => Content::Leaf(leaf(node.value)),
                    };
                    (key, Branch { origin: origin.clone(), content })
                });
                Tree(trees.collect())
            }
            _ => Tree::default(),
        };
    };
    let content = match (rest, &value) {
        ([], Value::Map(_)) | ([_, ..], _) => Content::Map(nested(rest, origin, value)),
        ([], _) => Content::Leaf(leaf(value)),
    };
    Tree(BTreeMap::from([(first.clone(), Branch { origin: origin.clone(), content })]))
}
