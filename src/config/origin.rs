//! Where a value came from, in words that an operator can act on.
//!
//! Used for error messages and by `config show`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::sources::Tree;

/// The layers, lowest precedence first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    #[default]
    Default,
    File {
        path: PathBuf,
        /// Counted from 1.
        line: Option<u64>,
    },
    /// The variable's name.
    Environment(String),
    /// The flag as typed, e.g. `--listen`.
    Flag(String),
}

impl Origin {
    /// Precedence: a higher one wins.
    pub(super) const fn layer(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A key's path from the root.
pub(super) type Path = Vec<String>;

/// The origins of resolved values.
#[derive(Debug)]
pub(super) struct Origins {
    tree: Tree,
    /// Resolved paths that were written at another place, e.g. `backends.NAME.model` as `model`.
    shorthands: BTreeMap<Path, Path>,
}

impl Origins {
    pub(super) const fn new(tree: Tree, shorthands: BTreeMap<Path, Path>) -> Self {
        Self { tree, shorthands }
    }

    pub(super) fn of(&self, path: &[&str]) -> Origin {
        let path: Path = path.iter().map(|key| (*key).to_owned()).collect();
        if let Some(origin) = self.tree.origin(&path) {
            return origin;
        }
        if let Some(origin) = self.shorthands.get(&path).and_then(|other| self.tree.origin(other)) {
            return origin;
        }
        match path.as_slice() {
            [backends, _, key] if backends == "backends" => {
                self.tree.origin(&["backend_defaults".to_owned(), key.clone()]).unwrap_or_default()
            }
            _ => Origin::Default,
        }
    }
}
