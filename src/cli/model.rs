//! `portcullis model`: look into a checkpoint, and check the tokenizer and the numbers.
//!
//! For people and for tests that compare with other engines. Reads text from
//! standard input byte for byte: a line feed at the end is part of it. Knows
//! nothing of the gateway.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::model::{Inspection, Model, ModelCard, Progress, Tokenizer};

/// Most text that a command reads.
const INPUT_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Print the token ids of standard input, separated by spaces
    Tokenize {
        /// A GGUF file or a Hugging Face directory
        #[arg(long, value_name = "PATH")]
        model: PathBuf,
        /// Put the beginning-of-sequence token in front
        #[arg(long)]
        bos: bool,
        #[arg(long)]
        json: bool,
    },
    /// Print the log-probability of each token of standard input, and the perplexity
    Score {
        /// A GGUF file or a Hugging Face directory
        #[arg(long, value_name = "PATH")]
        model: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Print what a checkpoint says of itself and its tensors
    Inspect {
        /// A GGUF file or a Hugging Face directory
        #[arg(value_name = "PATH")]
        path: PathBuf,
        #[arg(long)]
        json: bool,
    },
}

/// Runs one command; the output goes to standard output.
///
/// # Errors
/// When the checkpoint cannot be used, or the input is not text or too long.
pub fn run(command: ModelCommand) -> anyhow::Result<ExitCode> {
    let output = match command {
        ModelCommand::Tokenize { model, bos, json } => {
            tokenize(&Tokenizer::open(&model)?, &input()?, bos, json)?
        }
        ModelCommand::Score { model, json } => score(&load(&model)?, &input()?, json)?,
        ModelCommand::Inspect { path, json } => inspect(&Model::inspect(&path)?, json)?,
    };
    std::io::stdout().write_all(output.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn tokenize(tokenizer: &Tokenizer, text: &str, bos: bool, json: bool) -> anyhow::Result<String> {
    let mut ids = if bos { vec![tokenizer.bos()] } else { Vec::new() };
    ids.extend(tokenizer.encode(text)?);
    if json {
        return Ok(format!("{}\n", json!({ "ids": ids })));
    }
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    Ok(format!("{}\n", ids.join(" ")))
}

fn score(model: &Model, text: &str, json: bool) -> anyhow::Result<String> {
    let ids = model.render_text(text, 0)?.ids;
    let logprobs = model.score(&ids)?;
    if logprobs.is_empty() {
        bail!("there is nothing to score: standard input is empty");
    }
    let total: f64 = logprobs.iter().copied().map(f64::from).sum();
    let perplexity = (-total / logprobs.len() as f64).exp();
    let scored = ids.iter().skip(1).zip(&logprobs);
    if json {
        let tokens: Vec<_> = scored
            .map(|(&id, logprob)| json!({ "id": id, "text": piece(model, id), "logprob": logprob }))
            .collect();
        let report = json!({ "tokens": tokens, "logprob": total, "perplexity": perplexity });
        return Ok(format!("{}\n", serde_json::to_string_pretty(&report)?));
    }
    let mut lines = String::new();
    for (&id, logprob) in scored {
        lines.push_str(&format!("{id:>7}  {logprob:>12.6}  {:?}\n", piece(model, id)));
    }
    lines.push_str(&format!(
        "{} tokens, log-probability {total:.6}, perplexity {perplexity:.6}\n",
        logprobs.len()
    ));
    Ok(lines)
}

fn inspect(inspection: &Inspection, json: bool) -> anyhow::Result<String> {
    let Inspection { card, shape, tensors } = inspection;
    if json {
        let shape: serde_json::Map<_, _> =
            shape.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let tensors: Vec<_> = tensors
            .iter()
            .map(|tensor| {
                json!({
                    "name": tensor.name,
                    "storage": tensor.storage,
                    "shape": tensor.shape,
                    "bytes": tensor.bytes,
                })
            })
            .collect();
        let report = json!({ "card": card_json(card), "shape": shape, "tensors": tensors });
        return Ok(format!("{}\n", serde_json::to_string_pretty(&report)?));
    }
    let mut lines = format!(
        "{}\n  architecture      {}\n  digest            {}\n  parameters        {}\n  \
         context_tokens    {}\n  quantisation      {}\n  file_bytes        {}\n\nshape\n",
        card.name,
        card.architecture,
        card.digest,
        card.parameters,
        card.context_tokens,
        card.quantisation,
        card.file_bytes,
    );
    for (name, value) in shape {
        lines.push_str(&format!("  {name:<16}  {value}\n"));
    }
    lines.push_str(&format!("\n{} tensors\n", tensors.len()));
    for tensor in tensors {
        lines.push_str(&format!(
            "  {:<6} {:>16} {:>14} bytes  {}\n",
            tensor.storage,
            format!("{:?}", tensor.shape),
            tensor.bytes,
            tensor.name
        ));
    }
    Ok(lines)
}

fn card_json(card: &ModelCard) -> serde_json::Value {
    json!({
        "name": card.name,
        "architecture": card.architecture,
        "digest": card.digest,
        "parameters": card.parameters,
        "context_tokens": card.context_tokens,
        "vocabulary": card.vocabulary,
        "quantisation": card.quantisation,
        "file_bytes": card.file_bytes,
    })
}

fn piece(model: &Model, id: u32) -> String {
    String::from_utf8_lossy(&model.token_bytes(id)).into_owned()
}

fn input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("standard input is longer than {INPUT_BYTES_MAX} bytes");
    }
    String::from_utf8(bytes).context("standard input is not UTF-8")
}

