//! E-mail addresses, also with the signs spelled out.
//!
//! The forms that people write (RFC 5321 without quoted local parts and
//! address literals), in the lengths that occur.

use super::Recogniser;
use super::around::whole;
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    Recogniser::new(
        r"[a-z0-9_%+-][a-z0-9._%+'-]{0,47}@(?:[a-z0-9-]{1,30}\.){1,4}[a-z]{2,12}\b",
        is_address,
    )
    .in_whole_runs(),
    Recogniser::new(
        r"\b[a-z0-9._%+-]{1,48} ?[\[({<] ?at ?[\])}>] ?[a-z0-9-]{1,30}(?:(?:\.| ?[\[({<] ?dot ?[\])}>] ?)[a-z0-9-]{1,20}){1,3}\b",
        is_spelled_out,
    ),
];

/// Endings of file names, which stand behind an `@` in the names of images and modules.
const FILE_ENDINGS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "html", "htm", "css", "js", "ts", "jsx",
    "tsx", "json", "yaml", "yml", "xml", "txt", "pdf", "zip", "whl", "jar", "exe", "dll", "lock",
    "toml", "service", "socket", "timer", "target",
];
/// Hosts at which the name `git` is everybody's.
const FORGES: &[&str] = &["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "gitee.com"];

fn is_address(candidate: &Candidate<'_>) -> Option<usize> {
    let (local, domain) = candidate.matched().split_once('@')?;
    let dots = |text: &str| text.starts_with('.') || text.ends_with('.') || text.contains("..");
    let labels_fit =
        domain.split('.').all(|label| !label.starts_with('-') && !label.ends_with('-'));
    let ending = domain.rsplit('.').next().unwrap_or_default();
    let good = labels_fit
        && !dots(local)
        && local.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && !FILE_ENDINGS.contains(&ending)
        && !(local == "git" && FORGES.contains(&domain));
    whole(candidate, good)
}

fn is_spelled_out(candidate: &Candidate<'_>) -> Option<usize> {
    let ending = candidate.matched().rsplit([' ', '.', ']', ')', '}', '>']).next()?;
    let letters = ending.len() >= 2 && ending.bytes().all(|byte| byte.is_ascii_lowercase());
    whole(candidate, letters && !FILE_ENDINGS.contains(&ending))
}
