//! Proof that a value was judged and may go on.

use crate::domain::Verdict;

/// A value that a verdict lets pass. Back ends accept nothing else.
///
/// INVARIANT: made from a verdict that does not stop; `pipeline::input` is the
/// only caller of [`Permitted::grant`] (checked by `tests/architecture.rs`).
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// The proof, or `None` when the verdict stops.
    pub fn grant(verdict: &Verdict, value: T) -> Option<Self> {
        (!verdict.action.stops()).then_some(Self(value))
    }

    pub const fn get(&self) -> &T {
        &self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, Stage};

    #[test]
    fn a_stopping_verdict_grants_nothing() {
        let mut verdict = Verdict::clean(Stage::Input);
        assert!(Permitted::grant(&verdict, ()).is_some());
        for action in [Action::Replace, Action::Block] {
            verdict.action = action;
            assert!(Permitted::grant(&verdict, ()).is_none());
        }
    }
}
