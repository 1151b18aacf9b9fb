//! What is particular to one exchange: which sampled rules act in it, and what
//! its answer must not give away.
//!
//! The pipeline makes an [`Occasion`] per exchange and hands it to both stages,
//! so that prompt, answer and all choices are judged alike. Without one, every
//! rule acts. Knows no clock and no randomness: the key comes from the caller.

use std::sync::Arc;

use super::leak::Leak;
use crate::domain::{DecisionId, Digest, RuleId};

/// What is particular to one exchange. The default: every rule acts, nothing is planted.
#[derive(Debug, Clone, Default)]
pub struct Occasion {
    /// Decides about sampled rules; `None`: they all act.
    pub sample: Option<SampleKey>,
    /// What the answer is searched for besides the policy's rules.
    pub leak: Option<Arc<Leak>>,
}

/// One exchange's place in the draw of each sampled rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleKey(Digest);

impl SampleKey {
    pub fn of(decision: DecisionId) -> Self {
        Self(Digest::of(decision.to_string().as_bytes()))
    }

    /// Whether a rule that acts in `share` of the exchanges acts in this one.
    pub(super) fn draws(&self, rule: &RuleId, share: f32) -> bool {
        let mut bytes = rule.0.as_bytes().to_vec();
        // A rule's id has no such byte, so id and key cannot run into one another.
        bytes.push(0);
        bytes.extend_from_slice(&self.0.0);
        let digest = Digest::of(&bytes);
        let mut head = [0; 4];
        for (byte, drawn) in head.iter_mut().zip(digest.0) {
            *byte = drawn;
        }
        let place = f64::from(u32::from_be_bytes(head)) / 2f64.powi(32);
        place < f64::from(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_exchanges_is_drawn_and_rules_draw_on_their_own() {
        let keys: Vec<SampleKey> = (0..2_000).map(|_| SampleKey::of(DecisionId::new())).collect();
        let (a, b) = (RuleId("a".into()), RuleId("b".into()));
        let drawn = |rule: &RuleId, share| keys.iter().filter(|key| key.draws(rule, share)).count();
        assert!((300..500).contains(&drawn(&a, 0.2)), "{}", drawn(&a, 0.2));
        assert_eq!(drawn(&a, 1.0), keys.len());
        let both = keys.iter().filter(|key| key.draws(&a, 0.5) && key.draws(&b, 0.5)).count();
        assert!((400..600).contains(&both), "{both}");
        // Whoever is in a share is in every larger one: raising it adds exchanges, never swaps them.
        assert!(keys.iter().all(|key| !key.draws(&a, 0.2) || key.draws(&a, 0.3)));
    }
}
