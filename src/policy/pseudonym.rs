//! Names that stand for personal data within one prompt, and what they stand for.
//!
//! `[EMAIL_1]` is the first address of a conversation wherever it occurs in it.
//! The caller sends the whole conversation each time, so the names are the same
//! each time. The map lives as long as the exchange; it is never logged.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::domain::Entity;
use crate::text::canonical;

/// A mask without a letter or digit names nothing.
const NAMELESS: &str = "REDACTED";
/// Longer bracketed texts are no pseudonyms: a mask has at most 64 bytes.
const PSEUDONYM_BYTES_MAX: usize = 80;

/// The names given so far. Debug output has no text.
pub(super) struct Pseudonyms {
    /// Names that stand in the caller's own texts.
    taken: HashSet<String>,
    /// By label and value in its normal form.
    names: HashMap<(String, String), String>,
    /// The last number of each label.
    last: HashMap<String, u32>,
    /// In the order of first appearance: name and value as written there.
    given: Vec<(String, String)>,
}

impl Pseudonyms {
    /// Names that occur in `texts` are not given.
    pub(super) fn new<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let taken = texts.flat_map(bracketed).collect();
        Self { taken, names: HashMap::new(), last: HashMap::new(), given: Vec::new() }
    }

    /// The name for `value`, which has this mask.
    pub(super) fn name(&mut self, mask: &str, entity: Entity, value: &str) -> String {
        let label = label(mask);
        let key = (label, normal(entity, value));
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let last = self.last.entry(key.0.clone()).or_default();
        let name = loop {
            // As many steps as the texts have such names, and one.
            *last = last.saturating_add(1);
            let name = format!("[{}_{last}]", key.0);
            if *last == u32::MAX || !self.taken.contains(&name) {
                break name;
            }
        };
        self.given.push((name.clone(), value.to_owned()));
        self.names.insert(key, name.clone());
        name
    }

    pub(super) fn into_originals(self) -> Originals {
        let mut list = self.given;
        list.sort_unstable();
        Originals { list }
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").field("given", &self.given.len()).finish_non_exhaustive()
    }
}

/// What the pseudonyms of a prompt stand for. Debug output has no text.
pub struct Originals {
    /// By name, which is `[…]` without another bracket: none begins another.
    list: Vec<(String, String)>,
}

impl Originals {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The pseudonym at the beginning of `text`, and its value.
    pub(super) fn at(&self, text: &str) -> Option<(&str, &str)> {
        let after = self.list.partition_point(|(name, _)| name.as_str() <= text);
        let (name, value) = self.list.get(after.checked_sub(1)?)?;
        text.starts_with(name.as_str()).then_some((name, value))
    }

    /// Whether more text could make `text` a pseudonym.
    pub(super) fn may_begin(&self, text: &str) -> bool {
        let next = self.list.partition_point(|(name, _)| name.as_str() < text);
        self.list.get(next).is_some_and(|(name, _)| name.starts_with(text))
    }
}

impl fmt::Debug for Originals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Originals").field("count", &self.list.len()).finish_non_exhaustive()
    }
}

/// The words of a mask: `[EMAIL]` is `EMAIL`.
fn label(mask: &str) -> String {
    let words: Vec<&str> =
        mask.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { NAMELESS.to_owned() } else { words.join("_").to_uppercase() }
}

/// Texts in brackets, in upper case: what a caller may have typed himself.
fn bracketed(text: &str) -> impl Iterator<Item = String> + '_ {
    text.match_indices('[').filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let rest = rest.get(..rest.floor_char_boundary(PSEUDONYM_BYTES_MAX))?;
        let end = rest.find(']')?;
        let inside = rest.get(..=end)?;
        inside.contains('_').then(|| inside.to_uppercase())
    })
}

/// Ways to write one value become one. Secrets differ by the case of a letter.
fn normal(entity: Entity, value: &str) -> String {
    match entity {
        Entity::ApiKey | Entity::PrivateKey | Entity::Jwt | Entity::CryptoWallet => {
            value.to_owned()
        }
        Entity::Email | Entity::StreetAddress | Entity::IpAddress => canonical(value),
        _ => canonical(value).chars().filter(|c| c.is_alphanumeric() || *c == '+').collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_name_however_it_is_written() {
        let mut names = Pseudonyms::new(std::iter::empty());
        assert_eq!(names.name("[EMAIL]", Entity::Email, "ann@example.com"), "[EMAIL_1]");
        assert_eq!(names.name("[EMAIL]", Entity::Email, "bob@example.com"), "[EMAIL_2]");
        assert_eq!(names.name("[EMAIL]", Entity::Email, "Ann@Example.com"), "[EMAIL_1]");
        assert_eq!(names.name("[CARD]", Entity::Card, "4111 1111 1111 1111"), "[CARD_1]");
        assert_eq!(names.name("[CARD]", Entity::Card, "4111-1111-1111-1111"), "[CARD_1]");
        assert_eq!(names.name("<my card>", Entity::Card, "4111111111111111"), "[MY_CARD_1]");
        assert_eq!(names.name("***", Entity::Card, "4111111111111111"), "[REDACTED_1]");
    }

    #[test]
    fn names_that_the_caller_typed_are_left_to_him() {
        let texts = ["see [EMAIL_1] and [email_3]", "[EMAIL_2"];
        let mut names = Pseudonyms::new(texts.into_iter());
        assert_eq!(names.name("[EMAIL]", Entity::Email, "a@example.com"), "[EMAIL_2]");
        assert_eq!(names.name("[EMAIL]", Entity::Email, "b@example.com"), "[EMAIL_4]");
    }

    #[test]
    fn nothing_is_told_in_debug_output() {
        let mut names = Pseudonyms::new(std::iter::empty());
        names.name("[EMAIL]", Entity::Email, "ann@example.com");
        assert!(!format!("{names:?}").contains("ann"));
        let originals = names.into_originals();
        assert!(!format!("{originals:?}").contains("ann"));
        assert_eq!(originals.at("[EMAIL_1] said"), Some(("[EMAIL_1]", "ann@example.com")));
        assert!(originals.may_begin("[EM") && !originals.may_begin("[EMAIL_2"));
    }
}
