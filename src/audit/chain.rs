//! The chain of records: each names the hash of the one before.
//!
//! A record is one line of canonical JSON:
//! `{"entry":…,"hash":…,"prev":…,"seq":…,"time":…}`. `hash` is the SHA-256 of the
//! same object without `hash`. The first record has `seq` 0 and a `prev` of zeros.
//! Altering, dropping or moving a record breaks the chain at that place; cutting
//! records off the end does not, so the head has to be noted elsewhere as well.
//!
//! Knows no file. Called by `log` to seal, by `recover` and `verify` to check.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::audit::canonical;
use crate::domain::Digest;

/// RFC 3339, UTC, microseconds: always 27 characters, so that order of text is order of time.
const TIME_FORMAT: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
const TIME_LEN: usize = 27;

/// Where the chain ends: what the next record has to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) next_seq: u64,
    /// The hash of the last record; zeros before the first.
    pub(super) hash: Digest,
    /// The time of the last record; empty before the first.
    pub(super) time: String,
}

/// Why a line does not continue the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Break {
    /// Longer than any record may be.
    TooLong,
    /// Not JSON, or not with exactly the fields of a record.
    NotARecord,
    /// The hash is not that of the content.
    Altered,
    /// The same content in another spelling.
    NotCanonical,
    /// A record is missing, repeated or out of place.
    WrongSeq { found: u64 },
    /// The record does not follow the one before it.
    WrongPrev,
    /// Earlier than the record before, or no time.
    WrongTime,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => f.write_str("the line is longer than any record may be"),
            Self::NotARecord => f.write_str("the line is not a record"),
            Self::Altered => {
                f.write_str("the record was altered: its hash is not that of its content")
            }
            Self::NotCanonical => f.write_str("the record is not in canonical form"),
            Self::WrongSeq { found } => {
                write!(
                    f,
                    "record {found} stands here: records are missing, repeated or out of place"
                )
            }
            Self::WrongPrev => f.write_str("the record does not follow the one before it"),
            Self::WrongTime => {
                f.write_str("the record is dated before the one before it, or has no valid time")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    entry: Value,
    hash: Digest,
    prev: Digest,
    seq: u64,
    time: String,
}

impl Head {
    pub(super) const fn genesis() -> Self {
        Self { next_seq: 0, hash: Digest([0; 32]), time: String::new() }
    }

    /// Appends to `line` the record that carries `entry` (canonical JSON), with its newline,
    /// and moves on. The clock may step back; the log's time does not.
    pub(super) fn seal(&mut self, entry: &[u8], now: OffsetDateTime, line: &mut Vec<u8>) {
        let now = format_time(now);
        let time = if now > self.time { now } else { std::mem::take(&mut self.time) };
        let (hash, envelope) = hash_record(entry, &self.hash, self.next_seq, &time);
        write_record(entry, &hash, &envelope, line);
        line.push(b'\n');
        *self = Self { next_seq: self.next_seq.saturating_add(1), hash, time };
    }

    /// Checks that `line` (without its newline) is the next record, and moves on.
    pub(super) fn follow(&mut self, line: &[u8]) -> Result<(), Break> {
        let (record, after) = examine(line)?;
        if record.seq != self.next_seq {
            return Err(Break::WrongSeq { found: record.seq });
        }
        if record.prev != self.hash {
            return Err(Break::WrongPrev);
        }
        if after.time < self.time {
            return Err(Break::WrongTime);
        }
        *self = after;
        Ok(())
    }

    /// The head after `line`, which is checked by itself only.
    pub(super) fn after(line: &[u8]) -> Result<Self, Break> {
        examine(line).map(|(_, after)| after)
    }
}

/// What can be said of a line without its neighbours.
fn examine(line: &[u8]) -> Result<(Envelope, Head), Break> {
    let record: Envelope = serde_json::from_slice(line).map_err(|_| Break::NotARecord)?;
    let entry = canonical::to_vec(&record.entry).map_err(|_| Break::NotARecord)?;
    let (hash, envelope) = hash_record(&entry, &record.prev, record.seq, &record.time);
    if hash != record.hash {
        return Err(Break::Altered);
    }
    let mut spelled = Vec::with_capacity(line.len());
    write_record(&entry, &hash, &envelope, &mut spelled);
    if spelled != line {
        return Err(Break::NotCanonical);
    }
    if record.time.len() != TIME_LEN || PrimitiveDateTime::parse(&record.time, TIME_FORMAT).is_err()
    {
        return Err(Break::WrongTime);
    }
    let after = Head { next_seq: record.seq.saturating_add(1), hash, time: record.time.clone() };
    Ok((record, after))
}

