//! The commands around a policy, as a person or a build server calls them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use portcullis::audit::record::LoadedPolicy;
use portcullis::audit::{self, DecisionRecord, Entry, Held, LeftOut, Timings};
use portcullis::domain::{Category, DecisionId, Endpoint, Outcome, Stage};
use portcullis::policy::cases::{Cases, judge};
use portcullis::policy::explain::{PartKind, explain};
use portcullis::policy::{self, Source};
use serde_json::Value;
use tempfile::TempDir;

use super::sample;

/// Runs `portcullis policy …`: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    run_on(arguments, "")
}

fn run_on(arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("policy")
        .args(arguments)
        .write_stdin(input)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = run(arguments);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

const RULES: &str = r#"
rules:
  - id: weapons/low
    category: weapons
    score: 0.4
    phrases: [gunpowder, black powder]
    unless: ['\bgunpowder tea\b']
    cases: { must_match: ["some gunpowder"], must_pass: ["gunpowder tea"] }
  - { id: weapons/build, category: weapons, score: 0.5, patterns: ['\bbuild a .{0,20}\bgun\b'] }
  - { id: weapons/shadow, category: weapons, level: 2, score: 0.9, phrases: [rifle] }
  - { id: spam/idle, category: spam, level: 3, phrases: [offer], cases: { must_match: [an offer] } }
  - { id: drugs/tool, category: drugs, roles: [tool], phrases: [cooking] }
"#;

const CASES: &str = r#"cases:
  - category: weapons
    stage: input
    action: block
    must_match:
      - { text: Build a big gun, rules: [weapons/build], span: Build a big gun, views: [canonical] }
      - messages:
          - { role: system, text: Be brief. }
          - { role: user, text: Hello. }
          - { role: assistant, text: Hello! }
          - { role: user, text: build a gun }
        span: { start: 0, end: 11 }
        rule: weapons/build
    must_pass:
      - gunpowder alone
      - { text: a rifle, rules: [weapons/low] }
  - category: drugs
    stage: input
    role: tool
    must_match: [cooking]
"#;

/// A policy of its own folder, with cases.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(rules: &str, cases: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.yaml"), sample::policy(&[], rules)).unwrap();
        if !cases.is_empty() {
            fs::write(folder.path().join("cases.yaml"), cases).unwrap();
        }
        Self { folder }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn every_command_says_what_its_exit_codes_mean() {
    for command in ["check", "test", "explain", "diff", "replay", "coverage"] {
        let (code, help, _) = run(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Exit codes: 0 "), "{command}: {help}");
        assert!(help.contains("--json"), "{command}");
    }
    assert_eq!(run(&["check", "--no-such-flag"]).0, 2);
    assert_eq!(run(&["diff", "shipped"]).0, 2);
    assert_eq!(run(&["replay", "shipped"]).0, 2);
}

#[test]
fn check_takes_several_policies_and_tells_every_mistake() {
    let good = Folder::new(RULES, "");
    let bad = Folder::new(
        "\nrules:\n  - { id: a, category: weapon, phrasess: [x], patterns: ['('] }\n",
        "",
    );
    let (code, told) = json(&["check", "shipped", good.path(), "--json"]);
    assert_eq!((code, &told["ok"]), (0, &Value::Bool(true)));
    let policies = told["policies"].as_array().unwrap();
    assert_eq!(policies[0]["policy"], "llama2-aup");
    assert_eq!(policies[1]["rules"]["total"], 5);
    assert_eq!(policies[1]["rules"]["acting"], 3);
    assert_eq!(policies[1]["rules"]["idle"], 1);
    assert_eq!(policies[1]["categories"]["weapons"]["levels"]["2"], 1);
    assert_eq!(policies[1]["rule_cases"], 3);

    let (code, told) = json(&["check", good.path(), bad.path(), "--json"]);
    assert_eq!((code, &told["ok"]), (1, &Value::Bool(false)));
    let problems = told["policies"][1]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    let unknown = problems.iter().find(|one| one["code"] == "policy::unknown_key").unwrap();
    let text = fs::read_to_string(bad.folder.path().join("policy.yaml")).unwrap();
    let line = text.lines().position(|line| line.contains("phrasess")).unwrap() + 1;
    let column = text.lines().nth(line - 1).unwrap().find("phrasess").unwrap() + 1;
    assert_eq!(unknown["line"], line);
    assert_eq!(unknown["column"], column);
    assert_eq!(unknown["help"], "did you mean `phrases`?");
    assert!(unknown["file"].as_str().unwrap().ends_with("policy.yaml"));

    let (code, out, _) = run(&["check", bad.path()]);
    assert_eq!(code, 1);
    assert!(out.contains("3 errors") && out.contains("did you mean `weapons`?"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colour outside a terminal");
    let (code, told) = json(&["check", "/no/such/policy.yaml", "--json"]);
    assert_eq!(code, 2);
    assert_eq!(told["policies"][0]["problems"][0]["code"], "policy::unreadable");
}

#[test]
fn a_file_that_is_no_yaml_is_told_with_its_line() {
    let folder = Folder::new(RULES, "");
    let file = folder.write("broken.yaml", "policy: a\nversion: [\n");
    let (code, told) = json(&["check", &file, "--json"]);
    assert_eq!(code, 1);
    let problem = &told["policies"][0]["problems"][0];
    assert_eq!(problem["code"], "policy::malformed");
    assert!(problem["line"].as_u64().unwrap() >= 2, "{problem}");
}

#[test]
fn cases_stand_beside_the_policy_in_its_rules_and_where_one_says() {
    let folder = Folder::new(RULES, CASES);
    folder.write(
        "cases/more.yaml",
        "cases: [{ category: weapons, stage: output, must_match: [build a gun] }]",
    );
    let extra = folder.write(
        "elsewhere.yaml",
        "cases: [{ category: weapons, stage: input, must_pass: [a water pistol] }]",
    );
    let (code, told) = json(&["test", folder.path(), "--cases", &extra, "--json"]);
    assert_eq!(code, 0, "{told:#}");
    // Beside: 3 and 2; in the folder: 1; elsewhere: 1 that must pass; in the rules: 1 and 1, and 1 that does not run.
    assert_eq!(
        (&told["matched"], &told["passed"], &told["skipped"]),
        (&5.into(), &4.into(), &1.into())
    );
    assert_eq!(told["files"].as_array().unwrap().len(), 3);
    assert_eq!(told["categories"]["spam"]["skipped"], 1);
    let (_, told) = json(&["test", folder.path(), "--json", "--filter", "GUNPOWDER"]);
    assert_eq!((&told["matched"], &told["passed"]), (&1.into(), &2.into()));
    let (code, _, err) = run(&["test", folder.path(), "--filter", "no such thing"]);
    assert_eq!(code, 2);
    assert!(err.contains("no case has `no such thing`"), "{err}");
}

#[test]
fn a_case_that_fails_says_where_it_stands_and_what_was_expected() {
    let cases = [
        ("must_match: [{ text: build a gun, rule: weapons/low }]", "`weapons/low` matches"),
        ("must_match: [{ text: build a gun, span: a gun }]", "`a gun` is what is matched"),
        (
            "must_match: [{ text: build a gun, span: { start: 1, end: 2 } }]",
            "bytes 1..2 is what is matched",
        ),
        (
            "must_match: [{ text: build a gun, views: [base64, hex] }]",
            "it is found in the view base64 or hex",
        ),
        (
            "must_match: [{ text: build a gun, action: replace }]",
            "`weapons` leads to `replace`, not `block`",
        ),
        ("must_match: [gunpowder]", "`weapons` acts"),
        ("must_pass: [build a gun]", "passes"),
        ("must_pass: [{ text: a rifle, rule: weapons/shadow }]", "`weapons/shadow` does not match"),
    ];
    for (case, expected) in cases {
        let folder =
            Folder::new(RULES, &format!("cases:\n- category: weapons\n  stage: input\n  {case}\n"));
        let (code, told) = json(&["test", folder.path(), "--json"]);
        assert_eq!(code, 1, "{case}");
        assert_eq!(told["failures"].as_array().unwrap().len(), 1, "{case}: {told:#}");
        assert_eq!(told["failures"][0]["expected"], expected, "{case}");
        assert_eq!(told["failures"][0]["line"], 4, "{case}");
        let (_, out, _) = run(&["test", folder.path()]);
        assert!(out.contains("cases.yaml:4 weapons input"), "{out}");
    }
    let wrong = RULES.replace("must_pass: [\"gunpowder tea\"]", "must_pass: [\"black powder\"]");
    let folder = Folder::new(&wrong, "");
    let (code, told) = json(&["test", folder.path(), "--json"]);
    assert_eq!(code, 1);
    assert_eq!(told["failures"][0]["expected"], "`weapons/low` does not match");
    let text = fs::read_to_string(folder.folder.path().join("policy.yaml")).unwrap();
    let line = text.lines().position(|line| line.contains("must_pass")).unwrap() + 1;
    assert_eq!(told["failures"][0]["line"], line);
}

#[test]
fn a_broken_file_of_cases_is_named_with_its_line() {
    let group = "cases:\n- category: weapons\n  stage: input\n";
    for (rest, what) in [
        ("  must_mach: [a]\n", "must_mach"),
        ("  must_match:\n    - { words: a }\n", "words"),
        ("  must_match:\n    - 42\n", "in quotes"),
        ("  must_match:\n    - { text: a, messages: [{ role: user, text: b }] }\n", "not both"),
        (
            "  must_match:\n    - messages: [{ role: user, text: a }, { role: user, text: b }]\n",
            "one message",
        ),
        (
            "  must_match:\n    - messages: [{ role: user, text: a }, { role: system, text: b }]\n",
            "in front",
        ),
        ("  must_pass:\n    - { text: a, span: a }\n", "must pass"),
    ] {
        let folder = Folder::new(RULES, &format!("{group}{rest}"));
        let (code, out, _) = run(&["test", folder.path()]);
        assert_eq!(code, 1, "{rest}");
        assert!(out.contains("cases.yaml") && out.contains(what), "{rest}: {out}");
        assert!(!out.contains("<input>"), "{out}");
        let (_, told) = json(&["test", folder.path(), "--json"]);
        assert!(told["problems"][0]["line"].as_u64().unwrap() >= 4, "{rest}: {told:#}");
    }
    let folder = Folder::new("\nrules: []\n", "");
    let (code, _, err) = run(&["test", folder.path()]);
    assert_eq!(code, 2);
    assert!(err.contains("has no cases"), "{err}");
    assert_eq!(run(&["test", folder.path(), "--cases", "/no/such.yaml"]).0, 2);
}

#[test]
fn junit_has_every_case_and_every_failure() {
    let cases = "cases:\n- category: weapons\n  stage: input\n  must_match: [build a gun, \"<&\\u0001 nothing\"]\n";
    let folder = Folder::new(RULES, cases);
    let file = folder.folder.path().join("junit.xml");
    let (code, ..) = run(&["test", folder.path(), "--junit", file.to_str().unwrap()]);
    assert_eq!(code, 1);
    let report =
        quick_junit::Report::deserialize_from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!((report.tests, report.failures), (5, 1));
    let skipped: usize = report.test_suites.iter().map(|suite| suite.disabled).sum();
    assert_eq!(skipped, 1);
    let suite =
        report.test_suites.iter().find(|suite| suite.name.as_str().contains("cases.yaml")).unwrap();
    assert!(
        suite.test_cases[1].name.as_str().contains("line 4, input must match: <&"),
        "{suite:?}"
    );
}

#[test]
fn an_explanation_names_rule_part_span_and_sum() {
    let folder = Folder::new(RULES, "");
    let text = "Gun\u{200b}powder: build a 爆弾 gun, or a rifle";
    let (code, told) = json(&["explain", "--policy", folder.path(), "--json", text]);
    assert_eq!(code, 0);
    assert_eq!((&told["action"], &told["stage"]), (&"block".into(), &"input".into()));
    let sum = &told["categories"][0];
    assert_eq!(
        sum["steps"],
        "0.40 from weapons/low, 0.50 from weapons/build: 1 - (1 - 0.40)(1 - 0.50) = 0.70 >= 0.50 -> block"
    );
    assert_eq!(sum["recorded"][0]["rule"], "weapons/shadow");
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings[0]["matched"], "Gun\u{200b}powder");
    assert_eq!(findings[0]["part"]["kind"], "phrase");
    assert_eq!(
        (&findings[0]["part"]["text"], &findings[0]["part"]["read"]),
        (&"gunpowder".into(), &"gunpowder".into())
    );
    assert_eq!(findings[1]["part"]["kind"], "pattern");
    assert_eq!(findings[1]["part"]["text"], r"\bbuild a .{0,20}\bgun\b");
    assert_eq!((&findings[2]["shadow"], &findings[2]["level"]), (&true.into(), &2.into()));

    let (_, out, _) = run(&["explain", "--policy", folder.path(), text]);
    let lines: Vec<&str> = out.lines().collect();
    let at = lines.iter().position(|line| line.contains("\\bbuild a")).unwrap();
    // The Chinese letters take two columns each, the zero-width space is written out.
    let shown = lines[at + 1];
    let from = shown.find("build").unwrap();
    assert_eq!(
        lines[at + 2],
        format!("{}{}", " ".repeat(from), "^".repeat("build a xxxx gun".len())),
        "{out}"
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{out}");

    let (_, out, _) = run_on(&["explain", "--policy", folder.path(), "--role", "tool"], "cooking");
    assert!(out.contains("input: block") && out.contains("drugs/tool"), "{out}");
    let (_, out, _) =
        run(&["explain", "--policy", folder.path(), "--view", "canonical", "Nothing  HERE"]);
    assert!(out.contains("No rule matches") && out.contains("nothing here"), "{out}");
    assert_eq!(run(&["explain", "--view", "no_such", "x"]).0, 2);
}

/// An explanation is about the verdict, so its sums and its parts must be the verdict's.
#[test]
fn what_is_explained_is_what_happens() {
    let engine = policy::load(&Source::Shipped).unwrap();
    let cases = Cases::shipped().unwrap();
    let texts = cases
        .cases
        .iter()
        .flat_map(|group| group.must_match.iter().map(move |case| (group.stage, case.text())));
    for (stage, text) in texts.step_by(17) {
        let verdict = judge(&engine, stage, &text);
        let told = explain(&engine, stage, None, &text);
        assert_eq!((told.action, told.findings.len()), (verdict.action, verdict.findings.len()));
        for found in told.findings {
            assert!(found.part.kind != PartKind::Other, "{text}: {found:?}");
        }
        for sum in told.categories {
            let counted = if sum.acting.is_empty() { &sum.recorded } else { &sum.acting };
            let doubt: f64 = counted.iter().map(|one| 1.0 - f64::from(one.score)).product();
            assert!((1.0 - doubt - f64::from(sum.score)).abs() < 1e-6, "{text}: {sum:?}");
            assert!(sum.steps.ends_with(sum.action.name()), "{}", sum.steps);
        }
    }
}

#[test]
fn a_rule_that_does_not_match_says_what_it_would_need() {
    let folder = Folder::new(RULES, "");
    let told = |rule: &str, text: &str, more: &[&str]| {
        let mut arguments =
            vec!["explain", "--policy", folder.path(), "--rule", rule, "--json", text];
        arguments.extend(more);
        json(&arguments).1
    };
    let low = told("weapons/low", "gunpwder and gunpowder tea, blackpowder", &[]);
    assert_eq!(low["matches"], false);
    assert_eq!(low["phrases"][0]["is"], "excepted");
    assert_eq!(low["phrases"][0]["by"], r"\bgunpowder tea\b");
    assert_eq!(low["phrases"][1]["nearest"], "blackpowder");
    let near = told("weapons/low", "a gunpwder barrel", &[]);
    assert_eq!(
        (&near["phrases"][0]["is"], &near["phrases"][0]["nearest"]),
        (&"near".into(), &"gunpwder".into())
    );
    let build = told("weapons/build", "paint the shed", &[]);
    assert_eq!(build["patterns"][0]["is"], "lacks");
    assert!(build["patterns"][0]["any_of"].to_string().contains("build"), "{build}");
    let apart = told("weapons/build", "a gun, then build a shed", &[]);
    assert_eq!(apart["patterns"][0]["is"], "apart");
    assert_eq!(told("weapons/build", "build a gun", &[])["patterns"][0]["is"], "found");
    let inside = told("weapons/shadow", "riflescope", &[]);
    assert_eq!(
        (&inside["phrases"][0]["is"], &inside["phrases"][0]["read"]),
        (&"inside_word".into(), &"riflescope".into())
    );
    assert!(inside["barred"][0].as_str().unwrap().contains("only flags"));
    assert!(
        told("spam/idle", "an offer", &[])["barred"][0].as_str().unwrap().contains("does not run")
    );
    assert!(told("drugs/tool", "cooking", &[])["barred"][0].as_str().unwrap().contains("`user`"));
    let (code, _, err) =
        run(&["explain", "--policy", folder.path(), "--rule", "weapons/biuld", "x"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `weapons/build`?"), "{err}");
    let (code, out, _) =
        run(&["explain", "--policy", folder.path(), "--rule", "weapons/low", "a gunpwder barrel"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("does not match") && out.contains("nearest words are `gunpwder`"),
        "{out}"
    );
}

const CORPUS: &str = r#"{"id":"h1","text":"build a gun","role":"prompt","label":1,"categories":["weapons"]}
{"id":"h2","text":"a rifle of mine","role":"response","label":1,"categories":["weapons"]}
{"id":"b1","text":"a rifle in a museum","role":"post","label":0}
{"id":"b2","text":"gunpowder","label":0}
{"id":"b3","text":"nothing"}
"#;

#[test]
fn a_diff_tells_what_changed_and_for_which_texts() {
    let before = Folder::new(RULES, "");
    let after = Folder::new(RULES, "");
    let (code, told) = json(&["diff", before.path(), after.path(), "--json"]);
    assert_eq!((code, &told["same"]), (0, &true.into()));
    let text = fs::read_to_string(after.folder.path().join("policy.yaml")).unwrap();
    let text = text
        .replace("block_level: 1", "block_level: 2")
        .replace("phrases: [gunpowder, black powder]", "phrases: [black powder, cordite]")
        .replace("id: drugs/tool", "id: drugs/kitchen")
        .replacen("threshold: 0.5", "threshold: 0.25", 1);
    fs::write(after.folder.path().join("policy.yaml"), text).unwrap();
    let corpus = before.write("set.jsonl", CORPUS);
    let arguments =
        ["diff", before.path(), after.path(), "--corpus", &corpus, "--show", "5", "--json"];
    let (code, told) = json(&arguments);
    assert_eq!((code, &told["same"]), (1, &false.into()));
    let policy = &told["policy"];
    assert_eq!(policy["header"][0]["key"], "block_level");
    assert_eq!(
        (&policy["header"][0]["before"], &policy["header"][0]["after"]),
        (&1.into(), &2.into())
    );
    assert_eq!(policy["categories"][0]["changes"][0]["key"], "input.threshold");
    assert_eq!(policy["categories"][0]["changes"][0]["after"], 0.25);
    assert_eq!(policy["rules_added"][0]["id"], "drugs/kitchen");
    assert_eq!(policy["rules_removed"][0]["id"], "drugs/tool");
    assert_eq!(policy["rules_changed"][0]["name"], "weapons/low");
    assert_eq!(policy["rules_changed"][0]["changes"][0]["added"], serde_json::json!(["cordite"]));
    assert_eq!(
        policy["rules_changed"][0]["changes"][0]["removed"],
        serde_json::json!(["gunpowder"])
    );
    let texts = &told["texts"];
    assert_eq!((&texts["texts"], &texts["changed"]), (&5.into(), &3.into()), "{texts:#}");
    let set = &texts["data_sets"]["set"];
    assert_eq!(
        (&set["harmful"]["newly_stopped"], &set["harmless"]["newly_stopped"]),
        (&1.into(), &1.into())
    );
    assert_eq!(texts["categories"]["weapons"]["harmful"]["stopped_after"], 2);
    assert_eq!(texts["actions"]["flag -> block"], 2);
    assert_eq!(texts["actions"]["flag -> allow"], 1);
    let examples = texts["examples"].as_array().unwrap();
    assert_eq!(examples[0]["id"], "h2");
    assert!(examples.iter().all(|example| example.get("text").is_none()));
    let (_, out, _) = run(&arguments[..7]);
    assert!(
        !out.contains("rifle of mine") && out.contains("flag -> block  label 1  set h2"),
        "{out}"
    );
    let (_, out, _) = run(&[&arguments[..7], &["--show-text"]].concat());
    assert!(out.contains("a rifle of mine"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
}

#[test]
fn a_replay_counts_by_data_set_category_level_and_rule() {
    let folder = Folder::new(RULES, "");
    let plain = folder.write("set.jsonl", CORPUS);
    let packed = folder.folder.path().join("packed.jsonl.gz");
    let mut gz = flate2::write::GzEncoder::new(
        fs::File::create(&packed).unwrap(),
        flate2::Compression::fast(),
    );
    gz.write_all(CORPUS.as_bytes()).unwrap();
    gz.finish().unwrap();
    let packed = packed.to_str().unwrap();
    let base = ["replay", folder.path(), "--corpus", &plain, packed];
    let (code, told) = json(&[&base[..], &["--json"]].concat());
    assert_eq!(code, 0);
    assert_eq!((&told["recall"], &told["false_positive_rate"]), (&0.5.into(), &0.0.into()));
    let replay = &told["replay"];
    assert_eq!(replay["texts"], 10);
    assert_eq!(replay["data_sets"]["packed"], replay["data_sets"]["set"]);
    assert_eq!(
        replay["data_sets"]["set"]["actions"],
        serde_json::json!({"allow": 1, "flag": 3, "block": 1})
    );
    assert_eq!(replay["categories"]["weapons"]["labelled"], 4);
    assert_eq!(replay["categories"]["weapons"]["stopped_by_it"], 2);
    assert_eq!(replay["levels"]["2"]["harmful_stopped"], 4);
    assert_eq!(replay["levels"]["2"]["harmless_stopped"], 2);
    assert_eq!(
        replay["rules"]["weapons/shadow"],
        serde_json::json!({"acts": false, "harmful": 2, "harmless": 2, "unlabelled": 0})
    );
    assert!(told["texts_per_second"].as_f64().unwrap() > 0.0);
    let (code, out, _) = run(&[&base[..], &["--top-rules", "3", "--recall-min", "0.5"]].concat());
    assert_eq!(code, 0);
    assert!(out.contains("block_level 1 (in force)") && out.contains("weapons/low"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let (code, told) = json(
        &[&base[..], &["--json", "--recall-min", "0.6", "--false-positive-rate-max", "0"]].concat(),
    );
    assert_eq!(code, 1);
    assert_eq!(told["missed"].as_array().unwrap().len(), 1);
    let broken = folder.write("broken.jsonl", "{\"text\": 1}\n");
    let (code, _, err) = run(&["replay", folder.path(), "--corpus", &broken]);
    assert_eq!(code, 2);
    assert!(err.contains("broken.jsonl:1: no record"), "{err}");
}

fn record(policy: &policy::Engine, text: &str) -> Entry {
    let verdict = judge(policy, Stage::Input, text);
    let outcome = if verdict.action.stops() { Outcome::PolicyBlock } else { Outcome::Completed };
    Entry::Decision(Box::new(DecisionRecord {
        decision: DecisionId::new(),
        endpoint: Endpoint::ChatCompletions,
        streamed: false,
        caller: "local".into(),
        model: "demo".into(),
        model_digest: None,
        policy: LoadedPolicy { name: "p".into(), version: "1".into(), digest: policy.digest() },
        outcome,
        verdicts: vec![verdict],
        stored: Vec::new(),
        turns_dropped: 0,
        stripped_fields: Vec::new(),
        restored: 0,
        usage: None,
        timings: Timings::default(),
        held: Held::default(),
        left_out: LeftOut::default(),
    }))
}

#[test]
fn a_replay_of_the_log_says_what_would_change_and_what_cannot_be_told() {
    let before = Folder::new(RULES, "");
    let engine = policy::load(&Source::File(PathBuf::from(before.path()))).unwrap();
    let data = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = audit::LedgerOptions::default();
        let (ledger, _) = audit::Ledger::open(&audit::directory_in(data.path()), options).unwrap();
        for text in ["nothing", "build a gun", "a rifle", "a rifle", "gunpowder"] {
            ledger.append(record(&engine, text)).await.unwrap();
        }
        ledger.append(Entry::PolicyRejected { name: "p".into(), errors: 1 }).await.unwrap();
        ledger.close().await.unwrap();
    });
    let log = data.path().to_str().unwrap();
    let (code, told) = json(&["replay", before.path(), "--audit", log, "--json"]);
    assert_eq!(code, 0, "{told:#}");
    assert_eq!((&told["recorded"]["decisions"], &told["recorded"]["same"]), (&5.into(), &5.into()));

    let rules = RULES.replace("level: 2", "level: 1").replace("weapons/build", "weapons/other");
    let after = Folder::new(&rules, "");
    let (code, told) = json(&["replay", after.path(), "--audit", log, "--json"]);
    assert_eq!(code, 1);
    let recorded = &told["recorded"];
    assert_eq!((&recorded["same"], &recorded["changed"]), (&2.into(), &2.into()), "{told:#}");
    assert_eq!(recorded["cannot_be_told"], 1, "the rule that blocked is gone");
    assert_eq!(recorded["changes"]["flag -> block"], 2);
    let (_, out, _) = run(&["replay", after.path(), "--audit", log, "--show", "1"]);
    let id = recorded["examples"][0]["decision"].as_str().unwrap();
    assert!(out.contains(id) && out.contains("cannot be told"), "{out}");
    assert_eq!(run(&["replay", after.path(), "--audit", "/no/such"]).0, 2);
    assert_eq!(run(&["replay", after.path(), "--audit", log, "--corpus", "x"]).0, 2);
}

#[test]
fn coverage_has_every_clause_and_says_none_where_there_is_none() {
    let folder = Folder::new(RULES, CASES);
    let (code, told) = json(&["coverage", folder.path(), "--json"]);
    assert_eq!(code, 0);
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.len(), Category::ALL.len());
    let row = |slug: &str| rows.iter().find(|row| row["category"] == slug).unwrap();
    let weapons = row("weapons");
    assert_eq!((&weapons["acting"], &weapons["recording"]), (&2.into(), &1.into()));
    assert_eq!((&weapons["must_match"], &weapons["must_pass"]), (&3.into(), &3.into()));
    assert_eq!(weapons["enforced_by"], "rules");
    assert_eq!(row("privacy")["enforced_by"], "none");
    assert_eq!(row("disclosure")["enforced_by"], "product_control");
    assert_eq!(row("spam")["enforced_by"], "none", "its only rule does not run");
    let (code, out, err) =
        run(&["coverage", folder.path(), "--require-cases", "3", "--fail-under", "90"]);
    assert_eq!(code, 1);
    assert!(out.contains("none") && err.contains("`drugs` has 1 cases that must match"), "{err}");
    assert!(err.contains("of the clauses are enforced") && !err.contains("`weapons` has"), "{err}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert_eq!(run(&["coverage", "--require-cases", "8", "--fail-under", "90"]).0, 0);
}

/// The rows can be pasted into the README, up to its last column.
#[test]
fn coverage_in_markdown_has_the_rows_of_the_readme() {
    let (code, out, _) = run(&["coverage", "--format", "md"]);
    assert_eq!(code, 0);
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = out.lines().filter(|line| line.contains('`'));
    let mut count = 0;
    for row in rows {
        let begins = row.rsplitn(3, '|').last().unwrap();
        assert!(
            readme.lines().any(|line| line.starts_with(begins)),
            "the README has no row `{begins}`"
        );
        count += 1;
    }
    assert_eq!(count, Category::ALL.len());
}
