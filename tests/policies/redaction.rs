//! Masks of personal data: what stands in their place, the same for whole texts
//! and streams; pseudonyms; and what the compiler says about the keys.

use std::sync::Arc;

use portcullis::domain::{Action, Category, Place, Role, Stage};
use portcullis::policy::cases::judge;
use portcullis::policy::{self, Engine, Judged};
use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{engine, policy, stream};

const REDACTS: &[(Category, &str, f32)] = &[(Category::Privacy, "redact", 0.5)];

fn with(rules: &str) -> Arc<Engine> {
    engine(REDACTS, rules)
}

fn redacted(engine: &Engine, text: &str) -> String {
    let verdict = judge(engine, Stage::Output, text);
    engine.redact(text, Place::Choice { index: 0 }, &verdict).into_owned()
}

#[test]
fn a_mask_says_what_it_hides_unless_the_rule_says_otherwise() {
    let text = "Ann <ann@example.com>, card 4111 1111 1111 1111, at 203.0.113.7";
    let engine = with("rules: [{ id: a, category: privacy, pii: all }]\n");
    assert_eq!(redacted(&engine, text), "Ann <[EMAIL]>, card [CARD], at [IP_ADDRESS]");
    let verdict = judge(&engine, Stage::Input, text);
    let kinds: Vec<_> = verdict.findings.iter().filter_map(|finding| finding.entity).collect();
    assert_eq!(
        kinds.iter().map(|kind| kind.slug()).collect::<Vec<_>>(),
        ["email", "card", "ip_address"]
    );

    let engine = with(
        "rules: [{ id: a, category: privacy, pii: [email, card], redact_as: '<X>', unless: ['ann@'] }]\n",
    );
    // An exception must enclose the whole match.
    assert_eq!(redacted(&engine, text), "Ann <<X>>, card <X>, at 203.0.113.7");
    let engine = with(
        "rules: [{ id: a, category: privacy, pii: [email], unless: ['@example\\.org', '[a-z]{1,20}@example\\.com'] }]\n",
    );
    assert_eq!(redacted(&engine, "ann@example.com bob@example.net"), "ann@example.com [EMAIL]");
}

#[test]
fn masks_that_touch_are_one() {
    let line = "QwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAsDfGhJkLzXcVbNm12";
    let body = vec![line; 25].join("\n");
    let text = format!(
        "see -----BEGIN RSA PRIVATE KEY-----\n{body}\nAb3=\n-----END RSA PRIVATE KEY----- ok"
    );
    let engine = with("rules: [{ id: a, category: privacy, pii: private_key }]\n");
    assert_eq!(redacted(&engine, &text), "see [PRIVATE_KEY] ok");
    let chars: Vec<String> = text.chars().map(String::from).collect();
    assert_eq!(stream(&engine, chars.iter().map(String::as_str)).text, "see [PRIVATE_KEY] ok");
}

#[test]
fn the_compiler_names_what_is_wrong() {
    let report =
        |rest: &str| policy::compile_text("p.yaml", &policy(REDACTS, rest)).unwrap_err().report;
    let unknown = report("rules: [{ id: a, category: privacy, pii: [emial, iban] }]\n");
    assert!(unknown.contains("did you mean `email`?"), "{unknown}");
    let one = report("rules: [{ id: a, category: privacy, pii: everything }]\n");
    assert!(one.contains("unknown kind of personal data `everything`"), "{one}");
    let none = report("rules: [{ id: a, category: privacy, pii: [] }]\n");
    assert!(none.contains("no kind of personal data is left"), "{none}");
    let style = report("redaction: { style: pseudonyms }\n");
    assert!(style.contains("did you mean `pseudonym`?"), "{style}");
    let mask = report("redaction: { restore: true }\n");
    assert!(mask.contains("a mask cannot be restored"), "{mask}");
}

#[test]
fn the_digest_covers_kinds_and_style() {
    let digest = |rest: &str| with(rest).digest();
    let email = digest("rules: [{ id: a, category: privacy, pii: [email] }]\n");
    assert_eq!(email, digest("rules: [{ id: a, category: privacy, pii: email }]\n"));
    assert_ne!(email, digest("rules: [{ id: a, category: privacy, pii: [email, iban] }]\n"));
    assert_ne!(
        email,
        digest(
            "redaction: { style: pseudonym }\nrules: [{ id: a, category: privacy, pii: email }]\n"
        )
    );
}

/// Names follow the order of the texts, not of the findings.
#[test]
fn pseudonyms_are_the_same_in_every_turn() {
    let engine = with(
        "redaction: { style: pseudonym, restore: true }\nrules: [{ id: a, category: privacy, pii: [email, phone] }, { id: b, category: privacy, phrases: [jane doe] }]\n",
    );
    let texts = [
        "I am ann@example.com, phone +1 415 867 5309",
        "Hello Jane Doe, ann@example.com",
        "and bob@example.net or (415) 867-5309?",
    ];
    let place = |index: usize| Place::Input { index: u32::try_from(index).unwrap() };
    let judged: Vec<Judged<'_>> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Judged { place: place(index), role: Role::User, text })
        .collect();
    let verdict = engine.judge(Stage::Input, &judged);
    assert_eq!(verdict.action, Action::Redact);
    let mut redaction = engine.redaction(&verdict, texts.into_iter());
    let written: Vec<String> =
        (0..3).map(|index| redaction.apply(place(index), texts[index]).into_owned()).collect();
    assert_eq!(
        written,
        [
            "I am [EMAIL_1], phone [PHONE_1]",
            "Hello [REDACTED], [EMAIL_1]",
            "and [EMAIL_2] or [PHONE_2]?"
        ]
    );
    assert!(!format!("{redaction:?}").contains("ann@example"), "{redaction:?}");
    assert!(redaction.into_originals().is_some());
}

/// Every character that a rule could still need costs a reader time.
#[test]
fn the_shipped_policy_holds_back_as_little_as_before() {
    let engine = Arc::new(policy::load(&policy::Source::Shipped).unwrap());
    let mut screen = engine.screen(0);
    let text = "Nothing in these words is of any interest to a rule. ".repeat(40);
    screen.push(&text);
    assert!(screen.held_chars() <= 256, "{}", screen.held_chars());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A stream is masked as the whole text is, with every kind at once.
    #[test]
    fn every_cut_is_masked_like_the_whole(
        parts in proptest::collection::vec(
            select(&[
                "ann@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+1 415 867 5309",
                "219-09-9999", "203.0.113.7", "call 0171-1234567", " and ", ", ", "\n", "\u{200b}", "x", "1 ",
                "born 12.03.1985", "AKIAIOSFODNN7EXAMPLE", "api_key: ", "Ａ@example.com", "12 Main Street", "é",
                "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6NDJ9.abcd",
            ][..]),
            0..14,
        ),
        size in 1usize..40,
    ) {
        static ENGINE: std::sync::OnceLock<Arc<Engine>> = std::sync::OnceLock::new();
        let engine = ENGINE.get_or_init(|| with("rules: [{ id: a, category: privacy, pii: all }]\n"));
        let text = parts.concat();
        let whole = redacted(engine, &text);
        let chars: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
        prop_assert_eq!(stream(engine, pieces.iter().map(String::as_str)).text, whole);
    }
}
