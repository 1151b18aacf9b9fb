//! Is the log what was written? Reads every segment from the first record on,
//! one line at a time, and names the first place where the chain breaks.
//!
//! Intact means: the records form one chain from the first to the last that is
//! there. That none was cut off the end only a head kept elsewhere can show.
//!
//! Needs files only, no running gateway; may run beside one. Called by `cli`.

use std::path::Path;

use serde::Serialize;

use crate::audit::AuditError;
use crate::audit::chain::{Break, Head};
use crate::audit::lock::Lock;
use crate::audit::segment::{self, Line, Segment};
use crate::domain::Digest;

/// What a log says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub segments: u64,
    /// Records up to the first problem.
    pub records: u64,
    pub first: Option<Point>,
    pub last: Option<Point>,
    /// The hash of the last good record.
    pub head: Option<Digest>,
    /// A writer is at work: its unfinished last line is not a problem.
    pub live: bool,
    pub problem: Option<Problem>,
}

impl VerifyReport {
    pub const fn is_intact(&self) -> bool {
        self.problem.is_none()
    }
}

/// A record's place and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    pub seq: u64,
    /// RFC 3339, UTC, microseconds.
    pub time: String,
}

/// The first place where the log is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File name.
    pub segment: String,
    /// From 1.
    pub line: u64,
    /// The record that should stand there.
    pub seq: u64,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The last line has no end: a crash, or bytes cut off. The next start mends it.
    TornTail { bytes: u64 },
    /// The segment does not begin with the record that its name or its place asks for.
    MissingRecords { until: u64 },
    /// The chain breaks: tampering or a failing disk.
    Broken(Break),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornTail { bytes } => {
                write!(f, "the last line has no end ({bytes} bytes): a crash, or a cut")
            }
            Self::MissingRecords { until } => {
                write!(f, "the records before {until} are missing or in another file")
            }
            Self::Broken(why) => why.fmt(f),
        }
    }
}

/// Reads the log in `directory` from end to end.
///
/// # Errors
/// The files cannot be read.
pub fn verify(directory: &Path) -> Result<VerifyReport, AuditError> {
    let live = Lock::is_held(directory);
    let segments = segment::list(directory).map_err(AuditError::io(format!(
        "cannot read the audit log in `{}`",
        directory.display()
    )))?;
    let mut report =
        VerifyReport { segments: segments.len() as u64, live, ..VerifyReport::default() };
    let mut head = Head::genesis();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index.saturating_add(1) == segments.len();
        report.problem = verify_segment(segment, is_last, &mut head, &mut report)
            .map_err(AuditError::io(format!("cannot read `{}`", segment.path.display())))?;
        if report.problem.is_some() {
            break;
        }
    }
    report.records = head.next_seq;
    if let Some(seq) = head.next_seq.checked_sub(1) {
        report.head = Some(head.hash);
        report.last = Some(Point { seq, time: head.time });
    }
    Ok(report)
}

fn verify_segment(
    segment: &Segment,
    is_last: bool,
    head: &mut Head,
    report: &mut VerifyReport,
) -> std::io::Result<Option<Problem>> {
    let problem = |line, seq, reason| Some(Problem { segment: segment.name(), line, seq, reason });
    if segment.first_seq != head.next_seq {
        return Ok(problem(1, head.next_seq, Reason::MissingRecords { until: segment.first_seq }));
    }
    let mut lines = segment.lines()?;
    let mut number: u64 = 0;
    loop {
        number = number.saturating_add(1);
        let broken = match lines.next()? {
            Line::End => return Ok(None),
            Line::Torn { .. } if is_last && report.live => return Ok(None),
            Line::Torn { bytes } => {
                return Ok(problem(number, head.next_seq, Reason::TornTail { bytes }));
            }
            Line::TooLong => Some(Break::TooLong),
            Line::Whole(line) => head.follow(line).err(),
        };
        if let Some(broken) = broken {
            return Ok(problem(number, head.next_seq, Reason::Broken(broken)));
        }
        if report.first.is_none() {
            report.first = Some(Point { seq: 0, time: head.time.clone() });
        }
    }
}
