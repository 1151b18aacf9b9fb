//! Loading, reloading and watching policy files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use portcullis::policy::watch::watch;
use portcullis::policy::{Reload, Source, Store};

use super::sample::policy;

fn store(directory: &std::path::Path) -> Store {
    std::fs::write(directory.join("policy.yaml"), policy(&[], "")).unwrap();
    let sources = [
        (Store::DEFAULT.to_owned(), Source::File(directory.to_owned())),
        ("aup".to_owned(), Source::Shipped),
    ];
    Store::load(BTreeMap::from(sources)).unwrap()
}

#[test]
fn a_broken_file_keeps_the_policy_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    let store = store(directory.path());
    assert_eq!(store.files(), [file.as_path()]);
    assert_eq!(store.engine(None).unwrap().name(), "sample");
    assert_eq!(store.engine(Some("aup")).unwrap().name(), "llama2-aup");
    assert!(store.engine(Some("other")).is_none());

    let held = store.engine(None).unwrap();
    std::fs::write(&file, "policy: [").unwrap();
    let reloads = store.reload();
    assert!(
        matches!(&reloads[..], [(_, Reload::Unchanged), (name, Reload::Rejected(_))] if name == "default")
    );
    assert_eq!(store.engine(None).unwrap().digest(), held.digest());

    std::fs::write(&file, policy(&[], "").replace("refusal: No.", "refusal: Never.")).unwrap();
    let reloads = store.reload();
    let Some((_, Reload::Changed { before, engine })) = reloads.get(1) else {
        panic!("{reloads:?}")
    };
    assert_eq!(*before, held.digest());
    assert_eq!(store.engine(None).unwrap().digest(), engine.digest());
    assert_eq!(&*held.reply(None).text, "No.");

    std::fs::remove_file(&file).unwrap();
    assert!(matches!(store.reload()[1].1, Reload::Rejected(_)));
}

#[test]
fn loading_reports_the_problems_of_all_files() {
    let missing = Source::File("/nowhere/policy.yaml".into());
    let error = Store::load(BTreeMap::from([("a".to_owned(), missing)])).unwrap_err();
    assert_eq!(error.count, 2);
    assert!(
        error.report.contains("no default policy") && error.report.contains("/nowhere/policy.yaml")
    );
}

#[test]
fn a_replaced_file_is_reloaded_and_dropping_the_watch_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(store(directory.path()));
    let (tell, told) = sync_channel(8);
    let watching = watch(Arc::clone(&store), move |reloads| tell.send(reloads).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    // As editors and orchestrators do it: write aside, then rename.
    let aside = directory.path().join("policy.yaml.new");
    std::fs::write(&aside, policy(&[], "").replace("refusal: No.", "refusal: Never.")).unwrap();
    std::fs::rename(&aside, directory.path().join("policy.yaml")).unwrap();
    let reloads = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(
        reloads
            .iter()
            .any(|(name, reload)| name == "default" && matches!(reload, Reload::Changed { .. }))
    );
    assert_eq!(&*store.engine(None).unwrap().reply(None).text, "Never.");
    drop(watching);
    assert!(told.recv_timeout(Duration::from_secs(5)).is_err());
}

/// What a policy is written over and the lists that it names count like the
/// policy itself, also when they came with a reload.
#[test]
fn bases_and_lists_are_watched() {
    let directory = super::sample::folder(&[
        ("top/policy.yaml", "policy: top\nextends: ../base/policy.yaml\n"),
        ("base/policy.yaml", &policy(&[], "")),
        ("lists/a.txt", "alpha\n"),
    ]);
    let path = |name: &str| directory.path().join(name);
    let sources = [(Store::DEFAULT.to_owned(), Source::File(path("top")))];
    let store = Arc::new(Store::load(BTreeMap::from(sources)).unwrap());
    let files = store.files();
    assert_eq!(files.len(), 2);
    assert!(files[0].ends_with("top/policy.yaml") && files[1].ends_with("base/policy.yaml"));
    let (tell, told) = sync_channel(8);
    let watching = watch(Arc::clone(&store), move |reloads| tell.send(reloads).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut digests = vec![store.engine(None).unwrap().digest()];
    let mut change = |name: &str, text: &str| {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), text).unwrap();
        let reloads = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(&reloads[..], [(_, Reload::Changed { .. })]), "{name}: {reloads:?}");
        let digest = store.engine(None).unwrap().digest();
        assert!(!digests.contains(&digest));
        digests.push(digest);
    };
    let listed = "rules: [{ id: a, category: spam, phrases: [x], phrases_from: lists/a.txt }]\n";
    std::fs::create_dir_all(path("base/lists")).unwrap();
    std::fs::write(path("base/lists/a.txt"), "alpha\n").unwrap();
    change("base/policy.yaml", &policy(&[], listed));
    // In a folder that was not watched before.
    change("base/lists/a.txt", "beta\n");
    drop(watching);
    assert_eq!(store.files().len(), 3);
}
