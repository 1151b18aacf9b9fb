//! The schemas: committed as they are made, and right about policies and mistakes.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use portcullis::policy::schema;
use serde_json::Value;

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name)
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// `UPDATE_SCHEMAS=1` writes them anew.
#[test]
fn the_committed_schemas_are_those_of_the_program() {
    for (name, schema) in
        [("policy.schema.json", schema::policy()), ("cases.schema.json", schema::cases())]
    {
        let path = committed(name);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "policies/{name} is not what `portcullis policy schema` prints");
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}

#[test]
fn every_policy_and_its_cases_fit_the_schemas() {
    let (policy, cases) = (validator(&schema::policy()), validator(&schema::cases()));
    for folder in super::policies() {
        for (file, validator) in [("policy.yaml", &policy), ("cases.yaml", &cases)] {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            let wrong: Vec<String> =
                validator.iter_errors(&yaml(&text)).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}", folder.join(file).display());
            // So that editors find it.
            let kind = file.strip_suffix(".yaml").unwrap();
            let line = format!("# yaml-language-server: $schema=../{kind}.schema.json");
            assert!(text.starts_with(&line), "{} does not begin with {line}", folder.display());
        }
    }
}

#[test]
fn mistakes_do_not_fit_the_schema() {
    let validator = validator(&schema::policy());
    let good = "policy: a\nextends: shipped\ndetect_level: 2\ncategories: { spam: { input: { action: flag, threshold: 0.5 } } }\nrules: [{ id: a/b, category: spam, directions: [input], phrases: [x] }]\nexceptions: [{ id: e, author: a, reason: r, expires: 2027-01-31, rules: [a/b] }]\n";
    assert!(validator.is_valid(&yaml(good)));
    for (from, to) in [
        ("detect_level", "detect_levl"),
        ("detect_level: 2", "detect_level: 4"),
        ("detect_level: 2", "detect_level: two"),
        ("action: flag", "action: flog"),
        ("action: flag", "acton: flag"),
        ("threshold: 0.5", "threshold: 0"),
        ("threshold: 0.5", "threshold: 1.5"),
        ("{ spam:", "{ spem:"),
        ("[input]", "[inward]"),
        ("[input]", "input"),
        ("[x]", "x"),
        ("[x]", "[{ x: y }]"),
        ("id: a/b, ", ""),
        ("category: spam", "category: spem"),
        ("author: a, ", ""),
        ("2027-01-31", "soon"),
        ("extends: shipped\n", ""),
        ("policy: a\n", ""),
    ] {
        assert!(good.contains(from));
        assert!(!validator.is_valid(&yaml(&good.replacen(from, to, 1))), "{from} -> {to}");
    }
    let cases = self::validator(&schema::cases());
    let good = "cases: [{ category: spam, stage: input, must_match: [x] }]";
    assert!(cases.is_valid(&yaml(good)));
    for (from, to) in [("spam", "spem"), ("input", "in"), ("must_match", "match"), ("[x]", "x")] {
        assert!(!cases.is_valid(&yaml(&good.replacen(from, to, 1))), "{from} -> {to}");
    }
}
