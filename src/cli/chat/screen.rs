//! What `chat` shows: prompts on a terminal, plain text in a pipe, colour where it helps.
//!
//! Answers go to standard output, everything about them to standard error. What a
//! model says cannot steer the terminal: control characters are left out.

use std::io::{self, IsTerminal as _, Write as _};

use super::client::End;

#[derive(Debug)]
pub(super) struct Screen {
    interactive: bool,
    coloured: bool,
}

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl Screen {
    pub(super) fn new(interactive: bool) -> Self {
        let coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { interactive, coloured }
    }

    pub(super) fn greet(&self, model: &str) -> io::Result<()> {
        if self.interactive {
            self.line(DIM, &format!("talking to {model}; /help lists the commands"))?;
        }
        Ok(())
    }

    pub(super) fn ask(&self) -> io::Result<()> {
        if self.interactive {
            self.paint(BOLD, "you> ")?;
        }
        Ok(())
    }

    pub(super) fn help(&self) -> io::Result<()> {
        let text = "/reset starts a new conversation, /quit or Ctrl-D ends it, Ctrl-C stops an \
                    answer. A refused message is forgotten.";
        self.line(DIM, text)
    }

    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(harmless(text).as_bytes())?;
        out.flush()
    }

    pub(super) fn end(&self, end: &End) -> io::Result<()> {
        self.new_line()?;
        match describe(end) {
            Some(text) => self.line(if end.is_refused() { RED } else { YELLOW }, &text),
            None => Ok(()),
        }
    }

    pub(super) fn note(&self, text: &str) -> io::Result<()> {
        self.line(DIM, &format!("[{text}]"))
    }

    pub(super) fn fail(&self, error: &str) -> io::Result<()> {
        self.line(RED, &format!("error: {}", harmless(error)))
    }

    pub(super) fn leave(&self) -> io::Result<()> {
        if self.interactive { writeln!(io::stderr()) } else { Ok(()) }
    }

    fn new_line(&self) -> io::Result<()> {
        writeln!(io::stdout())
    }

    fn line(&self, style: &str, text: &str) -> io::Result<()> {
        self.paint(style, text)?;
        writeln!(io::stderr())
    }

    fn paint(&self, style: &str, text: &str) -> io::Result<()> {
        let mut err = io::stderr().lock();
        if self.coloured {
            write!(err, "{style}{text}{PLAIN}")?;
        } else {
            write!(err, "{text}")?;
        }
        err.flush()
    }
}

/// What the policy did, when it did something.
pub(super) fn describe(end: &End) -> Option<String> {
    let decision = end.decision.clone().unwrap_or_default();
    let categories = decision.categories.join(", ");
    let did = match (end.finish_reason.as_deref(), decision.outcome.as_str()) {
        (Some("content_filter"), _) if decision.stage.as_deref() == Some("output") => "cut off",
        (Some("content_filter"), _) => "refused",
        (_, "policy_replace") => "answered by the policy",
        (Some("length"), _) if categories.is_empty() => return Some("[out of tokens]".to_owned()),
        _ if categories.is_empty() => return None,
        _ => "passed, with findings",
    };
    let mut text = format!("[{did}");
    if !categories.is_empty() {
        text.push_str(": ");
        text.push_str(&harmless(&categories));
    }
    if !decision.decision.is_empty() {
        text.push_str(", decision ");
        text.push_str(&harmless(&decision.decision));
    }
    text.push(']');
    Some(text)
}

/// Without control characters, but for line breaks and tabs.
pub(super) fn harmless(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
