//! `POST /v1/moderations`: texts in, OpenAI's categories and ours out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::portcullis::Extension;
use super::{bound_text, typed};
use crate::api::ApiConfig;
use crate::api::fields::{self, Checker};
use crate::api::invalid::{Invalid, code};
use crate::api::json;
use crate::domain::{Action, Category, Endpoint, Verdict};

/// OpenAI's category names and the slugs whose evidence they report.
///
/// A name without slugs is a finer distinction than the acceptable-use policy
/// makes; it is always false, and the broader name beside it carries the
/// evidence. Slugs that no OpenAI name covers are under `portcullis` only.
const NAMES: &[(&str, &[Category])] = &[
    ("harassment", &[Category::Harassment, Category::Defamation]),
    ("harassment/threatening", &[]),
    ("hate", &[Category::DiscriminationHate]),
    ("hate/threatening", &[]),
    (
        "illicit",
        &[
            Category::TraffickingSexualViolence,
            Category::MinorsIllegalMaterial,
            Category::OtherCrime,
            Category::IpInfringement,
            Category::MaliciousCode,
            Category::MilitaryCbrn,
            Category::Weapons,
            Category::Drugs,
            Category::CriticalInfrastructure,
            Category::FraudDisinformation,
            Category::FakeEngagement,
        ],
    ),
    ("illicit/violent", &[Category::ViolenceTerrorism, Category::MilitaryCbrn, Category::Weapons]),
    ("self-harm", &[Category::SelfHarm]),
    ("self-harm/intent", &[]),
    ("self-harm/instructions", &[]),
    (
        "sexual",
        &[
            Category::SexualSolicitation,
            Category::SexualContent,
            Category::TraffickingSexualViolence,
        ],
    ),
    ("sexual/minors", &[Category::ChildExploitation]),
    ("violence", &[Category::ViolenceTerrorism, Category::InciteViolence]),
    ("violence/graphic", &[]),
];

#[derive(Debug, Deserialize)]
struct Request {
    input: Input,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    text: String,
}

/// Texts to judge, each by itself.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub texts: Vec<String>,
    pub stripped: Vec<String>,
}

/// Understands a request body completely, or refuses it.
pub(crate) fn parse(body: &[u8], config: &ApiConfig) -> Result<Inputs, Invalid> {
    let body = json::parse(body)?;
    let table = fields::of(Endpoint::Moderations);
    let accepted = Checker::new(config.unknown_fields).body(table, &body)?;
    let request: Request = typed(&body).map_err(|_| {
        let message = "`input` must not mix strings and parts".to_owned();
        Invalid::new(code::TYPE, "input", message)
    })?;
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
        Input::Parts(parts) => {
            let texts: Vec<_> = parts.into_iter().map(|part| part.text).collect();
            vec![texts.join("\n")]
        }
    };
    bound_text(texts.iter().map(String::len).sum(), "input", config)?;
    Ok(Inputs { texts, stripped: accepted.stripped })
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moderation {
    pub id: String,
    /// The policy that judged, `name@version`.
    pub model: String,
    /// One per input text, in order.
    pub results: Vec<ModerationResult>,
    pub portcullis: Extension,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModerationResult {
    /// Whether the policy does anything about the text.
    pub flagged: bool,
    /// OpenAI's names.
    pub categories: BTreeMap<&'static str, bool>,
    /// OpenAI's names; 0 to 1.
    pub category_scores: BTreeMap<&'static str, f32>,
    pub category_applied_input_types: BTreeMap<&'static str, Vec<&'static str>>,
    pub portcullis: ModerationDetail,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModerationDetail {
    /// The strictest action: `allow`, `flag`, `redact`, `replace` or `block`.
    pub action: &'static str,
    /// Every slug's score, 0 to 1.
    pub scores: BTreeMap<&'static str, f32>,
    /// Slugs on which the policy acts, and how.
    pub actions: BTreeMap<&'static str, &'static str>,
    /// Parts of the text that were not judged.
    pub unjudged: usize,
}

impl ModerationResult {
    pub(crate) fn new(verdict: &Verdict) -> Self {
        let score = |category: Category| {
            let found = verdict.categories.iter().find(|found| found.category == category);
            found.map_or((0.0, Action::Allow), |found| (found.score, found.action))
        };
        let mut result = Self {
            flagged: verdict.action != Action::Allow,
            categories: BTreeMap::new(),
            category_scores: BTreeMap::new(),
            category_applied_input_types: BTreeMap::new(),
            portcullis: ModerationDetail {
                action: verdict.action.name(),
                scores: Category::ALL.iter().map(|c| (c.slug(), score(*c).0)).collect(),
                actions: verdict
                    .categories
                    .iter()
                    .filter(|found| found.action != Action::Allow)
                    .map(|found| (found.category.slug(), found.action.name()))
                    .collect(),
                unjudged: verdict.unjudged.len(),
            },
        };
        for (name, slugs) in NAMES {
            let scores = slugs.iter().map(|slug| score(*slug));
            let acted = scores.clone().any(|(_, action)| action != Action::Allow);
            result.categories.insert(name, acted);
            result.category_scores.insert(name, scores.map(|(score, _)| score).fold(0.0, f32::max));
            let inputs = if slugs.is_empty() { Vec::new() } else { vec!["text"] };
            result.category_applied_input_types.insert(name, inputs);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slugs without a counterpart among OpenAI's names.
    const OURS_ALONE: &[Category] = &[
        Category::UnlicensedProfession,
        Category::Privacy,
        Category::Spam,
        Category::Impersonation,
        Category::ClaimsHuman,
        Category::Disclosure,
        Category::Jailbreak,
        Category::PromptInjection,
        Category::SystemPromptLeak,
    ];

    #[test]
    fn every_slug_has_an_openai_name_or_is_listed_as_ours_alone() {
        for category in Category::ALL {
            let named = NAMES.iter().any(|(_, slugs)| slugs.contains(category));
            assert_ne!(named, OURS_ALONE.contains(category), "{category}");
        }
    }

    #[test]
    fn the_documentation_has_the_same_names() {
        let text = include_str!("../../../docs/API.md").replace('\n', " ");
        for (name, slugs) in NAMES {
            let slugs: Vec<_> = slugs.iter().map(|slug| slug.slug()).collect();
            let entry = match slugs.join(", ") {
                slugs if slugs.is_empty() => format!("`{name}`"),
                slugs => format!("`{name}` ({slugs})"),
            };
            assert!(text.contains(&entry), "{entry}");
        }
    }
}