/// Loads a model, with a progress bar when somebody watches.
fn load(path: &Path) -> anyhow::Result<Model> {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("loading {wide_bar} {bytes}/{total_bytes}")?);
    let model = Model::load_with(path, None, &mut |Progress { done, total }| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    Ok(model?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints").join(name)
    }

    #[test]
    fn tokenize_prints_ids() {
        let tokenizer = Tokenizer::open(&checkpoint("gguf-f32.gguf")).unwrap();
        let plain = tokenize(&tokenizer, "<s>\n", false, false).unwrap();
        let ids: Vec<u32> = plain.split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids, tokenizer.encode("<s>\n").unwrap());
        assert_eq!(tokenize(&tokenizer, "<s>\n", true, false).unwrap(), format!("1 {plain}"));
        let json: serde_json::Value =
            serde_json::from_str(&tokenize(&tokenizer, "<s>\n", false, true).unwrap()).unwrap();
        assert_eq!(json["ids"], json!(ids));
        assert_eq!(tokenize(&tokenizer, "", false, false).unwrap(), "\n");
    }

    #[test]
    fn score_prints_each_token_and_the_perplexity() {
        let model = load(&checkpoint("gguf-f32.gguf")).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&score(&model, "The owl\n", true).unwrap()).unwrap();
        let tokens = json["tokens"].as_array().unwrap();
        let text: String = tokens.iter().map(|token| token["text"].as_str().unwrap()).collect();
        assert_eq!(text, " The owl\n");
        let total: f64 = tokens.iter().map(|token| token["logprob"].as_f64().unwrap()).sum();
        let perplexity = (-total / tokens.len() as f64).exp();
        assert!((json["perplexity"].as_f64().unwrap() / perplexity - 1.0).abs() < 1e-6);
        let plain = score(&model, "The owl\n", false).unwrap();
        assert_eq!(plain.lines().count(), tokens.len() + 1);
        assert!(score(&model, "", false).is_err());
    }

    #[test]
    fn inspect_prints_card_shape_and_tensors() {
        let inspection = Model::inspect(&checkpoint("gguf-mixed.gguf")).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&inspect(&inspection, true).unwrap()).unwrap();
        assert_eq!(json["card"]["architecture"], "llama");
        assert_eq!(json["shape"]["key_value_heads"], "4");
        assert_eq!(json["tensors"].as_array().unwrap().len(), 12);
        let plain = inspect(&inspection, false).unwrap();
        assert!(plain.contains("blk.0.attn_q.weight") && plain.contains("Q2_K"), "{plain}");
    }
}
