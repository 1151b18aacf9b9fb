//! A policy with everything that it names: what it is written over, layer by
//! layer, and the phrases of its lists.
//!
//! Pure: it asks a [`Files`] for the texts, and only the store's reads a disk.
//! What it cannot follow becomes a problem beside those of the compiler, which
//! takes over from here.

mod lists;

use std::path::{Path, PathBuf};

use super::PolicyError;
use super::document::{Document, Part, Spanned, place};
use super::problem::{Problem, Problems};
use super::sources::Sources;
use lists::Lists;

/// A policy file may have this many bytes.
pub(super) const POLICY_BYTES_MAX: u64 = 4 << 20;
/// Policies written over one another, the last one included.
const LAYERS_MAX: usize = 8;

/// The policy that is part of the program.
const SHIPPED: &str = include_str!("../../policies/llama2-aup/policy.yaml");
/// What messages call it.
const SHIPPED_NAME: &str = "policies/llama2-aup/policy.yaml (shipped)";
/// What `extends` calls it.
const SHIPPED_KEYWORD: &str = "shipped";

/// Where the texts of named files come from.
pub(super) trait Files {
    /// The policy file that a path stands for.
    fn find(&self, path: &Path) -> PathBuf;

    /// # Errors
    /// Why there is no text of at most `bytes_max` bytes.
    fn read(&self, path: &Path, bytes_max: u64) -> Result<String, String>;
}

/// No files at all, for a policy that is nothing but text.
#[derive(Debug)]
pub(super) struct NoFiles;

impl Files for NoFiles {
    fn find(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn read(&self, _: &Path, _: u64) -> Result<String, String> {
        Err("this policy was not read from a file, so it can name none".to_owned())
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) sources: Sources,
    /// The policy itself, then what it is written over.
    pub(super) layers: Vec<Layer>,
    pub(super) problems: Problems,
}

/// One policy file.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) document: Document,
    /// Its number among the sources.
    pub(super) file: usize,
}

/// The policy that everything begins with.
#[derive(Debug)]
pub(super) enum Start<'s> {
    Shipped,
    File(PathBuf),
    Text { name: &'s str, text: &'s str },
}

/// Reads a policy and what it names; `paths` gets every file that it depends
/// on, also those that cannot be read.
///
/// # Errors
/// When a policy file cannot be read or is not in the form of a policy.
pub(super) fn read(
    start: Start<'_>,
    files: &dyn Files,
    paths: &mut Vec<PathBuf>,
) -> Result<Chain, PolicyError> {
    let mut chain = Chain::default();
    let mut lists = Lists::new(files);
    let mut next = Some(Next::start(start, files, paths)?);
    let mut seen: Vec<Option<PathBuf>> = Vec::new();
    while let Some(Next { name, path, text }) = next.take() {
        let mut document = parse(&name, &text)?;
        let base = chain.sources.add(&name, text);
        document.shift(base);
        let file = chain.sources.number(base);
        lists.resolve(&mut document, path.as_deref(), paths, &mut chain);
        seen.push(path.as_deref().map(plain));
        next = follow(&document, path.as_deref(), &seen, files, paths, &mut chain.problems)?;
        chain.layers.push(Layer { document, file });
    }
    Ok(chain)
}

/// A policy that is about to be read.
struct Next {
    name: String,
    /// `None`: it is not a file.
    path: Option<PathBuf>,
    text: String,
}

impl Next {
    fn shipped() -> Self {
        Self { name: SHIPPED_NAME.to_owned(), path: None, text: SHIPPED.to_owned() }
    }

    fn start(
        start: Start<'_>,
        files: &dyn Files,
        paths: &mut Vec<PathBuf>,
    ) -> Result<Self, PolicyError> {
        match start {
            Start::Shipped => Ok(Self::shipped()),
            Start::Text { name, text } => {
                Ok(Self { name: name.to_owned(), path: None, text: text.to_owned() })
            }
            Start::File(path) => {
                let path = files.find(&path);
                paths.push(path.clone());
                let text = files
                    .read(&path, POLICY_BYTES_MAX)
                    .map_err(|reason| PolicyError::unreadable("policy", &path, &reason))?;
                Ok(Self { name: path.display().to_string(), path: Some(path), text })
            }
        }
    }
}

/// What `document` is written over.
fn follow(
    document: &Document,
    path: Option<&Path>,
    seen: &[Option<PathBuf>],
    files: &dyn Files,
    paths: &mut Vec<PathBuf>,
    problems: &mut Problems,
) -> Result<Option<Next>, PolicyError> {
    let Some(extends) = &document.extends else { return Ok(None) };
    let mut refuse = |message: String, help: String| {
        problems
            .push(Problem::new("policy::extends", place(&extends.referenced), message).help(help));
        Ok(None)
    };
    if seen.len() >= LAYERS_MAX {
        return refuse(
            format!("more than {LAYERS_MAX} policies are written over one another"),
            "fold some of them into one".to_owned(),
        );
    }
    if extends.value == SHIPPED_KEYWORD {
        return Ok(Some(Next::shipped()));
    }
    let target = files.find(&beside(path, &extends.value));
    if let Some(at) = seen.iter().position(|known| known.as_ref() == Some(&plain(&target))) {
        let ring = seen.iter().skip(at).flatten().map(|path| path.display().to_string());
        let ring: Vec<String> = ring.chain([plain(&target).display().to_string()]).collect();
        return refuse(
            "a policy cannot be written over itself".to_owned(),
            format!("the chain is {}", ring.join(" -> ")),
        );
    }
    paths.push(target.clone());
    match files.read(&target, POLICY_BYTES_MAX) {
        Ok(text) => Ok(Some(Next { name: target.display().to_string(), path: Some(target), text })),
        Err(reason) => refuse(
            format!("cannot read `{}`: {reason}", target.display()),
            format!("a path relative to this file, or `{SHIPPED_KEYWORD}`"),
        ),
    }
}

/// A path that is written in the policy at `path`.
fn beside(path: Option<&Path>, written: &str) -> PathBuf {
    path.and_then(Path::parent).map_or_else(|| written.into(), |folder| folder.join(written))
}

/// Without `.` and, where the text shows it, without `..`.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn parse(file: &str, source: &str) -> Result<Document, PolicyError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let read = serde_saphyr::from_str_with_options::<Spanned<Document>>(source, options);
    read.map(|document| document.value)
        .map_err(|error| PolicyError::malformed(file, source, &error))
}
