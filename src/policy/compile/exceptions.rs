//! Exceptions: findings that do not act, for a while, and somebody answers for it.
//!
//! An exception that has run out is inert and a warning. None covers
//! `child_exploitation`, a locked rule, or a category with a floor below it.
//! The clock is an argument. Called by the compiler.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{Date, Duration};

use super::floor::Floors;
use super::locks::Locks;
use super::overlay::ids;
use super::rules::{BUILTIN, OUTPUT_MATCH_CHARS_MAX, ROLES, Reading, STAGES};
use super::selector::Selector;
use super::{categories, header, missing};
use crate::detect::Pattern;
use crate::domain::{Category, Role, Stage};
use crate::policy::document::{Document, ExceptionWritten, Spanned, place};
use crate::policy::problem::Problem;
use crate::policy::spec::Exception;

/// How far ahead an exception may run out.
const DAYS_MAX: i64 = 366;
const EXCEPTIONS_MAX: usize = 64;
/// It stands in every finding that it covers.
const ID_BYTES_MAX: usize = 48;
const DATE: StaticFormatDescription = format_description!("[year]-[month]-[day]");

/// The exceptions in force, each with its compiled `matching`.
pub(super) type Exceptions = (Vec<Exception>, Vec<Vec<Pattern>>);

/// What exceptions have to respect.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) document: &'a Document,
    pub(super) locks: &'a Locks,
    pub(super) floors: &'a Floors,
    pub(super) today: Date,
}

pub(super) fn read(
    written: &[(usize, Spanned<ExceptionWritten>)],
    bounds: Bounds<'_>,
    mut reading: Reading<'_>,
) -> Exceptions {
    let mut in_force = Exceptions::default();
    let mut known: HashMap<&str, Range<usize>> = HashMap::new();
    for (number, (layer, exception)) in written.iter().enumerate() {
        let at = place(&exception.referenced);
        if number == EXCEPTIONS_MAX {
            let message = format!("more than {EXCEPTIONS_MAX} exceptions");
            reading.problems.push(Problem::new("policy::exception", at, message));
            break;
        }
        if let Some(id) = &exception.value.id
            && let Some(first) = known.insert(&id.value, place(&id.referenced))
        {
            let message = format!("two exceptions are called `{}`", id.value);
            reading.problems.push(
                Problem::new("policy::duplicate_id", place(&id.referenced), message)
                    .label("again here")
                    .also(first, "first here"),
            );
        }
        let mut one =
            One { written: &exception.value, at, layer: *layer, bounds, reading: &mut reading };
        if let Some((exception, patterns)) = one.read() {
            in_force.0.push(exception);
            in_force.1.push(patterns);
        }
    }
    in_force
}

/// One exception being read.
struct One<'a, 'r> {
    written: &'a ExceptionWritten,
    at: Range<usize>,
    layer: usize,
    bounds: Bounds<'a>,
    reading: &'a mut Reading<'r>,
}

impl One<'_, '_> {
    fn read(&mut self) -> Option<(Exception, Vec<Pattern>)> {
        self.reading.problems.unknown_keys(self.written);
        let id = self.id();
        let author = self.text("author", self.written.author.as_ref(), "who answers for it");
        let reason = self.text("reason", self.written.reason.as_ref(), "why it is needed");
        let directions = self.reading.list("direction", self.written.directions.as_ref(), STAGES);
        let roles = self.roles(&directions);
        let rules = self.rules();
        let categories = self.categories(&directions);
        if self.written.rules.is_none() && self.written.categories.is_none() {
            self.reading.problems.push(missing(
                "rules",
                self.at.clone(),
                "say what is excepted: `rules: [id or prefix/*]`, `categories: […]`, or both",
            ));
        }
        let (matching, patterns) =
            self.reading.patterns(self.written.matching.as_deref(), Some(OUTPUT_MATCH_CHARS_MAX));
        let expires = self.expires()?;
        let exception = Exception {
            id: id?,
            author: author?,
            reason: reason?,
            expires,
            rules,
            categories,
            directions,
            roles,
            matching,
        };
        Some((exception, patterns))
    }

    fn id(&mut self) -> Option<Arc<str>> {
        let Some(id) = &self.written.id else {
            let help = "e.g. `id: clinic-2026`; findings and the audit log name it";
            self.reading.problems.push(missing("id", self.at.clone(), help));
            return None;
        };
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-');
        if !(1..=ID_BYTES_MAX).contains(&id.value.len()) || !id.value.bytes().all(allowed) {
            let message = format!("`{}` cannot be the id of an exception", id.value);
            self.reading.problems.push(
                Problem::new("policy::bad_id", place(&id.referenced), message)
                    .help(format!("1 to {ID_BYTES_MAX} of a-z, 0-9, `/` and `-`")),
            );
        }
        Some(id.value.as_str().into())
    }

