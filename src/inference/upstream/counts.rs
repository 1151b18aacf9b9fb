//! Token counts, as servers report them: once at the end for all choices; with
//! every chunk, counting up; or, as llama.cpp's server does, for each choice at
//! its end. Knows no wire format; `answer` feeds it.

use crate::domain::Usage;

/// What has been reported so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    last: Option<Usage>,
    reports: usize,
    /// All reports' completion tokens together.
    completion_tokens: u32,
    /// Choices that were over at the last report.
    finished: usize,
    /// A report came in the middle of a choice: each one repeats what those before it counted.
    counting_up: bool,
}

impl Counts {
    /// Takes a report that came when `finished` choices were over.
    pub(super) fn report(&mut self, usage: Usage, finished: usize) {
        self.counting_up |= finished == self.finished;
        self.finished = finished;
        self.reports += 1;
        self.completion_tokens = self.completion_tokens.saturating_add(usage.completion_tokens);
        self.last = Some(usage);
    }

    /// The counts of an answer with so many choices; `None` when there was no report.
    pub(super) fn total(&self, choices: usize) -> Option<Usage> {
        let last = self.last?;
        let is_one_each = !self.counting_up && self.reports == choices;
        let completion_tokens =
            if is_one_each { self.completion_tokens } else { last.completion_tokens };
        // The prompt is the same for all.
        Some(Usage { completion_tokens, ..last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(choices: usize, reports: &[(u32, usize)]) -> Option<u32> {
        let mut counts = Counts::default();
        for &(completion_tokens, finished) in reports {
            counts.report(Usage { prompt_tokens: 7, completion_tokens }, finished);
        }
        let usage = counts.total(choices)?;
        assert_eq!(usage.prompt_tokens, 7);
        Some(usage.completion_tokens)
    }

    #[test]
    fn each_way_to_report_gives_the_tokens_of_all_choices() {
        assert_eq!(total(2, &[]), None);
        assert_eq!(total(2, &[(9, 2)]), Some(9), "once, at the end");
        assert_eq!(total(2, &[(4, 1), (5, 2)]), Some(9), "for each choice");
        assert_eq!(total(2, &[(1, 0), (4, 1), (9, 2)]), Some(9), "with every chunk");
        assert_eq!(total(2, &[(1, 0), (9, 2)]), Some(9), "with every chunk, of which are two");
        assert_eq!(total(1, &[(4, 1)]), Some(4));
        assert_eq!(total(1, &[(4, 1), (4, 1)]), Some(4), "twice the same");
    }
}
