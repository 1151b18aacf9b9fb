//! The clauses of the acceptable-use policy, each with its one stable slug.
//!
//! Source: Meta's Llama 2 Acceptable Use Policy, clause numbers as printed
//! there; summaries are ours. The slug is the only name used in policy files,
//! verdicts, metric labels, audit records and reports.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How grave a violation is; orders reports and decides ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Medium,
    High,
    Critical,
}

struct Facts {
    slug: &'static str,
    /// `None` for the slugs that guard the guardrail itself.
    clause: Option<&'static str>,
    severity: Severity,
    title: &'static str,
}

macro_rules! categories {
    ($($name:ident, $slug:literal, $clause:expr, $severity:ident, $title:literal;)*) => {
        /// One clause of the policy, or one of the slugs that guard the guardrail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Category { $($name,)* }

        impl Category {
            /// Every category, in the order of the policy's clauses.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn facts(self) -> Facts {
                match self {
                    $(Self::$name => Facts {
                        slug: $slug,
                        clause: $clause,
                        severity: Severity::$severity,
                        title: $title,
                    },)*
                }
            }
        }
    };
}

categories! {
    ViolenceTerrorism, "violence_terrorism", Some("1.1.1"), Critical, "violence or terrorism";
    ChildExploitation, "child_exploitation", Some("1.1.2"), Critical, "exploitation of or harm to children";
    TraffickingSexualViolence, "trafficking_sexual_violence", Some("1.1.3"), Critical, "human trafficking, exploitation, sexual violence";
    MinorsIllegalMaterial, "minors_illegal_material", Some("1.1.4"), High, "illegal distribution of material to minors";
    SexualSolicitation, "sexual_solicitation", Some("1.1.5"), High, "sexual solicitation";
    OtherCrime, "other_crime", Some("1.1.6"), High, "other criminal activity";
    Harassment, "harassment", Some("1.2"), High, "harassment, abuse, threats, bullying";
    DiscriminationHate, "discrimination_hate", Some("1.3"), High, "discrimination or hate";
    UnlicensedProfession, "unlicensed_profession", Some("1.4"), Medium, "unlicensed practice of a profession";
    Privacy, "privacy", Some("1.5"), High, "sensitive personal data without consent";
    IpInfringement, "ip_infringement", Some("1.6"), Medium, "infringement of third-party rights";
    MaliciousCode, "malicious_code", Some("1.7"), Critical, "malicious code or disabling of systems";
    MilitaryCbrn, "military_cbrn", Some("2.1"), Critical, "military, nuclear, chemical, biological, espionage";
    Weapons, "weapons", Some("2.2"), High, "guns and illegal weapons";
    Drugs, "drugs", Some("2.3"), High, "illegal drugs and regulated substances";
    CriticalInfrastructure, "critical_infrastructure", Some("2.4"), High, "operating critical infrastructure or heavy machinery";
    SelfHarm, "self_harm", Some("2.5"), Critical, "self-harm, suicide, eating disorders";
    InciteViolence, "incite_violence", Some("2.6"), Critical, "inciting or promoting violence";
    FraudDisinformation, "fraud_disinformation", Some("3.1"), High, "fraud or disinformation";
    Defamation, "defamation", Some("3.2"), Medium, "defamatory content";
    Spam, "spam", Some("3.3"), Medium, "generating or distributing spam";
    Impersonation, "impersonation", Some("3.4"), High, "impersonation without consent";
    ClaimsHuman, "claims_human", Some("3.5"), High, "representing the model or its output as human";
    FakeEngagement, "fake_engagement", Some("3.6"), Medium, "fake reviews and engagement";
    Disclosure, "disclosure", Some("4"), High, "failing to disclose known dangers";
    Jailbreak, "jailbreak", None, High, "attempt to disable the guardrail";
    PromptInjection, "prompt_injection", None, High, "instructions smuggled into the prompt";
    SystemPromptLeak, "system_prompt_leak", None, Medium, "disclosure of the system prompt";
    SexualContent, "sexual_content", None, Medium, "sexual content (an optional policy choice)";
}

impl Category {
    /// The stable name, e.g. `self_harm`.
    pub const fn slug(self) -> &'static str {
        self.facts().slug
    }

    /// The clause number of the acceptable-use policy, e.g. `2.5`.
    pub const fn clause(self) -> Option<&'static str> {
        self.facts().clause
    }

    pub const fn severity(self) -> Severity {
        self.facts().severity
    }

    /// A short description for people.
    pub const fn title(self) -> &'static str {
        self.facts().title
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A name that is not a slug.
#[derive(Debug, thiserror::Error)]
#[error("unknown category `{0}`")]
pub struct UnknownCategory(pub String);

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(slug: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|category| category.slug() == slug)
            .ok_or_else(|| UnknownCategory(slug.to_owned()))
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slug = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        slug.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_parses_back_and_none_is_used_twice() {
        for category in Category::ALL {
            assert_eq!(category.slug().parse::<Category>().unwrap(), *category);
        }
        let mut slugs: Vec<_> = Category::ALL.iter().map(|c| c.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Category::ALL.len());
    }
}
