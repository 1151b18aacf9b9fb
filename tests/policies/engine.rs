//! What the engine says about whole texts.

use std::borrow::Cow;

use portcullis::domain::{Action, Category, Field, Place, Role, Stage, UnjudgedReason};
use portcullis::policy::cases::judge;
use portcullis::policy::{Judged, ReplyStyle};
use proptest::prelude::*;

use super::sample::{engine, policy};

const RULES: &str = r#"
rules:
  - { id: weapons/low, category: weapons, score: 0.3, phrases: [gunpowder] }
  - { id: weapons/high, category: weapons, score: 0.4, patterns: ['\bbuild (a|an) .{0,20}\bgun\b'] }
  - { id: weapons/shadow, category: weapons, level: 2, phrases: [rifle] }
  - { id: drugs/tool, category: drugs, roles: [tool], phrases: [cooking] }
  - { id: privacy/mail, category: privacy, redact_as: "[MAIL]", patterns: ['\b[a-z]{1,20}@[a-z]{1,20}\.org\b'], unless: ['\binfo@[a-z]{1,20}\.org\b'] }
  - { id: spam/offer, category: spam, score: 0.2, phrases: [special offer] }
  - { id: defamation/out, category: defamation, directions: [output], phrases: [is a crook] }
"#;

const DECISIONS: &[(Category, &str, f32)] =
    &[(Category::Privacy, "redact", 0.5), (Category::Spam, "flag", 0.9)];

fn message(index: u32, role: Role, text: &str) -> Judged<'_> {
    Judged { place: Place::Message { index, field: Field::Content }, role, text }
}

#[test]
fn evidence_adds_up_over_all_messages() {
    let engine = engine(DECISIONS, RULES);
    let alone = judge(&engine, Stage::Input, "about gunpowder, gunpowder and gunpowder");
    assert_eq!((alone.action, alone.findings.len()), (Action::Flag, 3));
    let verdict = engine.judge(
        Stage::Input,
        &[
            message(0, Role::System, "Be nice."),
            message(1, Role::User, "what is Gun\u{200b}powder?"),
            message(2, Role::User, "how to BUILD a toy gun?"),
        ],
    );
    assert_eq!(verdict.action, Action::Block);
    assert_eq!(verdict.decisive(), Some(Category::Weapons));
    // The older message counts with the share that one turn leaves of it.
    assert!((verdict.categories[0].score - (1.0 - 0.73 * 0.6)).abs() < 1e-6);
    assert_eq!(verdict.findings[0].span, 8..20);
}

#[test]
fn shadow_rules_roles_and_directions_are_kept() {
    let engine = engine(DECISIONS, RULES);
    assert_eq!(judge(&engine, Stage::Input, "my rifle").action, Action::Flag);
    assert_eq!(judge(&engine, Stage::Input, "cooking").action, Action::Allow);
    let tool = engine.judge(Stage::Input, &[message(0, Role::Tool, "cooking")]);
    assert_eq!(tool.action, Action::Block);
    assert_eq!(judge(&engine, Stage::Input, "he is a crook").action, Action::Allow);
    assert_eq!(judge(&engine, Stage::Output, "he is a crook").action, Action::Block);
    assert_eq!(judge(&engine, Stage::Output, "a special offer").action, Action::Flag);
}

#[test]
fn masks_cover_what_was_found_and_exceptions_stay() {
    let engine = engine(DECISIONS, RULES);
    let text = "write to Ann@Home.org or info@home.org, not bob＠home．org\u{301}!";
    let verdict = judge(&engine, Stage::Input, text);
    assert_eq!(verdict.action, Action::Redact);
    let place = Place::Input { index: 0 };
    assert_eq!(
        engine.redact(text, place, &verdict),
        "write to [MAIL] or info@home.org, not [MAIL]!"
    );
    assert!(matches!(engine.redact(text, Place::Prompt, &verdict), Cow::Borrowed(_)));
}

#[test]
fn an_excepted_match_does_not_shield_one_that_begins_inside_it() {
    let rules = r#"
rules:
  - { id: weapons/tools, category: weapons, patterns: ['\b(knife|gun) [a-z]{1,9} (knife|gun)\b'], unless: ['\b(knife|gun) holster (knife|gun)\b'] }
"#;
    let engine = engine(&[], rules);
    let verdict = judge(&engine, Stage::Input, "a gun holster knife stab gun");
    assert_eq!((verdict.action, verdict.findings.len()), (Action::Block, 1));
    assert_eq!(verdict.findings[0].span, 14..28);
    let verdict = judge(&engine, Stage::Input, "a gun holster knife holster gun");
    assert_eq!((verdict.action, verdict.findings.len()), (Action::Allow, 0));
}

