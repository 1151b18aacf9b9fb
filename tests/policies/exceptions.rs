//! Exceptions: what they cover, for how long, and that a stream agrees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use portcullis::domain::{Action, Category, Field, Place, Role, Stage};
use portcullis::policy::cases::judge;
use portcullis::policy::watch::watch;
use portcullis::policy::{Engine, Judged, Reload, Source, Store, compile_text_on};
use proptest::prelude::*;
use proptest::sample::select;
use time::macros::date;
use time::{Date, Month};

use super::sample::{folder, policy, stream};

const TODAY: Date = date!(2026 - 12 - 01);

const RULES: &str = r#"
rules:
  - { id: weapons/low, category: weapons, score: 0.3, phrases: [gunpowder] }
  - { id: weapons/high, category: weapons, phrases: [rifle] }
  - { id: drugs/name, category: drugs, phrases: [aspirin] }
  - { id: privacy/mail, category: privacy, redact_as: "[MAIL]", patterns: ['\b[a-z]{1,9}@[a-z]{1,9}\.org\b'] }
"#;

fn text(exceptions: &str) -> String {
    policy(&[(Category::Privacy, "redact", 0.5)], &format!("exceptions:\n{exceptions}{RULES}"))
}

fn one(scope: &str) -> String {
    format!("  - {{ id: ex/one, author: jo, reason: why, expires: 2027-01-31, {scope} }}\n")
}

fn engine(scope: &str) -> Arc<Engine> {
    let compiled = compile_text_on("x", &text(&one(scope)), TODAY);
    Arc::new(compiled.unwrap_or_else(|error| panic!("{error}")).engine)
}

#[test]
fn a_finding_under_an_exception_is_recorded_and_does_not_act() {
    let engine = engine("rules: [weapons/high]");
    let verdict = judge(&engine, Stage::Input, "my rifle");
    assert_eq!(verdict.action, Action::Flag);
    assert_eq!(verdict.findings[0].exception.as_deref(), Some("ex/one"));
    let told = serde_json::to_value(&verdict.findings[0]).unwrap();
    assert_eq!(told["exception"], "ex/one");
    // It adds nothing to what does act.
    let verdict = judge(&engine, Stage::Input, "gunpowder for my rifle");
    assert_eq!(verdict.action, Action::Flag);
    assert_eq!(verdict.categories[0].score, 0.3);
    assert!(verdict.findings[0].exception.is_none());
    assert_eq!(judge(&engine, Stage::Input, "aspirin").action, Action::Block);
    let listed = engine.exceptions();
    assert_eq!((listed.len(), &*listed[0].author, &*listed[0].reason), (1, "jo", "why"));
    assert_eq!(listed[0].expires, date!(2027 - 01 - 31));
}

#[test]
fn scopes_narrow_an_exception() {
    let acts = |scope: &str, stage, role, text: &str| {
        let place = match stage {
            Stage::Input => Place::Message { index: 0, field: Field::Content },
            Stage::Output => Place::Choice { index: 0 },
        };
        let verdict = engine(scope).judge(stage, &[Judged { place, role, text }]);
        verdict.action == Action::Block
    };
    let (input, output) = (Stage::Input, Stage::Output);
    let (user, tool, assistant) = (Role::User, Role::Tool, Role::Assistant);
    for (scope, stage, role, text, blocks) in [
        ("rules: [weapons/*]", input, user, "rifle", false),
        ("rules: [weapons/*]", output, assistant, "rifle", false),
        ("rules: [weapons/*]", input, user, "aspirin", true),
        ("categories: [drugs]", input, user, "aspirin", false),
        ("categories: [drugs]", input, user, "rifle", true),
        ("categories: [drugs], rules: [weapons/high]", input, user, "rifle aspirin", false),
        ("rules: [weapons/high], directions: [input]", output, assistant, "rifle", true),
        ("rules: [weapons/high], directions: [output]", output, assistant, "rifle", false),
        ("rules: [weapons/high], roles: [tool]", input, user, "rifle", true),
        ("rules: [weapons/high], roles: [tool]", input, tool, "rifle", false),
        // Roles are about prompts.
        ("rules: [weapons/high], roles: [tool]", output, assistant, "rifle", false),
        ("rules: [weapons/high], matching: ['toy rifle']", input, user, "a toy rifle", false),
        ("rules: [weapons/high], matching: ['toy rifle']", input, user, "a rifle", true),
        ("rules: [weapons/high], matching: ['rifle range']", input, user, "rifle range", false),
        // Each finding for itself.
        ("rules: [weapons/high], matching: ['toy rifle']", input, user, "toy rifle, rifle", true),
        ("rules: [weapons/high], matching: ['toy rifle']", input, user, "rifle, toy rifle", true),
    ] {
        assert_eq!(acts(scope, stage, role, text), blocks, "{scope}: {text}");
    }
}

