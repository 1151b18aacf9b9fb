//! Reads texts with labels: JSON Lines, plain or gzip, one record at a time.
//!
//! A record has `text` and, as far as they are known, `id`, `role` (prompt,
//! response, post), `label` (1: the text violates the policy), `categories`,
//! `attack`, `lang`, `source` and `context`; other fields are not read. Memory
//! is bounded by the longest line and the size of a batch, whatever the size of
//! the files. Knows no engine. Called by `cli` for `policy diff` and `policy
//! replay`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rayon::prelude::*;
use serde::Deserialize;

use crate::domain::{Category, Stage};

/// Bytes of one line.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Records that are in memory together.
const BATCH_RECORDS_MAX: usize = 1024;
/// Bytes of text that are in memory together, one record more at most.
const BATCH_BYTES_MAX: usize = 8 << 20;
const READ_BYTES: usize = 64 << 10;
/// How a file of gzip begins (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One text and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The line's number where the file gives none.
    #[serde(default)]
    pub id: String,
    pub text: String,
    #[serde(default)]
    pub role: Kind,
    /// 1 when the text violates the policy, 0 when it does not.
    #[serde(default)]
    pub label: Option<u8>,
    #[serde(default)]
    pub categories: Vec<Category>,
    /// E.g. `jailbreak`; a technique, not a category.
    #[serde(default)]
    pub attack: Option<String>,
    #[serde(default)]
    pub lang: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
    /// The prompt of a response, or the system text of an injection.
    #[serde(default)]
    pub context: Option<String>,
}

/// What kind of text a record is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Prompt,
    Response,
    /// Found on the web; judged as if a user had brought it.
    Post,
}

impl Kind {
    /// The side of the model on which such a text stands.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Prompt | Self::Post => Stage::Input,
            Self::Response => Stage::Output,
        }
    }
}

/// A file that cannot be read, or a line that is no record.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}", file.display(), Line(*line))]
pub struct CorpusError {
    pub file: PathBuf,
    /// From 1; 0 when the file itself is the problem.
    pub line: u64,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    #[error("no record: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the line has more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("`label` must be 0 or 1, not {0}")]
    Label(u8),
}

struct Line(u64);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ":{}", self.0) }
    }
}

/// A file that is being read.
pub struct Corpus {
    file: PathBuf,
    name: String,
    reader: Box<dyn BufRead>,
    line: u64,
    buffer: Vec<u8>,
}

impl fmt::Debug for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Corpus").field("file", &self.file).field("line", &self.line).finish()
    }
}

impl Corpus {
    /// Opens a file; whether it is gzip its first bytes say, not its name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: &Path) -> Result<Self, CorpusError> {
        let opened = || -> io::Result<Box<dyn BufRead>> {
            let mut plain = BufReader::with_capacity(READ_BYTES, File::open(file)?);
            if plain.fill_buf()?.starts_with(&GZIP_MAGIC) {
                let unpacked = MultiGzDecoder::new(plain);
                return Ok(Box::new(BufReader::with_capacity(READ_BYTES, unpacked)));
            }
            Ok(Box::new(plain))
        };
        let reader = opened().map_err(|error| CorpusError {
            file: file.to_owned(),
            line: 0,
            problem: error.into(),
        })?;
        let name = data_set(file);
        Ok(Self { file: file.to_owned(), name, reader, line: 0, buffer: Vec::new() })
    }

    /// The data set: the file's name without its endings.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next records, in order; none at the end.
    ///
    /// # Errors
    /// The first line that cannot be read, with its number.
    pub fn batch(&mut self) -> Result<Vec<Record>, CorpusError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(record) = self.next_record()? else { break };
            bytes += record.text.len();
            records.push(record);
        }
        Ok(records)
    }

    fn next_record(&mut self) -> Result<Option<Record>, CorpusError> {
        loop {
            self.line += 1;
            match self.read_line() {
                Ok(false) => return Ok(None),
                Ok(true) if self.buffer.trim_ascii().is_empty() => {}
                Ok(true) => return self.parse().map(Some).map_err(|problem| self.error(problem)),
                Err(problem) => return Err(self.error(problem)),
            }
        }
    }

    /// False at the end of the file.
    fn read_line(&mut self) -> Result<bool, Problem> {
        self.buffer.clear();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64 + 1);
        limited.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(Problem::TooLong);
        }
        Ok(!self.buffer.is_empty())
    }

    fn parse(&self) -> Result<Record, Problem> {
        let mut record: Record = serde_json::from_slice(&self.buffer)?;
        if let Some(label) = record.label.filter(|label| *label > 1) {
            return Err(Problem::Label(label));
        }
        if record.id.is_empty() {
            record.id = format!("{}:{}", self.name, self.line);
        }
        Ok(record)
    }

    fn error(&self, problem: Problem) -> CorpusError {
        CorpusError { file: self.file.clone(), line: self.line, problem }
    }
}