const BEFORE_ENTRY: &[u8] = br#"{"entry":"#;

/// The record's hash, and the canonical text behind its `hash` field. Sorted
/// keys put `entry` and `hash` first, so both forms share their two ends.
fn hash_record(entry: &[u8], prev: &Digest, seq: u64, time: &str) -> (Digest, String) {
    use sha2::Digest as _;
    // A time that needs escaping is refused by `examine` for its form.
    let rest = format!(r#","prev":"{prev}","seq":{seq},"time":"{time}"}}"#);
    let hash = sha2::Sha256::new()
        .chain_update(BEFORE_ENTRY)
        .chain_update(entry)
        .chain_update(&rest)
        .finalize();
    (Digest(hash.into()), rest)
}

fn write_record(entry: &[u8], hash: &Digest, rest: &str, line: &mut Vec<u8>) {
    line.extend_from_slice(BEFORE_ENTRY);
    line.extend_from_slice(entry);
    line.extend_from_slice(format!(r#","hash":"{hash}""#).as_bytes());
    line.extend_from_slice(rest.as_bytes());
}

fn format_time(time: OffsetDateTime) -> String {
    // Formatting fails for years beyond 9999 only; such a clock is not believed.
    time.to_offset(time::UtcOffset::UTC).format(TIME_FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-03-01 12:00:00.5 UTC);

    fn seal(head: &mut Head, entry: &str, now: OffsetDateTime) -> Vec<u8> {
        let mut line = Vec::new();
        head.seal(entry.as_bytes(), now, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_object_without_it() {
        let line = seal(&mut Head::genesis(), r#"{"kind":"x"}"#, NOON);
        let mut object: Value = serde_json::from_slice(&line).unwrap();
        let hash = object.as_object_mut().unwrap().remove("hash").unwrap();
        assert_eq!(hash, Digest::of(&canonical::to_vec(&object).unwrap()).to_string());
        assert_eq!(object["time"], "2026-03-01T12:00:00.500000Z");
        assert_eq!(object["prev"], Digest([0; 32]).to_string());
    }

    #[test]
    fn sealed_records_follow_one_another() {
        let (mut writer, mut reader) = (Head::genesis(), Head::genesis());
        for n in 0..3 {
            let line = seal(&mut writer, &format!(r#"{{"n":{n}}}"#), NOON);
            reader.follow(&line).unwrap();
            assert_eq!(reader, writer);
        }
    }

    #[test]
    fn time_never_decreases() {
        let mut head = Head::genesis();
        seal(&mut head, "1", NOON);
        seal(&mut head, "1", NOON - Duration::HOUR);
        assert_eq!(head.time, "2026-03-01T12:00:00.500000Z");
        seal(&mut head, "1", NOON + Duration::HOUR);
        assert_eq!(head.time, "2026-03-01T13:00:00.500000Z");
    }

    #[test]
    fn each_kind_of_break_is_told_apart() {
        let mut head = Head::genesis();
        let first = seal(&mut head, r#"{"n":1}"#, NOON);
        let mut other = head.clone();
        other.time.clear();
        let second = seal(&mut head, r#"{"n":2}"#, NOON);
        let early = seal(&mut other, r#"{"n":2}"#, NOON - Duration::SECOND);
        let mut foreign = Head { hash: Digest([7; 32]), ..Head::after(&first).unwrap() };
        let foreign = seal(&mut foreign, r#"{"n":2}"#, NOON);
        let text = String::from_utf8(second.clone()).unwrap();

        let after_first = Head::after(&first).unwrap();
        for (line, want) in [
            (String::from_utf8(early).unwrap(), Break::WrongTime),
            (String::from_utf8(foreign).unwrap(), Break::WrongPrev),
            (String::from_utf8(first.clone()).unwrap(), Break::WrongSeq { found: 0 }),
            (text.replace("\"n\":2", "\"n\":3"), Break::Altered),
            (text.replace("\"n\":2", "\"n\": 2"), Break::NotCanonical),
            (text.replace("\"n\":2", "\"n\":2.0"), Break::NotCanonical),
            (text.replace("\"seq\"", "\"sec\""), Break::NotARecord),
            ("{}".into(), Break::NotARecord),
        ] {
            assert_eq!(after_first.clone().follow(line.as_bytes()), Err(want), "{line}");
        }
        after_first.clone().follow(&second).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_a_line_is_refused_not_believed(
            line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            nesting in 0_usize..2000,
        ) {
            let mut head = Head::genesis();
            proptest::prop_assert!(head.follow(&line).is_err());
            proptest::prop_assert!(head.follow("[".repeat(nesting).as_bytes()).is_err());
            proptest::prop_assert_eq!(head, Head::genesis());
        }
    }
}
