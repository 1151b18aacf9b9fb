//! `portcullis chat`: a conversation with a running gateway, from the terminal.
//!
//! On a terminal it asks and streams; with piped input every line is one
//! message, for scripts. A refusal is shown as what it is, and what was refused
//! does not become part of the conversation, so that the next turn is not
//! refused because of the last.

mod client;
mod screen;

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use reqwest::Url;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::mpsc;

use client::{Answer, Client, Part};
use screen::Screen;

const URL_DEFAULT: &str = "http://127.0.0.1:8080";

/// Lines that were typed ahead.
const LINES_MAX: usize = 64;

#[derive(Debug, Args)]
pub struct ChatArgs {
    /// The gateway's address
    #[arg(long, env = "PORTCULLIS_URL", default_value = URL_DEFAULT, value_parser = url)]
    url: Url,
    /// API key, where the gateway has keys
    #[arg(long, env = "PORTCULLIS_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    /// Model name [default: the first that the gateway lists]
    #[arg(long)]
    model: Option<String>,
    /// System text for the whole conversation
    #[arg(long)]
    system: Option<String>,
    /// Longest answer, in tokens
    #[arg(long)]
    max_tokens: Option<u32>,
    /// 0 always takes the likeliest token
    #[arg(long)]
    temperature: Option<f32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Turn {
    role: &'static str,
    content: String,
}

/// An empty variable counts as not set, as everywhere.
fn url(text: &str) -> Result<Url, <Url as std::str::FromStr>::Err> {
    if text.is_empty() { URL_DEFAULT.parse() } else { text.parse() }
}

/// Talks until the input ends.
///
/// # Errors
/// When the gateway cannot be reached or the terminal cannot be written.
pub fn run(args: ChatArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(Chat::start(args))
}

struct Chat {
    client: Client,
    screen: Screen,
    system: Option<Turn>,
    turns: Vec<Turn>,
    failed: bool,
}

/// What to do after a line.
enum Next {
    Line,
    Quit,
}

impl Chat {
    async fn start(args: ChatArgs) -> anyhow::Result<ExitCode> {
        let interactive = std::io::stdin().is_terminal();
        let mut client = Client::new(args.url, args.key, args.max_tokens, args.temperature)?;
        let model = match args.model {
            Some(model) => model,
            None => client.default_model().await?,
        };
        client.model.clone_from(&model);
        let system = args.system.map(|content| Turn { role: "system", content });
        let screen = Screen::new(interactive);
        screen.greet(&model)?;
        let mut chat = Self { client, screen, system, turns: Vec::new(), failed: false };
        chat.talk(lines(interactive)?).await?;
        Ok(if chat.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn talk(&mut self, mut lines: mpsc::Receiver<String>) -> anyhow::Result<()> {
        loop {
            self.screen.ask()?;
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else { break };
            if let Next::Quit = self.take(line.trim()).await? {
                break;
            }
        }
        self.screen.leave()?;
        Ok(())
    }

    async fn take(&mut self, line: &str) -> anyhow::Result<Next> {
        match line {
            "" => {}
            "/quit" | "/exit" => return Ok(Next::Quit),
            "/reset" => {
                self.turns.clear();
                self.screen.note("the conversation starts anew")?;
            }
            "/help" => self.screen.help()?,
            message => self.say(message).await?,
        }
        Ok(Next::Line)
    }

    async fn say(&mut self, message: &str) -> anyhow::Result<()> {
        self.turns.push(Turn { role: "user", content: message.to_owned() });
        let turns: Vec<&Turn> = self.system.iter().chain(&self.turns).collect();
        match self.client.ask(&turns).await {
            Ok(answer) => self.show(answer).await,
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    /// Ctrl-C ends the answer, not the conversation.
    async fn show(&mut self, mut answer: Answer) -> anyhow::Result<()> {
        let mut text = String::new();
        loop {
            let part = tokio::select! {
                part = answer.next() => part,
                _ = tokio::signal::ctrl_c() => {
                    self.screen.note("interrupted")?;
                    break;
                }
            };
            match part {
                Ok(Part::Text(piece)) => {
                    self.screen.write(&piece)?;
                    text.push_str(&piece);
                }
                Ok(Part::End(end)) => {
                    self.screen.end(&end)?;
                    if end.is_refused() {
                        self.turns.pop();
                        return Ok(());
                    }
                    break;
                }
                Err(error) => return self.give_up(&error.to_string()),
            }
        }
        self.turns.push(Turn { role: "assistant", content: text });
        Ok(())
    }

    /// Without an answer the message is not part of the conversation.
    fn give_up(&mut self, error: &str) -> anyhow::Result<()> {
        self.turns.pop();
        self.failed = true;
        self.screen.fail(error)?;
        Ok(())
    }
}

/// The lines of standard input. A thread of its own reads them: a blocked read cannot be cancelled.
fn lines(interactive: bool) -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, receiver) = mpsc::channel(if interactive { 1 } else { LINES_MAX });
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            // Bytes that are no text are shown as such to the model, and the rest goes on.
            for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })
        .context("cannot read the terminal")?;
    Ok(receiver)
}

#[cfg(test)]
mod tests;
