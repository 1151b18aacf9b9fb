//! A small policy to try things on, and a way to stream through it.

use std::fmt::Write;
use std::sync::Arc;

use portcullis::domain::{Action, Category, Severity, Verdict};
use portcullis::policy::{self, Engine};

/// Every category blocks from 0.5, except those given.
pub fn policy(decisions: &[(Category, &str, f32)], rest: &str) -> String {
    let mut text = String::from(
        "policy: sample\nversion: \"1\"\nrefusal: No.\ndisclosure: { header: An AI answers }\ndetect_level: 2\nblock_level: 1\n",
    );
    if !rest.contains("unjudged:") {
        text.push_str("unjudged: block\n");
    }
    text.push_str("categories:\n");
    for category in Category::ALL {
        let severity = match category.severity() {
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        };
        let (action, threshold) = decisions
            .iter()
            .find(|(decided, ..)| decided == category)
            .map_or(("block", 0.5), |(_, action, threshold)| (*action, *threshold));
        let decision = format!("{{ action: {action}, threshold: {threshold} }}");
        writeln!(
            text,
            "  {category}: {{ severity: {severity}, input: {decision}, output: {decision}, store_text: {} }}",
            *category == Category::Weapons
        )
        .unwrap();
    }
    text + rest
}

pub fn engine(decisions: &[(Category, &str, f32)], rest: &str) -> Arc<Engine> {
    let text = policy(decisions, rest);
    let compiled =
        policy::compile_text("sample.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(compiled.engine)
}

/// What came out of a screen: text, the action that ended it, the verdict.
#[derive(Debug, PartialEq)]
pub struct Streamed {
    pub text: String,
    pub stopped: Option<Action>,
    pub verdict: Verdict,
    pub stored: Vec<String>,
}

pub fn stream<'p>(engine: &Arc<Engine>, pieces: impl IntoIterator<Item = &'p str>) -> Streamed {
    let mut screen = engine.screen(0);
    let mut text = String::new();
    let mut stopped = None;
    let mut sent = 0;
    let mut answer = String::new();
    for piece in pieces.into_iter().map(Some).chain([None]) {
        let step = match piece {
            Some(piece) => {
                answer.push_str(piece);
                screen.push(piece)
            }
            None => screen.finish(),
        };
        for segment in step.released {
            // Segments cover the answer without gap or overlap, and say what they are.
            assert_eq!(segment.source.start, sent);
            sent = segment.source.end;
            if !segment.masked {
                assert_eq!(segment.text, answer[segment.source.clone()]);
            }
            text.push_str(&segment.text);
        }
        if step.stopped.is_some() {
            assert!(stopped.is_none());
            stopped = step.stopped;
        }
    }
    assert!(stopped.is_some() || sent == answer.len());
    let stored = screen.stored();
    Streamed { text, stopped, verdict: screen.verdict(), stored }
}

/// A folder with these files, which goes when the value does.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Compiles `top.yaml` of a folder.
pub fn check(files: &[(&str, &str)]) -> Result<policy::Compiled, policy::PolicyError> {
    let folder = folder(files);
    policy::check(&policy::Source::File(folder.path().join("top.yaml")))
}

/// The problems of `top.yaml`, without the folder's random name.
pub fn refused(files: &[(&str, &str)]) -> policy::PolicyError {
    let folder = folder(files);
    let source = policy::Source::File(folder.path().join("top.yaml"));
    let mut error = policy::check(&source).map(|compiled| compiled.engine.digest()).unwrap_err();
    error.report = error.report.replace(&format!("{}/", folder.path().display()), "");
    error
}
