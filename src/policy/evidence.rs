//! What findings add up to: a score and an action per category.
//!
//! A category's score is `1 - Π(1 - score)` over the distinct rules that
//! matched: independent hints, each of which could be wrong. Rules above the
//! block level, and matches under an exception, are recorded but never act. In a
//! conversation the score of an older turn counts with a share
//! ([`super::conversation`]).

use crate::domain::{Action, Category, CategoryScore, Stage};

use super::spec::Decision;

/// Sums of a few floats; a threshold that is met on paper is met.
const TOLERANCE: f64 = 1e-6;

/// One stage's rule, as the tally needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) category: Category,
    pub(super) score: f32,
    /// Its level is at or below the block level, and no exception covers it.
    pub(super) enforced: bool,
}

/// How a rule was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Never,
    /// Only by matches that do not act.
    Recorded,
    Enforced,
}

impl Weight {
    /// What the rule weighs where an exception covers its match, or none does.
    pub(super) fn unless(self, excepted: bool) -> Self {
        Self { enforced: self.enforced && !excepted, ..self }
    }
}

/// The tally of one stage of one exchange.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    stage: Stage,
    /// Rules that were counted, by number.
    counted: Vec<Counted>,
    /// By category, in their order.
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    /// Product of `1 - score`.
    doubt: f64,
    enforced_doubt: f64,
    found: bool,
    enforced: bool,
}

impl Tally {
    fn reaches(&self, threshold: f32) -> bool {
        self.enforced && reaches(1.0 - self.enforced_doubt, threshold)
    }
}

/// Whether a score meets a threshold, on paper.
pub(super) fn reaches(score: f64, threshold: f32) -> bool {
    score + TOLERANCE >= f64::from(threshold)
}

impl Evidence {
    pub(super) fn new(stage: Stage, rules: usize) -> Self {
        let none = Tally { doubt: 1.0, enforced_doubt: 1.0, found: false, enforced: false };
        Self {
            stage,
            counted: vec![Counted::Never; rules],
            tallies: vec![none; Category::ALL.len()],
        }
    }

    /// Counts a match of rule `number`, once; one that acts counts although
    /// another was only recorded.
    pub(super) fn add(&mut self, number: usize, weight: Weight) {
        self.add_share(number, weight, 1.0);
    }

    /// Counts a match of rule `number` with a share of its score (0 to 1), once: whoever adds
    /// begins with the largest share.
    pub(super) fn add_share(&mut self, number: usize, weight: Weight, share: f64) {
        let Some(counted) = self.counted.get_mut(number) else { return };
        let now = if weight.enforced { Counted::Enforced } else { Counted::Recorded };
        let before = std::mem::replace(counted, now.max(*counted));
        let Some(tally) = self.tallies.get_mut(index(weight.category)) else { return };
        let doubt = 1.0 - f64::from(weight.score) * share;
        if before == Counted::Never {
            tally.doubt *= doubt;
            tally.found = true;
        }
        if now == Counted::Enforced && before != Counted::Enforced {
            tally.enforced_doubt *= doubt;
            tally.enforced = true;
        }
    }

    /// Lets no category score less than it does in `part`.
    pub(super) fn raise(&mut self, part: &Self) {
        for (tally, part) in self.tallies.iter_mut().zip(&part.tallies) {
            tally.doubt = tally.doubt.min(part.doubt);
            tally.enforced_doubt = tally.enforced_doubt.min(part.enforced_doubt);
            tally.found |= part.found;
            tally.enforced |= part.enforced;
        }
    }

    /// What is done about a category by now. `decision` is the policy's.
    pub(super) fn action(&self, category: Category, decision: Decision) -> Action {
        let Some(tally) = self.tallies.get(index(category)).filter(|tally| tally.found) else {
            return Action::Allow;
        };
        if decision.action == Action::Allow {
            return Action::Allow;
        }
        if tally.reaches(decision.threshold) { decision.action } else { Action::Flag }
    }

    /// The categories with evidence, the decisive one first.
    pub(super) fn scores(
        &self,
        decide: impl Fn(Category, Stage) -> Decision,
    ) -> Vec<CategoryScore> {
        let mut scores: Vec<CategoryScore> = Category::ALL
            .iter()
            .filter_map(|category| {
                let tally = self.tallies.get(index(*category)).filter(|tally| tally.found)?;
                let doubt = if tally.enforced { tally.enforced_doubt } else { tally.doubt };
                let score = (1.0 - doubt) as f32;
                let action = self.action(*category, decide(*category, self.stage));
                Some(CategoryScore { category: *category, score, action })
            })
            .collect();
        scores.sort_by(|a, b| {
            let severity = |score: &CategoryScore| score.category.severity();
            (b.action, severity(b)).cmp(&(a.action, severity(a))).then(b.score.total_cmp(&a.score))
        });
        scores
    }
}

/// `Category::ALL` stands in the order of the declaration.
fn index(category: Category) -> usize {
    Category::ALL.iter().position(|known| *known == category).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Decision = Decision { action: Action::Block, threshold: 0.75 };

    fn weight(score: f32, enforced: bool) -> Weight {
        Weight { category: Category::Weapons, score, enforced }
    }

    #[test]
    fn distinct_rules_add_up_and_repetitions_do_not() {
        let mut evidence = Evidence::new(Stage::Input, 3);
        assert_eq!(evidence.action(Category::Weapons, BLOCK), Action::Allow);
        evidence.add(0, weight(0.5, true));
        evidence.add(0, weight(0.5, true));
        assert_eq!(evidence.action(Category::Weapons, BLOCK), Action::Flag);
        evidence.add(1, weight(0.5, true));
        assert_eq!(evidence.action(Category::Weapons, BLOCK), Action::Block);
        assert_eq!(evidence.scores(|_, _| BLOCK)[0].score, 0.75);
    }

    #[test]
    fn a_rule_in_shadow_never_acts() {
        let mut evidence = Evidence::new(Stage::Input, 3);
        evidence.add(2, weight(1.0, false));
        assert_eq!(evidence.action(Category::Weapons, BLOCK), Action::Flag);
    }
}