fn data_set(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let known = [".jsonl", ".ndjson", ".json"];
    known.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).to_owned()
}

/// Runs `work` over every record of all files on all processors, and hands the
/// results to `take` in the order of the files, with the name of the data set.
///
/// # Errors
/// The first file or line that cannot be read; what was taken before it stays taken.
pub fn over<T: Send>(
    files: &[PathBuf],
    work: impl Fn(&Record) -> T + Sync,
    mut take: impl FnMut(&str, &Record, T),
) -> Result<(), CorpusError> {
    for file in files {
        let mut corpus = Corpus::open(file)?;
        loop {
            let batch = corpus.batch()?;
            if batch.is_empty() {
                break;
            }
            let results: Vec<T> = batch.par_iter().map(&work).collect();
            for (record, result) in batch.iter().zip(results) {
                take(corpus.name(), record, result);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    const LINES: &str = concat!(
        r#"{"id":"a","text":"one","role":"response","label":1,"categories":["spam"],"extra":[1]}"#,
        "\n\n",
        r#"{"text":"two"}"#,
    );

    #[test]
    fn plain_and_packed_files_read_alike() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(LINES.as_bytes()).unwrap();
        let (_a, plain) = file("set.one.jsonl", LINES.as_bytes());
        let (_b, packed) = file("set.one.jsonl.gz", &packed.finish().unwrap());
        let mut corpus = Corpus::open(&plain).unwrap();
        let records = corpus.batch().unwrap();
        assert_eq!(corpus.name(), "set.one");
        assert_eq!(records.len(), 2);
        assert_eq!((records[0].role, records[0].label), (Kind::Response, Some(1)));
        assert_eq!(records[0].categories, [Category::Spam]);
        assert_eq!((records[1].id.as_str(), records[1].label), ("set.one:3", None));
        assert!(corpus.batch().unwrap().is_empty());
        let mut again = Corpus::open(&packed).unwrap();
        assert_eq!(again.name(), "set.one");
        assert_eq!(again.batch().unwrap(), records);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (line, what) in [
            (r#"{"text":1}"#, "invalid type"),
            (r#"{"text":"x","categories":["no_such"]}"#, "unknown category `no_such`"),
            (r#"{"text":"x","label":2}"#, "must be 0 or 1"),
            ("{", "no record"),
        ] {
            let (_folder, path) =
                file("a.jsonl", format!("{{\"text\":\"x\"}}\n{line}\n").as_bytes());
            let error = Corpus::open(&path).unwrap().batch().unwrap_err().to_string();
            assert!(error.contains("a.jsonl:2: ") && error.contains(what), "{error}");
        }
        let long = format!("{{\"text\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX));
        let (_folder, path) = file("a.jsonl", long.as_bytes());
        let error = Corpus::open(&path).unwrap().batch().unwrap_err().to_string();
        assert!(error.contains("a.jsonl:1: the line has more than"), "{error}");
        let error = Corpus::open(Path::new("/no/such.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such.jsonl: cannot read it"), "{error}");
    }

    #[test]
    fn results_come_in_the_order_of_the_file_over_many_batches() {
        let count = BATCH_RECORDS_MAX * 2 + 7;
        let lines: String = (0..count).map(|i| format!("{{\"text\":\"{i}\"}}\n")).collect();
        let (_folder, path) = file("many.jsonl", lines.as_bytes());
        let mut seen = Vec::new();
        let length = |record: &Record| record.text.len();
        over(&[path], length, |set, record, length| {
            assert_eq!((set, record.text.len()), ("many", length));
            seen.push(record.text.clone());
        })
        .unwrap();
        assert_eq!(seen, (0..count).map(|i| i.to_string()).collect::<Vec<_>>());
    }
}
