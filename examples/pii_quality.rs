//! How well the recognisers of personal data find what a labelled corpus says,
//! and what they find in texts that should have none.
//!
//! ```text
//! cargo run --example pii_quality -- spans CORPUS.jsonl.gz [--misses]
//! cargo run --example pii_quality -- plain TEXTS.jsonl.gz… [--hits]
//! ```
//!
//! `spans` wants records `{text, spans: [{type, start, end}]}` (characters),
//! with the labels of presidio-research; `plain` wants `{text}`. A labelled span
//! counts as found when a finding of its kind overlaps it, and as covered when
//! findings leave no letter or digit of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a measurement may end with a panic"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use flate2::read::GzDecoder;
use portcullis::detect::{Detector, Rule, pii};
use portcullis::domain::Entity;
use portcullis::text::Canonical;
use serde::Deserialize;

/// The corpus' labels for what we look for.
const LABELS: &[(&str, Entity)] = &[
    ("EMAIL_ADDRESS", Entity::Email),
    ("PHONE_NUMBER", Entity::Phone),
    ("CREDIT_CARD", Entity::Card),
    ("IBAN_CODE", Entity::Iban),
    ("US_SSN", Entity::NationalId),
    ("US_DRIVER_LICENSE", Entity::DrivingLicence),
    ("IP_ADDRESS", Entity::IpAddress),
    ("STREET_ADDRESS", Entity::StreetAddress),
];
/// Findings inside these are right although the label says more: not every date
/// is one of birth, and a postal code is a part of an address.
const ALSO: &[(&str, Entity)] = &[
    ("DATE_TIME", Entity::DateOfBirth),
    ("ZIP_CODE", Entity::StreetAddress),
    ("GPE", Entity::StreetAddress),
];

#[derive(Deserialize)]
struct Record {
    text: String,
    #[serde(default)]
    spans: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Labelled {
    r#type: String,
    start: usize,
    end: usize,
}

#[derive(Default)]
struct Count {
    labelled: usize,
    found: usize,
    covered: usize,
    findings: usize,
    right: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.iter().any(|argument| argument.starts_with("--"));
    let paths = || arguments.iter().skip(1).filter(|argument| !argument.starts_with("--"));
    match arguments.first().map(String::as_str) {
        Some("spans") => spans(paths().next().expect("a corpus"), verbose),
        Some("plain") => paths().for_each(|path| plain(path, verbose)),
        _ => eprintln!("usage: pii_quality spans CORPUS.jsonl.gz | plain TEXTS.jsonl.gz…"),
    }
}

fn records(path: &str) -> impl Iterator<Item = Record> {
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("a readable file"))).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).expect("a record"))
}

fn detector() -> Detector {
    let rule =
        |entity: &Entity| Rule { patterns: pii::patterns(*entity).to_vec(), ..Rule::default() };
    Detector::new(Entity::ALL.iter().map(rule).collect()).unwrap()
}

/// Original bytes of every finding.
fn find(detector: &Detector, text: &str) -> Vec<(Entity, Range<usize>)> {
    let view = Canonical::of(text);
    let mut hits = Vec::new();
    detector.scan(&view, 0..view.end(), &mut detector.pass(), &mut hits);
    hits.into_iter().map(|hit| (hit.entity.unwrap(), view.original(hit.span))).collect()
}

fn spans(path: &str, verbose: bool) {
    let detector = detector();
    let mut counts: BTreeMap<Entity, Count> = BTreeMap::new();
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    for record in records(path) {
        let text = &record.text;
        let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
        let labelled: Vec<(&str, Range<usize>)> = record
            .spans
            .iter()
            .map(|span| (span.r#type.as_str(), byte(span.start)..byte(span.end)))
            .collect();
        let found = find(&detector, text);
        let overlap = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        for (label, span) in &labelled {
            let Some((_, entity)) = LABELS.iter().find(|(name, _)| name == label) else {
                *unknown.entry((*label).to_owned()).or_default() += 1;
                continue;
            };
            let count = counts.entry(*entity).or_default();
            count.labelled += 1;
            let hit = found.iter().any(|(kind, at)| kind == entity && overlap(at, span));
            let covered = text[span.clone()]
                .char_indices()
                .filter(|(_, c)| c.is_alphanumeric())
                .all(|(at, _)| found.iter().any(|(_, hidden)| hidden.contains(&(span.start + at))));
            count.found += usize::from(hit);
            count.covered += usize::from(covered);
            if verbose && !hit {
                println!("MISS {entity}: {:?} in {text:?}", &text[span.clone()]);
            }
        }
        for (kind, at) in &found {
            let count = counts.entry(*kind).or_default();
            count.findings += 1;
            let right = labelled.iter().any(|(label, span)| {
                LABELS.iter().chain(ALSO).any(|(name, entity)| name == label && entity == kind)
                    && overlap(at, span)
            });
            count.right += usize::from(right);
            if verbose && !right {
                println!("FALSE {kind}: {:?} in {text:?}", &text[at.clone()]);
            }
        }
    }
    println!("| kind | labelled | found | covered | findings | right | precision | recall | F1 |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (kind, count) in counts {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let (precision, recall) =
            (share(count.right, count.findings), share(count.found, count.labelled));
        let f1 = 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE);
        println!(
            "| `{kind}` | {} | {} | {} | {} | {} | {precision:.3} | {recall:.3} | {f1:.3} |",
            count.labelled, count.found, count.covered, count.findings, count.right
        );
    }
    println!("labels that no recogniser looks for: {unknown:?}");
}

fn plain(path: &str, verbose: bool) {
    let detector = detector();
    let mut counts: BTreeMap<Entity, usize> = BTreeMap::new();
    let mut texts = 0usize;
    for record in records(path) {
        texts += 1;
        let mut kinds: Vec<Entity> = Vec::new();
        for (kind, at) in find(&detector, &record.text) {
            if verbose {
                let from = record.text.floor_char_boundary(at.start.saturating_sub(50));
                println!(
                    "{kind}: {:?} after {:?}",
                    &record.text[at.clone()],
                    &record.text[from..at.start]
                );
            }
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        for kind in kinds {
            *counts.entry(kind).or_default() += 1;
        }
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    print!("{name}: {texts} texts, per 1,000:");
    for (kind, count) in counts {
        print!(" {kind} {:.2}", count as f64 * 1000.0 / texts.max(1) as f64);
    }
    println!();
}
