//! Parts of patterns that have a name.

use portcullis::domain::{Action, Stage};
use portcullis::policy::cases::judge;
use portcullis::policy::compile_text;

use super::sample::{check, policy, refused};

fn with(fragments: &str, pattern: &str) -> String {
    policy(
        &[],
        &format!(
            "fragments: {fragments}\nrules: [{{ id: a, category: spam, patterns: ['{pattern}'] }}]\n"
        ),
    )
}

#[test]
fn a_fragment_stands_for_its_text_as_a_group() {
    let text = with(
        "{ ask: 'how do i|how to', gap: '[a-z ]{0,9}', both: '{{ask}}{{gap}}' }",
        "^{{both}} spam$",
    );
    let engine = compile_text("x", &text).unwrap_or_else(|error| panic!("{error}")).engine;
    for (text, action) in [
        ("how to send spam", Action::Block),
        ("how do I spam", Action::Block),
        ("so how to send spam", Action::Allow),
        ("how do i", Action::Allow),
    ] {
        assert_eq!(judge(&engine, Stage::Input, text).action, action, "{text}");
    }
    let written_out = with("{}", "^(?:(?:how do i|how to)(?:[a-z ]{0,9})) spam$");
    assert_eq!(engine.digest(), compile_text("x", &written_out).unwrap().engine.digest());
}

#[test]
fn mistakes_in_fragments_are_shown() {
    for (fragments, pattern, said) in [
        ("{ request: 'how' }", "{{requset}} x", "no fragment is called `requset`"),
        ("{ request: 'how' }", "{{requset}} x", "did you mean `request`?"),
        ("{}", "{{ask}} x", "define it"),
        ("{ a: '{{b}}', b: 'x{{a}}' }", "{{a}}", "the ring is a -> b -> a"),
        ("{ a: '(x' }", "{{a}}", "in the fragment `a`"),
        ("{ A!: 'x' }", "x{3}", "cannot be the name of a fragment"),
        ("{ a: '{{b}}' }", "{{a}}", "no fragment is called `b`"),
    ] {
        let error = compile_text("x", &with(fragments, pattern)).unwrap_err();
        assert!(error.report.contains(said), "{}", error.report);
    }
    let compiled = compile_text("x", &with("{ a: 'x', b: 'y' }", "{{a}}y")).unwrap();
    assert!(compiled.warnings_count == 1, "{}", compiled.warnings);
    assert!(compiled.warnings.contains("the fragment `b` is never used"));
}

#[test]
fn an_error_after_a_fragment_points_into_the_pattern() {
    let error = compile_text("x", &with("{ ask: 'how do i' }", "{{ask}} (broken")).unwrap_err();
    let line = error.report.lines().find(|line| line.contains('┬')).unwrap();
    let shown = error.report.lines().find(|line| line.contains("(broken")).unwrap();
    let caret = line.chars().position(|c| c == '┬').unwrap();
    assert_eq!(shown.chars().nth(caret), Some('('), "{}", error.report);
}

/// Fragments that contain fragments grow fast.
#[test]
fn fragments_cannot_blow_up() {
    let mut fragments = String::from("{ f0: 'abcdefgh', ");
    for n in 1..30 {
        fragments.push_str(&format!("f{n}: '{{{{f{}}}}}{{{{f{}}}}}', ", n - 1, n - 1));
    }
    fragments.push('}');
    let error = compile_text("x", &with(&fragments, "{{f29}}")).unwrap_err();
    assert!(error.report.contains("with its fragments the pattern has over"), "{}", error.report);
}

#[test]
fn names_belong_to_their_file() {
    let base = with("{ what: 'red' }", "a {{what}} thing");
    let top = "policy: top\nextends: base.yaml\nfragments: { what: 'blue' }\n\
               rules: [{ id: b, category: spam, patterns: ['the {{what}} thing'] }]\n";
    let engine = check(&[("top.yaml", top), ("base.yaml", &base)]).unwrap().engine;
    for (text, action) in [
        ("a red thing", Action::Block),
        ("a blue thing", Action::Allow),
        ("the blue thing", Action::Block),
    ] {
        assert_eq!(judge(&engine, Stage::Input, text).action, action, "{text}");
    }
    // Those of the base can be used above it.
    let top = "policy: top\nextends: base.yaml\n\
               rules: [{ id: b, category: spam, patterns: ['the {{what}} thing'] }]\n";
    let engine = check(&[("top.yaml", top), ("base.yaml", &base)]).unwrap().engine;
    assert_eq!(judge(&engine, Stage::Input, "the red thing").action, Action::Block);
    let error = refused(&[("top.yaml", &top.replace("{{what}}", "{{who}}")), ("base.yaml", &base)]);
    assert!(error.report.contains("no fragment is called `who`"), "{}", error.report);
}
