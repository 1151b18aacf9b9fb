//! How single values are checked: numbers in range, addresses, paths, secrets.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path as FilePath, PathBuf};

use crate::inference::upstream::Url;
use secrecy::SecretString;

use crate::config::origin::{Origin, Path};
use crate::config::problem::Problems;
use crate::config::sources::Tree;

const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What checking needs: where values come from, and where problems go.
pub(super) struct Resolver<'a> {
    pub tree: &'a Tree,
    pub environment: &'a [(String, String)],
    pub problems: &'a mut Problems,
}

impl Resolver<'_> {
    pub(super) fn origin(&self, key: &[&str]) -> Origin {
        self.tree.origin(&owned(key)).unwrap_or_default()
    }

    pub(super) fn problem(&mut self, key: &[&str], message: &str, help: Option<&str>) {
        let origin = self.origin(key);
        self.problems.add(&owned(key), origin, message, help.map(str::to_owned));
    }

    /// A problem, unless what is missing may stand in a part of a file that cannot be read.
    pub(super) fn missing(&mut self, key: &[&str], message: &str, help: Option<&str>) {
        if !self.problems.is_part_unread() {
            self.problem(key, message, help);
        }
    }

    /// The value, or the default with a problem when it is out of range.
    pub(super) fn number<T>(
        &mut self,
        key: &[&str],
        written: Option<u64>,
        range: RangeInclusive<u64>,
        default: T,
    ) -> T
    where
        T: TryFrom<u64> + Display,
    {
        let Some(number) = written else { return default };
        if let Some(number) = T::try_from(number).ok().filter(|_| range.contains(&number)) {
            return number;
        }
        let (least, most) = (range.start(), range.end());
        let message = format!("{number} is not between {least} and {most}");
        self.problem(key, &message, Some(&format!("leave it out for the default, {default}")));
        default
    }

    /// As [`Self::number`], where leaving it out has a meaning of its own.
    pub(super) fn optional(
        &mut self,
        key: &[&str],
        written: Option<u64>,
        range: RangeInclusive<u64>,
    ) -> Option<usize> {
        let default = usize::try_from(*range.start()).unwrap_or(1);
        written.map(|number| self.number(key, Some(number), range, default))
    }

    /// An address of this machine with a port.
    pub(super) fn address(&mut self, key: &str, written: Option<&str>) -> Option<SocketAddr> {
        let written = written?;
        let numeric = written.replacen("localhost", "127.0.0.1", 1);
        let address = numeric.parse().ok();
        if address.is_none() {
            let help = "write an IP address and a port, e.g. `127.0.0.1:8080` (this machine only), \
                        `0.0.0.0:8080` (all interfaces) or `[::1]:0` (any free port)";
            let message = format!("`{written}` is not an address to listen on");
            self.problem(&[key], &message, Some(help));
        }
        address
    }

    /// The absolute path: what is relative in a file is relative to that file, elsewhere to the
    /// working directory.
    pub(super) fn located(&self, key: &[&str], path: PathBuf) -> PathBuf {
        let path = match self.origin(key) {
            Origin::File { path: file, .. } => match file.parent() {
                Some(directory) => directory.join(path),
                None => path,
            },
            _ => path,
        };
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Whether the file is there.
    pub(super) fn need_file(&mut self, key: &[&str], path: &FilePath) -> bool {
        let found = path.is_file();
        if !found {
            let message = format!("there is no file `{}`", path.display());
            self.problem(key, &message, None);
        }
        found
    }

    /// The base URL of a server. Problems never quote it whole: it may carry a password.
    pub(super) fn url(&mut self, key: &[&str], written: &str) -> Option<Url> {
        let example = "e.g. `http://127.0.0.1:8000/v1`";
        let url = match Url::parse(written) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            Ok(_) | Err(_) => {
                let help = format!("write a URL that begins with http:// or https://, {example}");
                self.problem(key, "this is not the URL of a server", Some(&help));
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            let help = "use `api_key_env` or `api_key_file`";
            self.problem(key, "this URL carries credentials", Some(help));
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.problem(key, "this URL has a query or a fragment; a base URL is needed", None);
            return None;
        }
        Some(url)
    }

    /// The secret in the named environment variable.
    pub(super) fn secret_of_variable(&mut self, key: &[&str], name: &str) -> Option<SecretString> {
        let value = self.environment.iter().find(|(variable, _)| variable == name);
        match value.map(|(_, value)| value.trim()).filter(|value| !value.is_empty()) {
            Some(value) => Some(value.into()),
            None => {
                self.problem(key, &format!("the variable `{name}` is not set"), None);
                None
            }
        }
    }

    /// The secret that is all of the file, white space around it left out.
    pub(super) fn secret_of_file(&mut self, key: &[&str], path: &FilePath) -> Option<SecretString> {
        let length = std::fs::metadata(path).map(|metadata| metadata.len());
        let text = match length {
            Ok(length) if length <= SECRET_BYTES_MAX => std::fs::read_to_string(path),
            Ok(_) => Err(std::io::Error::other(format!("it exceeds {SECRET_BYTES_MAX} bytes"))),
            Err(error) => Err(error),
        };
        match text {
            Ok(text) if !text.trim().is_empty() => Some(text.trim().into()),
            Ok(_) => {
                self.problem(key, &format!("`{}` is empty", path.display()), None);
                None
            }
            Err(error) => {
                self.problem(key, &format!("cannot read `{}`: {error}", path.display()), None);
                None
            }
        }
    }
}

fn owned(key: &[&str]) -> Path {
    key.iter().map(|part| (*part).to_owned()).collect()
}