    fn text(
        &mut self,
        key: &str,
        written: Option<&Spanned<String>>,
        help: &str,
    ) -> Option<Arc<str>> {
        match written {
            Some(text) => Some(header::text(key, text, self.reading.problems)),
            None => {
                self.reading.problems.push(missing(key, self.at.clone(), help));
                None
            }
        }
    }

    /// The last day; `None` when there is none or it has passed.
    fn expires(&mut self) -> Option<Date> {
        let Some(written) = &self.written.expires else {
            let help = "the last day on which it holds, e.g. `expires: 2027-01-31`";
            self.reading.problems.push(missing("expires", self.at.clone(), help));
            return None;
        };
        let at = place(&written.referenced);
        let Ok(date) = Date::parse(&written.value, &DATE) else {
            let message = format!("`{}` is not a day", written.value);
            self.reading
                .problems
                .push(Problem::new("policy::exception", at, message).help("e.g. 2027-01-31"));
            return None;
        };
        let today = self.bounds.today;
        if date < today {
            let message = "this exception has run out and changes nothing";
            self.reading.problems.push(
                Problem::new("policy::exception", at, message)
                    .label(format!("today is {today}"))
                    .help("remove it, or agree on a new day with those who answer for the policy")
                    .warning(),
            );
            return None;
        }
        if date - today > Duration::days(DAYS_MAX) {
            let message = format!("an exception may hold for at most {DAYS_MAX} days");
            self.reading.problems.push(
                Problem::new("policy::exception", at, message)
                    .label(format!("today is {today}"))
                    .help("what is right for longer belongs into the rules"),
            );
        }
        Some(date)
    }

    fn roles(&mut self, directions: &[Stage]) -> Option<Vec<Role>> {
        let written = self.written.roles.as_ref()?;
        if directions == [Stage::Output] {
            self.reading.problems.push(
                Problem::new(
                    "policy::useless_key",
                    place(&written.referenced),
                    "`roles` means nothing for the output",
                )
                .help("roles say who wrote a part of the prompt; remove the key"),
            );
        }
        Some(self.reading.list("role", Some(written), ROLES))
    }

    fn rules(&mut self) -> Vec<String> {
        let document = self.bounds.document;
        let rules = document.rules.as_deref().unwrap_or_default();
        let mut names = Vec::new();
        for name in self.written.rules.iter().flatten() {
            let selector = if name.value.starts_with(BUILTIN) {
                Selector::of(&name.value)
            } else {
                Selector::require(name, ids(rules), self.reading.problems)
            };
            self.refuse_locked(place(&name.referenced), |id, _| selector.selects(id));
            names.push(name.value.clone());
        }
        names
    }

    fn categories(&mut self, directions: &[Stage]) -> Vec<Category> {
        let mut read = Vec::new();
        for slug in self.written.categories.iter().flatten() {
            let Some(category) = categories::category(slug, self.reading.problems) else {
                continue;
            };
            let at = place(&slug.referenced);
            if category == Category::ChildExploitation {
                self.reading.problems.push(
                    Problem::new("policy::floor", at, "`child_exploitation` knows no exceptions")
                        .help("it is always blocked, both ways"),
                );
                continue;
            }
            self.refuse_locked(at.clone(), |_, other| other == category.slug());
            for stage in directions {
                if let Some(floor) = self.bounds.floors.under(category, *stage, self.layer) {
                    let message = format!(
                        "`{category}` has a floor for the {} and knows no exceptions",
                        stage.name()
                    );
                    self.reading.problems.push(
                        Problem::new("policy::floor", at.clone(), message)
                            .also(floor, "the floor")
                            .help("name the rules that give false alarms instead"),
                    );
                }
            }
            read.push(category);
        }
        read
    }

    /// Reports the first locked rule among those that `covers` takes by id and category.
    fn refuse_locked(&mut self, at: Range<usize>, covers: impl Fn(&str, &str) -> bool) {
        for rule in self.bounds.document.rules.iter().flatten() {
            let (Some(id), Some(category)) = (&rule.value.id, &rule.value.category) else {
                continue;
            };
            if !covers(&id.value, &category.value) {
                continue;
            }
            if category.value == Category::ChildExploitation.slug() {
                let message = format!("`{}` is a rule of `child_exploitation`", id.value);
                self.reading.problems.push(
                    Problem::new("policy::floor", at, message)
                        .label("knows no exceptions")
                        .help("`child_exploitation` is always blocked, both ways"),
                );
                return;
            }
            if let Some(lock) = self.bounds.locks.on(&id.value, self.layer) {
                let message = format!("the rule `{}` is locked and knows no exceptions", id.value);
                self.reading.problems.push(lock.explain(Problem::new(
                    "policy::floor",
                    at,
                    message,
                )));
                return;
            }
        }
    }
}
