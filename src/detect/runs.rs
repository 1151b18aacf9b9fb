//! Running patterns where their literals were found.
//!
//! The matches of one pattern that count are disjoint: each begins at or after
//! the end of the one before it, as if the pattern had been run over the whole
//! text. A run covers the starts that an announcement allows, over as much
//! text as a match can take; in a stream it may begin before all of that is
//! there and then waits with what is left. Part of [`super::Detector`].

use std::ops::Range;

use super::pass::{Pass, Run};
use super::window::{Window, back_by_chars, forward_by_char, forward_by_chars};
use super::{Detector, Hit, LOOK_CHARS, lexicon};

impl Detector {
    /// Turns what was found into runs of the patterns that it announces.
    pub(super) fn announce(&self, window: &Window<'_>, pass: &mut Pass) {
        if pass.around.is_empty() {
            return;
        }
        for around in pass.around.drain(..) {
            for &pattern in self.groups.get(around.group).into_iter().flatten() {
                let before = self
                    .patterns
                    .get(pattern)
                    .and_then(|(_, pattern)| pattern.anchor())
                    .map_or(0, |anchor| anchor.before_chars);
                let from = back_by_chars(window.text, around.first, before).max(window.from);
                let (from, to) = (window.base + from, window.base + around.last);
                if pass.next.get(pattern).is_none_or(|next| *next <= to) {
                    pass.due = pass.due.min(from);
                    pass.runs.push(Run { pattern, from, to });
                }
            }
        }
        pass.join_runs();
    }

    /// Decides what waits and starts in the window.
    pub(super) fn settle(&self, window: &Window<'_>, pass: &mut Pass, out: &mut Vec<Hit>) {
        let until = window.base + window.until;
        let mut due = usize::MAX;
        pass.phrases.retain(|phrase| {
            if phrase.span.start >= until {
                due = due.min(phrase.span.start);
                return true;
            }
            let Some(start) = phrase.span.start.checked_sub(window.base) else { return false };
            let span = start..start + phrase.span.len();
            if (!phrase.whole_words || lexicon::is_whole(window.text, &span))
                && !self.excepted(phrase.rule, &span, window)
            {
                out.push(window.hit(phrase.rule, span, None));
            }
            false
        });
        if !pass.runs.is_empty() && pass.next.is_empty() {
            pass.next.resize(self.patterns.len(), 0);
        }
        let Pass { runs, next, .. } = pass;
        runs.retain_mut(|run| {
            if run.from < until {
                let Some(next) = next.get_mut(run.pattern) else { return false };
                match self.run(run, window, next, out) {
                    Some(left) => run.from = left,
                    None => return false,
                }
            }
            due = due.min(run.from);
            true
        });
        pass.due = due;
    }

    /// Runs a pattern that nothing announces over all that can be decided.
    pub(super) fn run_always(
        &self,
        pattern: usize,
        window: &Window<'_>,
        pass: &mut Pass,
        out: &mut Vec<Hit>,
    ) {
        if pass.next.is_empty() {
            pass.next.resize(self.patterns.len(), 0);
        }
        let Some(next) = pass.next.get_mut(pattern) else { return };
        let run = Run { pattern, from: (window.base + window.from).max(*next), to: usize::MAX };
        if run.from < window.base + window.until
            && let Some(left) = self.run(&run, window, next, out)
        {
            *next = left;
        }
    }

    /// Takes the matches that start in the run and in the window. Returns where
    /// the rest of the run begins, if there is a rest; `next` is where the next match
    /// of the pattern may begin.
    fn run(
        &self,
        run: &Run,
        window: &Window<'_>,
        next: &mut usize,
        out: &mut Vec<Hit>,
    ) -> Option<usize> {
        let (rule, pattern) = self.patterns.get(run.pattern)?;
        let text = window.text;
        let last = run.to.saturating_sub(window.base);
        let mut at = run.from.max(*next).saturating_sub(window.base);
        let (end, sure) = visible(text, last, pattern.chars_max());
        loop {
            if at > last {
                return None;
            }
            if at >= window.until {
                return Some(window.base + at);
            }
            let found = pattern.find_in(text, at..end);
            match found {
                Some(span) if span.start <= last && span.start < window.until => {
                    // An excepted match takes no text: another may begin inside it and reach out of it.
                    at = match pattern.accepted(text, &span) {
                        None => pattern.after_refused(text, &span),
                        Some(span) if self.excepted(*rule, &span, window) => {
                            forward_by_char(text, span.start)
                        }
                        Some(span) => {
                            let end = span.end;
                            out.push(window.hit(*rule, span, pattern.entity()));
                            end
                        }
                    };
                    *next = window.base + at;
                }
                found => {
                    let none_before = match found {
                        Some(span) => span.start.min(sure),
                        None if pattern.chars_max().is_none() => usize::MAX,
                        None => last.saturating_add(1).min(sure),
                    };
                    *next = window.base.saturating_add(none_before).max(*next);
                    let left = none_before.max(window.until);
                    return (left <= last).then_some(window.base.saturating_add(left));
                }
            }
        }
    }

    /// Whether a match lies inside a match of one of its rule's exceptions.
    /// Tried from every start, so that the answer depends on the text alone.
    pub(super) fn excepted(&self, rule: usize, span: &Range<usize>, window: &Window<'_>) -> bool {
        let Some(unless) = self.unless.get(rule) else { return false };
        unless.iter().any(|except| {
            let chars = except.chars_max().unwrap_or_default();
            let mut at = back_by_chars(window.text, span.start, chars);
            // What begins by the start of the match ends here at the latest.
            let end = forward_by_chars(window.text, span.start, chars).unwrap_or(window.text.len());
            while let Some(found) = except.find_in(window.text, at..end) {
                if found.start > span.start {
                    return false;
                }
                if found.end >= span.end {
                    return true;
                }
                at = forward_by_char(window.text, found.start);
            }
            false
        })
    }
}

/// How far to read for matches that start up to `last`, and the start from
/// which on they may need text that is not there.
fn visible(text: &str, last: usize, chars_max: Option<usize>) -> (usize, usize) {
    let Some(chars) = chars_max else { return (text.len(), usize::MAX) };
    match forward_by_chars(text, last, chars + LOOK_CHARS) {
        Some(end) => (end, usize::MAX),
        None => (text.len(), back_by_chars(text, text.len(), chars + LOOK_CHARS)),
    }
}