#[test]
fn masks_leave_out_what_is_excepted() {
    let engine = engine("rules: [privacy/mail], matching: ['info@[a-z]{1,9}\\.org']");
    let text = "ann@home.org or info@home.org";
    let verdict = judge(&engine, Stage::Input, text);
    assert_eq!(verdict.action, Action::Redact);
    let masked = engine.redact(text, Place::Input { index: 0 }, &verdict);
    assert_eq!(masked, "[MAIL] or info@home.org");
    assert_eq!(stream(&engine, [text]).text, "[MAIL] or info@home.org");
}

#[test]
fn an_exception_runs_out_after_its_last_day() {
    let on = |day: Date| compile_text_on("x", &text(&one("rules: [weapons/high]")), day).unwrap();
    let last = on(date!(2027 - 01 - 31));
    assert_eq!((last.warnings_count, last.engine.exceptions().len()), (0, 1));
    let after = on(date!(2027 - 02 - 01));
    assert_eq!((after.warnings_count, after.engine.exceptions().len()), (1, 0));
    assert!(after.warnings.contains("this exception has run out"), "{}", after.warnings);
    assert!(after.warnings.contains("today is 2027-02-01"), "{}", after.warnings);
    assert_eq!(judge(&after.engine, Stage::Input, "rifle").action, Action::Block);
    // What is in force is part of the digest, and nothing else of the day is.
    assert_ne!(last.engine.digest(), after.engine.digest());
    assert_eq!(last.engine.digest(), on(TODAY).engine.digest());
    let without =
        compile_text_on("x", &policy(&[(Category::Privacy, "redact", 0.5)], RULES), TODAY);
    assert_eq!(without.unwrap().engine.digest(), after.engine.digest());
}

#[test]
fn what_an_exception_lacks_is_said() {
    let refused = |exceptions: &str| {
        let compiled = compile_text_on("x", &text(exceptions), TODAY);
        compiled.map(|compiled| compiled.engine.digest()).unwrap_err().report
    };
    let report = refused("  - { matching: ['rifle'] }\n");
    for key in ["id", "author", "reason", "expires", "rules"] {
        assert!(report.contains(&format!("`{key}` is missing")), "{report}");
    }
    for (from, to, said) in [
        ("2027-01-31", "2027-12-03", "an exception may hold for at most 366 days"),
        ("2027-01-31", "soon", "`soon` is not a day"),
        ("2027-01-31", "2027-02-30", "`2027-02-30` is not a day"),
        ("id: ex/one", "id: Ex", "`Ex` cannot be the id of an exception"),
        ("weapons/high", "weapons/hig", "did you mean `weapons/high`?"),
        ("reason: why", "reason: ''", "`reason` must have"),
        ("reason: why", "raison: why", "unknown key `raison`"),
        ("rules: [weapons/high]", "categories: [weapns]", "did you mean `weapons`?"),
        ("rules: [weapons/high]", "rules: [weapons/high], matching: ['a.*b']", "without a bound"),
        ("rules: [weapons/high]", "rules: [weapons/high], directions: [in]", "unknown direction"),
        (
            "rules: [weapons/high]",
            "rules: [weapons/high], directions: [output], roles: [user]",
            "`roles` means nothing for the output",
        ),
    ] {
        let report = refused(&one("rules: [weapons/high]").replace(from, to));
        assert!(report.contains(said), "{to}\n{report}");
    }
    let twice = format!("{}{}", one("rules: [weapons/high]"), one("rules: [weapons/low]"));
    assert!(refused(&twice).contains("two exceptions are called `ex/one`"));
    assert!(compile_text_on("x", &text(&one("rules: [builtin/control-marker]")), TODAY).is_ok());
}

