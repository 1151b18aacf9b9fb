//! The shape of the source tree, enforced: who may import whom, how long a
//! file may be, that every file says what it is for, and where proofs are made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic, in its helpers as well"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of production code in one file.
const FILE_LINES_MAX: usize = 400;
/// The median file may have this many.
const MEDIAN_LINES_MAX: usize = 180;

/// Files of pure data or numeric kernels that may be longer, by name.
const LONG_FILES: &[&str] = &[];

/// Module, then the modules of this crate that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("text", &["domain"]),
    ("model", &["domain"]),
    ("admission", &["domain"]),
    ("audit", &["domain"]),
    ("telemetry", &["domain"]),
    ("inference", &["domain", "model", "telemetry"]),
    ("detect", &["domain", "text", "model"]),
    ("policy", &["domain", "text", "detect"]),
    ("pipeline", &["domain", "text", "admission", "policy", "inference", "audit", "telemetry"]),
    ("api", &["domain", "admission", "policy", "audit", "inference", "pipeline", "telemetry"]),
    (
        "config",
        &[
            "domain",
            "admission",
            "audit",
            "model",
            "telemetry",
            "inference",
            "policy",
            "pipeline",
            "api",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "admission",
            "audit",
            "model",
            "telemetry",
            "inference",
            "policy",
            "pipeline",
            "api",
            "config",
        ],
    ),
    (
        "cli",
        &["domain", "text", "admission", "audit", "model", "policy", "telemetry", "config", "app"],
    ),
];

/// A crate, and the only modules that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("candle_core", &["model"]),
    ("candle_nn", &["model"]),
    ("candle_transformers", &["model"]),
    ("tokenizers", &["model"]),
    ("regex", &["detect", "policy", "text"]),
    ("aho_corasick", &["detect", "text"]),
    ("actix_web", &["api", "app"]),
    ("reqwest", &["inference", "config", "cli"]),
    ("prometheus", &["telemetry"]),
    ("clap", &["cli", "config", "main"]),
    ("serde_saphyr", &["policy", "config"]),
    ("governor", &["admission"]),
];

struct Source {
    path: PathBuf,
    /// The top module that the file belongs to.
    module: String,
    text: String,
    /// Without comments and without its test module.
    production: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_path_buf();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let production = production(&text);
            Source { path: relative, module, text, production }
        })
        .collect()
}

/// The lines up to the test module, without comments.
fn production(text: &str) -> Vec<String> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(str::to_owned)
        .collect()
}

/// The modules that a file names as `crate::module`, with grouped imports.
fn used_modules(source: &Source) -> BTreeSet<String> {
    let code = source.production.join("\n");
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let names = group.split('}').next().unwrap();
            used.extend(names.split(',').map(|name| first_name(name.trim())));
        } else {
            used.insert(first_name(rest));
        }
    }
    used.remove("");
    used
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn modules_import_only_what_their_layer_allows() {
    let mut problems = Vec::new();
    for source in sources() {
        if ["lib", "main"].contains(&source.module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(module, _)| *module == source.module) else {
            problems.push(format!("{}: module without a layer", source.path.display()));
            continue;
        };
        for used in used_modules(&source) {
            if used != source.module && !allowed.contains(&used.as_str()) {
                problems.push(format!("{} uses crate::{used}", source.path.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn crates_stay_in_the_modules_that_own_them() {
    let mut problems = Vec::new();
    for source in sources() {
        for (name, owners) in CRATES {
            let named = source.production.iter().any(|line| {
                let mut words = line.match_indices(name);
                words.any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = &line[at + name.len()..];
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                        && after.starts_with("::")
                })
            });
            if named && !owners.contains(&source.module.as_str()) {
                problems.push(format!("{} names the crate `{name}`", source.path.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut problems = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            problems.push(format!("{}: no module doc on the first line", source.path.display()));
        }
        if source.path.file_name().is_some_and(|name| name == "mod.rs") {
            problems.push(format!("{}: use `name.rs` beside `name/`", source.path.display()));
        }
    }
    report(&problems);
}

#[test]
fn files_keep_to_their_budget() {
    let mut problems = Vec::new();
    let mut lengths = Vec::new();
    for source in sources() {
        let lines = source.production.iter().filter(|line| !line.trim().is_empty()).count();
        lengths.push(lines);
        let name = source.path.to_str().unwrap();
        if lines > FILE_LINES_MAX && !LONG_FILES.contains(&name) {
            problems.push(format!("{name}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    if median > MEDIAN_LINES_MAX {
        problems.push(format!("the median file has {median} lines, at most {MEDIAN_LINES_MAX}"));
    }
    report(&problems);
}

#[test]
fn only_the_input_stage_grants_a_permit() {
    let mut problems = Vec::new();
    for source in sources() {
        let name = source.path.to_str().unwrap();
        let grants = source.production.iter().any(|line| line.contains("Permitted::grant"));
        if grants && name != "pipeline/input.rs" {
            problems.push(format!("{name} grants a permit"));
        }
    }
    report(&problems);
}
