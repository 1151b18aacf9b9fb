//! The examples that a policy carries: texts that must be found, texts that
//! must pass.
//!
//! They stand in `cases.yaml` beside a policy, in the files of the folder
//! `cases`, and in the rules themselves. One runner ([`Suite`]) serves
//! `portcullis policy test` and the project's own tests, so a policy author
//! sees what the build sees. It uses the engine exactly as the pipeline does.

mod case;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

pub use case::{Case, Expanse, Expected, Said, Spoken, role_name};
pub use suite::{Count, Failure, Outcome, Suite, Tested};

use super::store::read;
use super::{Engine, Judged, PolicyError};
use crate::domain::{Action, Category, Place, Role, Stage, Verdict, View};

/// The cases of the policy that is part of the program.
const SHIPPED: &str = include_str!("../../policies/llama2-aup/cases.yaml");
/// What messages call them.
const SHIPPED_NAME: &str = "policies/llama2-aup/cases.yaml (shipped)";
/// What a policy directory calls its cases.
pub const FILE_NAME: &str = "cases.yaml";
/// Further files of cases lie in this folder beside the policy.
const FOLDER: &str = "cases";
/// Files that are taken from it.
const FOLDER_FILES_MAX: usize = 1_000;

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// What messages call it.
    #[serde(skip)]
    pub file: String,
    pub cases: Vec<Group>,
}

/// Texts about one category at one stage, and what each of them must lead to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub category: Category,
    pub stage: Stage,
    /// Who wrote the texts; a user or the assistant unless this says otherwise.
    #[serde(default)]
    pub role: Option<Role>,
    /// The action that each of `must_match` leads to, when it matters.
    #[serde(default)]
    pub action: Option<Action>,
    /// Rules that match each of `must_match`.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Each of `must_match` is found in one of these readings.
    #[serde(default)]
    pub views: Vec<View>,
    /// On each, the category's score reaches its threshold.
    #[serde(default)]
    pub must_match: Vec<Case>,
    /// On each, no category stops or masks anything.
    #[serde(default)]
    pub must_pass: Vec<Case>,
}

/// An example that stands in a rule: whether that rule matches the text, whatever the policy then does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCase {
    pub rule: Arc<str>,
    pub category: Category,
    pub stage: Stage,
    pub role: Role,
    /// Of the policy file, from 1.
    pub line: usize,
    pub must_match: bool,
    pub text: String,
}

impl Cases {
    /// # Errors
    /// The first mistake of the file, rendered.
    pub fn parse(file: &str, source: &str) -> Result<Self, PolicyError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let mut cases: Self = serde_saphyr::from_str_with_options(source, options)
            .map_err(|error| PolicyError::malformed(file, source, &error))?;
        file.clone_into(&mut cases.file);
        cases.check()?;
        Ok(cases)
    }

    /// # Errors
    /// When the file cannot be read, or as for [`Cases::parse`].
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let source =
            read(path).map_err(|reason| PolicyError::unreadable("cases", path, &reason))?;
        Self::parse(&path.display().to_string(), &source)
    }

    /// The cases of the shipped policy.
    ///
    /// # Errors
    /// As for [`Cases::parse`].
    pub fn shipped() -> Result<Self, PolicyError> {
        Self::parse(SHIPPED_NAME, SHIPPED)
    }

    /// Judges every text.
    pub fn run(&self, engine: &Engine) -> Outcome {
        let mut suite = Suite::default();
        suite.add(self);
        suite.run(engine, |_| {})
    }

    /// What the shape of the file cannot say.
    fn check(&self) -> Result<(), PolicyError> {
        for group in &self.cases {
            let answers = group.stage == Stage::Output;
            for case in group.must_match.iter().chain(&group.must_pass) {
                let wrong = if answers && matches!(case.said, Said::Conversation(_)) {
                    Some("`messages` are a prompt: write `stage: input`")
                } else if answers && (case.expected.role.is_some() || group.role.is_some()) {
                    Some("`role` means nothing for an answer")
                } else {
                    None
                };
                if let Some(wrong) = wrong {
                    return Err(self.refuse(case, wrong));
                }
            }
            let wanting = |case: &&Case| {
                let Expected { span, action, views, .. } = &case.expected;
                span.is_some() || action.is_some() || !views.is_empty()
            };
            if let Some(case) = group.must_pass.iter().find(wanting) {
                let wrong =
                    "of a text that must pass only `rules` (that must not match) can be said";
                return Err(self.refuse(case, wrong));
            }
        }
        Ok(())
    }

    fn refuse(&self, case: &Case, wrong: &str) -> PolicyError {
        let message = format!("{}:{}: {wrong}", self.file, case.line);
        let mut error = PolicyError::plain(&self.file, "cases::bad_case", message);
        for mistake in &mut error.mistakes {
            mistake.line = case.line;
            mistake.column = 1;
        }
        error
    }
}

/// The files of cases that lie beside a policy file: `cases.yaml`, then those of the folder `cases` by name.
///
/// # Errors
/// The folder cannot be read, or has too many files.
pub fn beside(policy: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    let mut files = Vec::new();
    let file = policy.with_file_name(FILE_NAME);
    if file.is_file() {
        files.push(file);
    }
    let folder = policy.with_file_name(FOLDER);
    if !folder.is_dir() {
        return Ok(files);
    }
    let unreadable = |error: std::io::Error| {
        PolicyError::unreadable("the folder of cases", &folder, &error.to_string())
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
        if found.len() > FOLDER_FILES_MAX {
            let reason = format!("it has more than {FOLDER_FILES_MAX} files");
            return Err(PolicyError::unreadable("the folder of cases", &folder, &reason));
        }
    }
    found.sort();
    files.extend(found);
    Ok(files)
}

/// One text alone, as a user's message or as an answer.
pub fn judge(engine: &Engine, stage: Stage, text: &str) -> Verdict {
    judge_as(engine, stage, None, text)
}

/// One text alone, written by `role` (of a prompt; answers are the assistant's).
pub fn judge_as(engine: &Engine, stage: Stage, role: Option<Role>, text: &str) -> Verdict {
    let (place, role) = match stage {
        Stage::Input => (Place::Input { index: 0 }, role.unwrap_or(Role::User)),
        Stage::Output => (Place::Choice { index: 0 }, Role::Assistant),
    };
    engine.judge(stage, &[Judged { place, role, text }])
}
