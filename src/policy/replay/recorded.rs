//! What a policy would have decided on the findings that the log keeps.
//!
//! The log has findings, not texts, so a candidate's decision is recomputed
//! from them: with its scores, levels and thresholds. That is exact as long as
//! the candidate has every rule that was found, and has no rule that would
//! have found more. More evidence never lowers a score, so what is left of the
//! findings is a lower bound: when it already leads to the same action, or to a
//! stricter one, rules that are gone leave no doubt.

use serde::Serialize;

use crate::domain::{Action, Finding, Place, Stage, Unjudged, Verdict};
use crate::policy::Engine;
use crate::policy::cases::judge_as;
use crate::policy::evidence::{Evidence, Weight};

/// What would have become of one recorded verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Recomputed {
    Same,
    Changed {
        before: Action,
        after: Action,
    },
    /// Rules that were found are gone, and what is left would lead to less.
    Unknown,
}

impl Engine {
    /// The verdict that this policy's scores, levels and thresholds give for
    /// the findings of another verdict; `block_level` in place of the policy's
    /// own. Findings of rules that do not run here are left out.
    pub fn reweigh(&self, verdict: &Verdict, block_level: Option<u8>) -> Verdict {
        self.weigh(verdict.stage, &verdict.findings, &verdict.unjudged, block_level)
    }

    fn weigh(
        &self,
        stage: Stage,
        findings: &[Finding],
        unjudged: &[Unjudged],
        block_level: Option<u8>,
    ) -> Verdict {
        let rules = &self.rules(stage).rules;
        let mut evidence = Evidence::new(stage, rules.len());
        let mut kept = Vec::new();
        for finding in findings {
            let found = rules.iter().enumerate().find(|(_, rule)| rule.id == finding.rule);
            let Some((number, rule)) = found else { continue };
            let enforced = block_level.map_or(rule.weight.enforced, |block| rule.level <= block);
            evidence.add(number, Weight { enforced, ..rule.weight });
            kept.push(Finding {
                category: rule.weight.category,
                level: rule.level,
                score: rule.weight.score,
                ..finding.clone()
            });
        }
        self.verdict(stage, &evidence, kept, unjudged.to_vec())
    }

    /// What this policy would have decided where the log has `verdict` and,
    /// for some places, the matched text.
    pub fn recompute(
        &self,
        verdict: &Verdict,
        stored: &[(Place, &str)],
        complete: bool,
    ) -> Recomputed {
        let rules = &self.rules(verdict.stage).rules;
        let gone: Vec<&Finding> = verdict
            .findings
            .iter()
            .filter(|finding| self.rule(&finding.rule.0).is_none())
            .filter(|finding| rules.iter().all(|rule| rule.id != finding.rule))
            .collect();
        let mut findings = verdict.findings.clone();
        // Where the words of a lost finding were kept, the candidate's own rules may find them.
        for place in places(&gone) {
            for (_, text) in stored.iter().filter(|(at, _)| *at == place) {
                findings.extend(judge_as(self, verdict.stage, None, text).findings);
            }
        }
        let weighed = self.weigh(verdict.stage, &findings, &verdict.unjudged, None);
        let (before, after) = (verdict.action, weighed.action);
        if before == after {
            Recomputed::Same
        } else if after < before && !(gone.is_empty() && complete) {
            Recomputed::Unknown
        } else {
            Recomputed::Changed { before, after }
        }
    }
}

fn places(findings: &[&Finding]) -> Vec<Place> {
    let mut places: Vec<Place> = findings.iter().map(|finding| finding.place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Category;
    use crate::policy::cases::judge;
    use crate::policy::compile_text;

    fn engine(header: &str, rules: &str) -> Engine {
        let mut text = format!(
            "policy: p\nversion: \"1\"\nrefusal: No.\ndisclosure: {{ header: An AI }}\nunjudged: block\n{header}\ncategories:\n"
        );
        for category in Category::ALL {
            let severity = format!("{:?}", category.severity()).to_lowercase();
            let decision = "{ action: block, threshold: 0.5 }";
            text.push_str(&format!(
                "  {category}: {{ severity: {severity}, input: {decision}, output: {decision} }}\n"
            ));
        }
        compile_text("p.yaml", &(text + rules)).unwrap_or_else(|error| panic!("{error}")).engine
    }

    const LEVELS: &str = "detect_level: 2\nblock_level: 1";
    const RULES: &str = "rules:
  - { id: weapons/a, category: weapons, score: 0.4, phrases: [gunpowder] }
  - { id: weapons/b, category: weapons, score: 0.4, phrases: [cartridge] }
  - { id: weapons/c, category: weapons, level: 2, score: 0.9, phrases: [rifle] }
";

    #[test]
    fn the_same_policy_says_the_same_again() {
        let engine = engine(LEVELS, RULES);
        for text in ["nothing", "gunpowder", "gunpowder cartridge", "rifle", "rifle gunpowder"] {
            let verdict = judge(&engine, Stage::Input, text);
            assert_eq!(engine.recompute(&verdict, &[], true), Recomputed::Same, "{text}");
            assert_eq!(engine.reweigh(&verdict, None), verdict, "{text}");
        }
    }

    #[test]
    fn scores_and_levels_of_the_candidate_count() {
        let before = engine(LEVELS, RULES);
        let verdict = judge(&before, Stage::Input, "a gunpowder cartridge");
        assert_eq!(verdict.action, Action::Block);
        let milder = engine(
            LEVELS,
            &RULES.replace("score: 0.4, phrases: [cartridge]", "score: 0.1, phrases: [x]"),
        );
        let changed = Recomputed::Changed { before: Action::Block, after: Action::Flag };
        assert_eq!(milder.recompute(&verdict, &[], true), changed);
        assert_eq!(milder.recompute(&verdict, &[], false), Recomputed::Unknown);
        let rifle = judge(&before, Stage::Input, "a rifle");
        assert_eq!(rifle.action, Action::Flag);
        let stricter = engine("detect_level: 2\nblock_level: 2", RULES);
        let changed = Recomputed::Changed { before: Action::Flag, after: Action::Block };
        assert_eq!(stricter.recompute(&rifle, &[], true), changed);
        assert_eq!(before.reweigh(&rifle, Some(2)).action, Action::Block);
    }

    #[test]
    fn a_rule_that_is_gone_leaves_a_doubt_unless_the_text_was_kept() {
        let before = engine(LEVELS, RULES);
        let verdict = judge(&before, Stage::Input, "a gunpowder cartridge");
        let renamed = engine(LEVELS, &RULES.replace("weapons/b", "weapons/z"));
        assert_eq!(renamed.recompute(&verdict, &[], true), Recomputed::Unknown);
        let place = verdict.findings[0].place;
        assert_eq!(renamed.recompute(&verdict, &[(place, "cartridge")], true), Recomputed::Same);
    }
}
