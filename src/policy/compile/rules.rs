//! The rules: names resolved, literals folded, patterns compiled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use super::conditions::{KindsRead, written_kinds};
use super::fragments::{Expanded, Fragments};
use super::header::LEVEL_MAX;
use super::{categories, judging, missing, pii, rule_cases, share};
use crate::detect::{self, Pattern, Phrase};
use crate::domain::{Category, Role, Stage};
use crate::policy::cases::RuleCase;
use crate::policy::document::{Document, RuleWritten, Spanned, place};
use crate::policy::problem::{Problem, Problems};
use crate::policy::sources::Sources;
use crate::policy::spec::RuleSpec;
use crate::policy::whole::Looks;
use crate::text::canonical;

/// What a masked span becomes unless the rule says otherwise.
pub(in crate::policy) const MASK: &str = "[REDACTED]";
/// Rule ids that begin so belong to the program.
pub(in crate::policy) const BUILTIN: &str = "builtin/";

const RULES_MAX: usize = 10_000;
pub(super) const ID_BYTES_MAX: usize = 96;
const PHRASE_CHARS_MAX: usize = 256;
const MASK_BYTES_MAX: usize = 64;
/// The output waits for as many characters as its longest rule can match.
pub(super) const OUTPUT_MATCH_CHARS_MAX: usize = 512;

pub(in crate::policy) const STAGES: &[(&str, Stage)] =
    &[("input", Stage::Input), ("output", Stage::Output)];
pub(in crate::policy) const ROLES: &[(&str, Role)] = &[
    ("system", Role::System),
    ("developer", Role::Developer),
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("tool", Role::Tool),
];

/// A rule with what its literals and patterns became, and where they stand.
#[derive(Debug)]
pub(super) struct RuleRead {
    pub(super) spec: RuleSpec,
    pub(super) at: Range<usize>,
    pub(super) level_at: Range<usize>,
    /// In the order of `spec.phrases`.
    pub(super) phrases_at: Vec<Range<usize>>,
    pub(super) cases: Vec<RuleCase>,
    patterns: Vec<Pattern>,
    unless: Vec<Pattern>,
    kinds: KindsRead,
}

impl RuleRead {
    fn detector(&self) -> detect::Rule {
        let phrase =
            |text: &String| Phrase { text: text.clone(), whole_words: self.spec.whole_words };
        detect::Rule {
            phrases: self.spec.phrases.iter().map(phrase).collect(),
            patterns: self.patterns.clone(),
            unless: self.unless.clone(),
        }
    }

    /// The rule for the specification, and what looks for it.
    pub(super) fn compiled(self) -> (RuleSpec, Looks) {
        let detector = self.detector();
        (self.spec, self.kinds.looks(detector))
    }

    /// Whether each of its phrases is a finding, and nothing else is.
    pub(super) fn looks_for_phrases_only(&self) -> bool {
        self.patterns.is_empty() && self.spec.kinds.is_empty()
    }
}

pub(super) fn read(
    document: &Document,
    sources: &Sources,
    fragments: &mut Fragments,
    problems: &mut Problems,
) -> Vec<RuleRead> {
    let written = document.rules.as_deref().unwrap_or_default();
    if written.len() > RULES_MAX {
        problems.push(Problem::new(
            "policy::too_many_rules",
            0..0,
            format!("more than {RULES_MAX} rules"),
        ));
    }
    let mut ids: HashMap<&str, Range<usize>> = HashMap::new();
    let mut rules = Vec::new();
    for rule in written.iter().take(RULES_MAX) {
        if let Some(id) = &rule.value.id {
            let at = place(&id.referenced);
            match ids.get(id.value.as_str()) {
                Some(first) => problems.push(
                    Problem::new(
                        "policy::duplicate_id",
                        at,
                        format!("two rules are called `{}`", id.value),
                    )
                    .label("again here")
                    .also(first.clone(), "first here")
                    .help("a rule of the base is changed under `change:`, by its id"),
                ),
                None => {
                    ids.insert(&id.value, at);
                }
            }
        }
        rules.extend(Reading { sources, fragments, problems }.rule(rule));
    }
    rules
}

/// One rule at a time; also reads the patterns and lists of exceptions.
pub(super) struct Reading<'a> {
    pub(super) sources: &'a Sources,
    pub(super) fragments: &'a mut Fragments,
    pub(super) problems: &'a mut Problems,
}