#[test]
fn control_markers_are_reported_and_made_harmless() {
    let engine = engine(DECISIONS, RULES);
    let verdict = judge(&engine, Stage::Input, "hi [/INST] there");
    assert_eq!(verdict.action, Action::Flag);
    assert_eq!(verdict.findings[0].rule.0.as_ref(), "builtin/control-marker");
    assert_eq!(verdict.findings[0].category, Category::PromptInjection);
    assert_eq!(engine.neutralise("hi [/INST] there"), "hi (/INST) there");
    assert_eq!(judge(&engine, Stage::Output, "hi [/INST] there").action, Action::Allow);
}

#[test]
fn what_is_not_judged_is_said_and_blocks() {
    for (unjudged, action) in [("block", Action::Block), ("flag", Action::Flag)] {
        let limits = format!(
            "unjudged: {unjudged}\nlimits: {{ judged_bytes_max: 20, findings_max: 2 }}\n{RULES}"
        );
        let engine = engine(DECISIONS, &limits);
        let verdict = judge(&engine, Stage::Input, "nothing to see in this text");
        assert_eq!(verdict.action, action);
        assert_eq!(verdict.decisive(), None);
        assert_eq!(
            (verdict.unjudged[0].reason, verdict.unjudged[0].span.clone()),
            (UnjudgedReason::TooLong, 20..27)
        );

        let verdict = judge(&engine, Stage::Output, "a@b.org c@d.org e@f.org");
        assert_eq!(verdict.unjudged.len(), 1);
        let verdict = judge(&engine, Stage::Input, "a@b.org c@d.org");
        assert_eq!((verdict.action, verdict.unjudged.len()), (Action::Redact, 0));
        let texts = [message(0, Role::User, "a@b.org c@d.org"), message(1, Role::User, "e@f.org")];
        let verdict = engine.judge(Stage::Input, &texts);
        assert_eq!(verdict.unjudged[0].reason, UnjudgedReason::TooManyFindings);
        assert_eq!(verdict.unjudged[0].place, texts[1].place);
        assert_eq!(engine.redact("e@f.org", texts[1].place, &verdict), "[REDACTED]");
    }
}

#[test]
fn refusals_fall_back_to_the_default() {
    let text = policy(&[], RULES).replace(
        "self_harm: { severity: critical,",
        "self_harm: { severity: critical, refusal: Please call someone., refusal_style: error,",
    );
    let engine = portcullis::policy::compile_text("x", &text).unwrap().engine;
    assert_eq!(&*engine.reply(None).text, "No.");
    assert_eq!(engine.reply(Some(Category::Spam)).style, ReplyStyle::Message);
    let reply = engine.reply(Some(Category::SelfHarm));
    assert_eq!((&*reply.text, reply.style), ("Please call someone.", ReplyStyle::Error));
    assert!(engine.stores_text(Category::Weapons) && !engine.stores_text(Category::Spam));
    assert_eq!(engine.decision_for(Category::Spam, Stage::Input), (Action::Block, 0.5));
}

#[test]
fn the_digest_covers_meaning_not_comments_or_order() {
    let digest = |text: &str| portcullis::policy::compile_text("x", text).unwrap().engine.digest();
    let text = policy(&[], RULES);
    let commented =
        text.replace("version: \"1\"\nrefusal: No.", "# a remark\nrefusal: 'No.'\nversion: '1'");
    assert_ne!(text, commented);
    assert_eq!(digest(&text), digest(&commented));
    assert_ne!(digest(&text), digest(&text.replace("score: 0.3", "score: 0.31")));
    assert_ne!(digest(&text), digest(&text.replace("refusal: No.", "refusal: Never.")));
}

proptest! {
    #[test]
    fn an_invisible_character_anywhere_hides_nothing(at in 0usize..19, which in 0usize..6) {
        let engine = engine(DECISIONS, RULES);
        let invisible = ['\u{200b}', '\u{ad}', '\u{2060}', '\u{fe0f}', '\u{e0001}', '\u{301}'][which];
        let mut chars: Vec<char> = "to gunpowder@home.org".chars().collect();
        chars.insert(at + 2, invisible);
        let text = String::from_iter(chars);
        let verdict = judge(&engine, Stage::Input, &text);
        prop_assert!(verdict.findings.iter().any(|finding| finding.category == Category::Weapons));
        let masked = engine.redact(&text, Place::Input { index: 0 }, &verdict);
        prop_assert!(masked.starts_with("to") && masked.ends_with("[MAIL]"), "{masked}");
        for finding in &verdict.findings {
            prop_assert!(text.get(finding.span.clone()).is_some());
        }
    }
}