proptest! {
    /// However an answer is cut, exceptions cover the same findings of it.
    #[test]
    fn a_stream_knows_the_same_exceptions_as_the_whole(
        words in prop::collection::vec(
            select(vec!["toy", "rifle", "range", "gunpowder", "info@a.org", "ann@a.org", "and", "é", "\u{200b}"]), 0..24),
        cuts in prop::collection::vec(1usize..9, 0..40),
    ) {
        let scope = one("rules: [weapons/*, privacy/mail], matching: ['(toy ){1,3}rifle( range)?', '(toy|and) gunpowder', 'info@[a-z]{1,9}\\.org( and){0,2}']");
        let compiled = compile_text_on("x", &text(&scope), TODAY).unwrap();
        let engine = Arc::new(compiled.engine);
        let answer = words.join(" ");
        let mut pieces = Vec::new();
        let mut rest = answer.as_str();
        for cut in cuts {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(cut));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let streamed = stream(&engine, pieces);
        prop_assert_eq!(&streamed, &stream(&engine, [answer.as_str()]));
        let whole = judge(&engine, Stage::Output, &answer);
        if streamed.stopped.is_none() {
            prop_assert_eq!(&streamed.verdict, &whole);
        }
        prop_assert_eq!(streamed.verdict.action, whole.action);
    }
}

static DAY: AtomicI32 = AtomicI32::new(1);

fn clock() -> Date {
    Date::from_calendar_date(2027, Month::January, 1).unwrap()
        + time::Duration::days(i64::from(DAY.load(Ordering::Relaxed)))
}

/// In one test, as there is one clock.
#[test]
fn the_watcher_ends_an_exception_even_of_a_policy_that_broke() {
    let folder = folder(&[("policy.yaml", &text(&one("rules: [weapons/high]")))]);
    let source = Source::File(folder.path().to_owned());
    let sources = BTreeMap::from([(Store::DEFAULT.to_owned(), source)]);
    let store = Store::load_by(sources.clone(), clock).unwrap();
    let blocks = |store: &Store| {
        judge(&store.engine(None).unwrap(), Stage::Input, "rifle").action == Action::Block
    };
    assert!(!blocks(&store));
    DAY.store(31, Ordering::Relaxed);
    assert!(matches!(&store.reload()[..], [(_, Reload::Changed { .. })]));
    assert!(blocks(&store));

    DAY.store(1, Ordering::Relaxed);
    let store = Arc::new(Store::load_by(sources, clock).unwrap());
    let before = store.engine(None).unwrap().digest();
    let (tell, told) = sync_channel(8);
    let watching = watch(Arc::clone(&store), move |reloads| tell.send(reloads).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!blocks(&store));
    DAY.store(31, Ordering::Relaxed);
    std::fs::write(folder.path().join("policy.yaml"), "policy: [").unwrap();
    let reloads = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(matches!(&reloads[..], [(_, Reload::Rejected(_)), (_, Reload::Changed { .. })]));
    assert!(blocks(&store));
    assert_ne!(store.engine(None).unwrap().digest(), before);
    drop(watching);
}