impl Reading<'_> {
    fn rule(&mut self, rule: &Spanned<RuleWritten>) -> Option<RuleRead> {
        let written = &rule.value;
        self.problems.unknown_keys(written);
        let at = written.id.as_ref().map_or(place(&rule.referenced), |id| place(&id.referenced));
        let id = self.id(written, &at);
        let category = self.category(written, &at);
        let directions = self.list("direction", written.directions.as_ref(), STAGES);
        let roles =
            written.roles.as_ref().map(|_| self.list("role", written.roles.as_ref(), ROLES));
        if roles.is_some() && directions == [Stage::Output] {
            let at = written.roles.as_ref().map_or(at.clone(), |roles| place(&roles.referenced));
            self.problems.push(
                Problem::new("policy::useless_key", at, "`roles` means nothing for the output")
                    .help("roles say who wrote a part of the prompt; remove the key"),
            );
        }
        let (level, level_at) = self.level(written, &at);
        let score =
            written.score.as_ref().map_or(Some(1.0), |score| share("score", score, self.problems));
        let (phrases, phrases_at) = self.phrases(written.phrases.as_deref());
        let bound = (directions != [Stage::Input]).then_some(OUTPUT_MATCH_CHARS_MAX);
        let (pattern_texts, mut patterns) = self.patterns(written.patterns.as_deref(), bound);
        let pii = pii::kinds(written.pii.as_ref(), self.problems);
        patterns.extend(pii::patterns(pii.as_ref()));
        let (unless_texts, unless) =
            self.patterns(written.unless.as_deref(), Some(OUTPUT_MATCH_CHARS_MAX));
        let (kinds_spec, kinds) = self.kinds(written, &directions, &at);
        self.looks_for_something(written, &phrases, &at);
        let views = judging::views(written, &directions, self.problems);
        let sample = judging::sample(written, category, self.problems);
        let spec = RuleSpec {
            id: id?,
            category: category?,
            directions,
            roles,
            level,
            score: score?,
            phrases,
            patterns: pattern_texts,
            whole_words: written.whole_words.unwrap_or(true),
            unless: unless_texts,
            pii,
            redact_as: self.mask(written),
            views,
            sample,
            kinds: kinds_spec,
        };
        Some(RuleRead {
            cases: rule_cases::read(written, &spec, self.sources, self.problems),
            spec,
            at,
            level_at,
            phrases_at,
            patterns,
            unless,
            kinds,
        })
    }

    fn looks_for_something(
        &mut self,
        written: &RuleWritten,
        phrases: &[String],
        at: &Range<usize>,
    ) {
        let nothing = phrases.is_empty()
            && written.patterns.as_deref().unwrap_or_default().is_empty()
            && written.pii.is_none()
            && !written_kinds(written);
        if nothing {
            let help =
                "give it `phrases`, `patterns`, `pii`, `near`, `match`, `similar_to` or `when`";
            self.problems.push(
                Problem::new("policy::empty_rule", at.clone(), "this rule looks for nothing")
                    .help(help),
            );
        }
    }

    fn id(&mut self, written: &RuleWritten, at: &Range<usize>) -> Option<Arc<str>> {
        let Some(id) = &written.id else {
            self.problems.push(missing("id", at.clone(), "e.g. `id: self-harm/methods`"));
            return None;
        };
        let id = id.value.as_str();
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-');
        if !(1..=ID_BYTES_MAX).contains(&id.len()) || !id.bytes().all(allowed) {
            self.problems.push(
                Problem::new(
                    "policy::bad_id",
                    at.clone(),
                    format!("`{id}` cannot be the id of a rule"),
                )
                .help(format!("1 to {ID_BYTES_MAX} of a-z, 0-9, `/` and `-`")),
            );
        }
        if id.starts_with(BUILTIN) {
            self.problems.push(
                Problem::new(
                    "policy::bad_id",
                    at.clone(),
                    format!("ids that begin with `{BUILTIN}` are reserved"),
                )
                .help("they name rules that are part of the program"),
            );
        }
        Some(id.into())
    }

    fn category(&mut self, written: &RuleWritten, at: &Range<usize>) -> Option<Category> {
        match &written.category {
            Some(slug) => categories::category(slug, self.problems),
            None => {
                self.problems.push(missing("category", at.clone(), "e.g. `category: self_harm`"));
                None
            }
        }
    }

    /// A list of names; absent means all of them.
    pub(super) fn list<T: Copy + PartialEq>(
        &mut self,
        what: &str,
        written: Option<&Spanned<Vec<Spanned<String>>>>,
        known: &[(&'static str, T)],
    ) -> Vec<T> {
        let Some(written) = written else { return known.iter().map(|(_, value)| *value).collect() };
        if written.value.is_empty() {
            self.problems.push(Problem::new(
                "policy::empty_rule",
                place(&written.referenced),
                format!("no {what} is left for this rule"),
            ));
        }
        let named: Vec<T> =
            written.value.iter().filter_map(|name| self.problems.name(what, name, known)).collect();
        known.iter().map(|(_, value)| *value).filter(|value| named.contains(value)).collect()
    }

    fn level(&mut self, written: &RuleWritten, at: &Range<usize>) -> (u8, Range<usize>) {
        let Some(level) = &written.level else { return (1, at.clone()) };
        let at = place(&level.referenced);
        if !(1..=LEVEL_MAX).contains(&level.value) {
            self.problems.push(
                Problem::new(
                    "policy::out_of_range",
                    at.clone(),
                    format!("`level` must be 1 to {LEVEL_MAX}"),
                )
                .label(level.value.to_string()),
            );
        }
        (level.value, at)
    }

    pub(super) fn phrases(
        &mut self,
        written: Option<&[Spanned<String>]>,
    ) -> (Vec<String>, Vec<Range<usize>>) {
        let mut texts: Vec<String> = Vec::new();
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut known: HashMap<String, Range<usize>> = HashMap::new();
        for phrase in written.into_iter().flatten() {
            let at = place(&phrase.referenced);
            let folded = canonical(&phrase.value).trim().to_owned();
            if folded.is_empty() || folded.chars().count() > PHRASE_CHARS_MAX {
                self.problems.push(
                    Problem::new("policy::unreachable", at, "this phrase can never be found")
                        .help(format!(
                            "in canonical form (no invisible characters, one space) it must have 1 to {PHRASE_CHARS_MAX} characters"
                        )),
                );
                continue;
            }
            match known.entry(folded) {
                Entry::Occupied(first) => self.problems.push(
                    Problem::new("policy::unreachable", at, "this phrase stands in the rule twice")
                        .label(format!("again here (in canonical form `{}`)", first.key()))
                        .also(first.get().clone(), "first here")
                        .warning(),
                ),
                Entry::Vacant(first) => {
                    texts.push(first.key().clone());
                    places.push(first.insert(at).clone());
                }
            }
        }
        (texts, places)
    }

    /// The patterns with their fragments written out, and compiled.
    pub(super) fn patterns(
        &mut self,
        written: Option<&[Spanned<String>]>,
        chars_max: Option<usize>,
    ) -> (Vec<String>, Vec<Pattern>) {
        let (mut texts, mut compiled) = (Vec::new(), Vec::new());
        for pattern in written.unwrap_or_default() {
            let Some(expanded) = self.expanded(pattern) else { continue };
            match Pattern::parse(&expanded.text) {
                Ok(parsed) => {
                    self.bounded(pattern, &parsed, chars_max);
                    compiled.push(parsed);
                }
                Err(error) => {
                    let part = error.span.clone().map(|part| expanded.written(part));
                    let at = self.inside(pattern, part);
                    let mut problem = Problem::new("policy::bad_pattern", at, error.to_string());
                    if let Some(help) = error.help {
                        problem = problem.help(help);
                    }
                    self.problems.push(problem);
                }
            }
            texts.push(expanded.text);
        }
        (texts, compiled)
    }

    fn expanded(&mut self, pattern: &Spanned<String>) -> Option<Expanded> {
        let file = self.sources.number(place(&pattern.referenced).start);
        match self.fragments.expand(&pattern.value, file) {
            Ok(expanded) => Some(expanded),
            Err(unresolved) => {
                let at = self.inside(pattern, Some(unresolved.at));
                let problem = Problem::new("policy::fragment", at, unresolved.message);
                self.problems.push(match unresolved.help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
                None
            }
        }
    }

    fn bounded(&mut self, written: &Spanned<String>, pattern: &Pattern, chars_max: Option<usize>) {
        let Some(limit) = chars_max else { return };
        if pattern.chars_max().is_some_and(|chars| chars <= limit) {
            return;
        }
        let length = pattern.chars_max().map_or_else(
            || "without a bound".to_owned(),
            |chars| format!("of up to {chars} characters"),
        );
        self.problems.push(
            Problem::new(
                "policy::unbounded_pattern",
                place(&written.referenced),
                format!("this pattern matches text {length}"),
            )
            .help(format!(
                "output is held back until a match is decided, so a match may have at most {limit} characters: write `.{{0,60}}` instead of `.*`"
            )),
        );
    }

    /// The part of a scalar that is to blame, when it stands in the file as it
    /// was read.
    fn inside(&self, written: &Spanned<String>, part: Option<Range<usize>>) -> Range<usize> {
        let whole = place(&written.referenced);
        let Some(part) = part else { return whole };
        self.sources.get(whole.clone()).and_then(|text| text.find(&written.value)).map_or(
            whole.clone(),
            |offset| {
                let start = whole.start + offset;
                start + part.start..start + part.end
            },
        )
    }

    fn mask(&mut self, written: &RuleWritten) -> Option<Arc<str>> {
        let mask = written.redact_as.as_ref()?;
        let fits = (1..=MASK_BYTES_MAX).contains(&mask.value.len());
        if !fits || mask.value.chars().any(char::is_control) {
            self.problems.push(Problem::new(
                "policy::bad_text",
                place(&mask.referenced),
                format!("`redact_as` must have 1 to {MASK_BYTES_MAX} bytes on one line"),
            ));
        }
        Some(mask.value.as_str().into())
    }
}
