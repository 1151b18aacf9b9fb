//! Every policy of the repository compiles, and every case it carries holds.

use std::path::{Path, PathBuf};

use portcullis::policy::cases::{self, Cases};
use portcullis::policy::{self, Source};

fn policies() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("policy.yaml").is_file())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_policy_compiles_without_a_warning() {
    for path in policies() {
        let compiled =
            policy::check(&Source::File(path.clone())).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.warnings, "", "{}", path.display());
    }
}

#[test]
fn every_case_holds() {
    for path in policies() {
        let engine = policy::load(&Source::File(path.clone())).unwrap();
        let outcome = Cases::load(&path.join(cases::FILE_NAME)).unwrap().run(&engine);
        assert!(outcome.matched > 0 && outcome.passed > 0);
        assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
    }
}
