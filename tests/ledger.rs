//! The audit log against crashes, tampering, a full disk and a second writer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::audit::verify::Reason;
use portcullis::audit::{
    Entry, Ledger, LedgerOptions, Receipt, Recovery, VerifyReport, read, verify,
};
use tempfile::TempDir;

fn small_segments() -> LedgerOptions {
    LedgerOptions { segment_bytes_max: 1200, ..LedgerOptions::default() }
}

fn entry(n: u64) -> Entry {
    Entry::PolicyRejected { name: format!("policy-{n}"), errors: 1 }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// For tests that open hundreds of logs: memory, where fsync costs nothing.
fn fast_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| directory())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A closed log of `records` records.
fn write(directory: &Path, records: u64, options: LedgerOptions) -> Vec<Receipt> {
    run(async {
        let (ledger, _) = Ledger::open(directory, options).unwrap();
        let mut receipts = Vec::new();
        for n in 0..records {
            receipts.push(ledger.append(entry(n)).await.unwrap());
        }
        ledger.close().await.unwrap();
        receipts
    })
}

fn reopen(directory: &Path) -> Recovery {
    run(async {
        let (ledger, recovery) = Ledger::open(directory, LedgerOptions::default()).unwrap();
        ledger.append(entry(99)).await.unwrap();
        ledger.close().await.unwrap();
        recovery
    })
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

fn copy(from: &Path) -> TempDir {
    let to = fast_directory();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    to
}

fn intact(directory: &Path) -> VerifyReport {
    let report = verify(directory).unwrap();
    assert_eq!(report.problem, None);
    report
}

#[test]
fn records_are_chained_over_segments_and_read_back() {
    let log = directory();
    let receipts = write(log.path(), 20, small_segments());
    let report = intact(log.path());
    assert!(report.segments > 3, "{report:?}");
    assert_eq!(report.records, 20);
    assert_eq!(report.head, Some(receipts[19].hash()));
    assert_eq!(report.last.unwrap().seq, 19);
    assert_eq!(receipts.iter().map(Receipt::seq).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    for path in segments(log.path()) {
        assert!(std::fs::metadata(&path).unwrap().len() <= 1200);
    }

    let (last, mut follower) = read::last(log.path(), 7).unwrap();
    assert_eq!(last.len(), 7);
    assert!(last[0].contains("policy-13") && last[6].contains("policy-19"), "{last:?}");
    assert!(follower.more().unwrap().is_empty());
    reopen(log.path());
    assert!(follower.more().unwrap()[0].contains("policy-99"));
    assert!(follower.more().unwrap().is_empty());
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let log = directory();
    let path = log.path().join("data/audit");
    write(&path, 1, LedgerOptions::default());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&segments(&path)[0]), 0o600);
}

#[test]
fn concurrent_appends_get_distinct_places_in_one_chain() {
    let log = directory();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let (tasks, each) = (32, 25);
    let mut places = runtime.block_on(async {
        let (ledger, _) = Ledger::open(log.path(), small_segments()).unwrap();
        let mut appends = tokio::task::JoinSet::new();
        for task in 0..tasks {
            let ledger = ledger.clone();
            appends.spawn(async move {
                let mut places = Vec::new();
                for n in 0..each {
                    places.push(ledger.append(entry(task * 1000 + n)).await.unwrap().seq());
                }
                assert!(places.is_sorted());
                places
            });
        }
        let places = appends.join_all().await.concat();
        assert_eq!(ledger.lag(), 0);
        ledger.close().await.unwrap();
        places
    });
    places.sort_unstable();
    assert_eq!(places, (0..tasks * each).collect::<Vec<_>>());
    assert_eq!(intact(log.path()).records, tasks * each);
}

#[test]
fn a_receipt_means_that_the_record_is_in_the_file() {
    let log = directory();
    run(async {
        let (ledger, _) = Ledger::open(log.path(), LedgerOptions::default()).unwrap();
        for n in 0..5 {
            let receipt = ledger.append(entry(n)).await.unwrap();
            let text = std::fs::read_to_string(&segments(log.path())[0]).unwrap();
            assert!(text.ends_with('\n'));
            assert!(text.lines().last().unwrap().contains(&receipt.hash().to_string()));
        }
        let report = intact(log.path());
        assert!(report.live);
        ledger.close().await.unwrap();
    });
    assert!(!intact(log.path()).live);
}

#[test]
fn a_closed_log_takes_nothing_more() {
    let log = directory();
    run(async {
        let (ledger, _) = Ledger::open(log.path(), LedgerOptions::default()).unwrap();
        let other = ledger.clone();
        assert!(other.is_writable());
        let (closed, appended) = tokio::join!(ledger.close(), other.append(entry(0)));
        closed.unwrap();
        assert!(!other.is_writable());
        assert!(other.append(entry(1)).await.unwrap_err().to_string().contains("closed"));
        // Either it was queued before the end or it was refused; never accepted and lost.
        assert_eq!(intact(log.path()).records, u64::from(appended.is_ok()));
        // The lock is free already.
        Ledger::open(log.path(), LedgerOptions::default()).unwrap();
    });
}

#[test]
fn a_second_writer_is_refused() {
    let log = directory();
    let (ledger, _) = Ledger::open(log.path(), LedgerOptions::default()).unwrap();
    let refused = Ledger::open(log.path(), LedgerOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
    run(ledger.close()).unwrap();
    Ledger::open(log.path(), LedgerOptions::default()).unwrap();
}

/// A crash leaves a prefix of what was being written. Whatever its length, all
/// whole records stay, the rest is kept aside, and the log goes on.
#[test]
fn a_log_cut_at_any_byte_goes_on() {
    let log = fast_directory();
    write(log.path(), 9, small_segments());
    let last = segments(log.path()).pop().unwrap();
    let whole = std::fs::read(&last).unwrap();
    let first_seq: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(first_seq > 0);
    for length in 0..whole.len() {
        let copied = copy(log.path());
        let cut = copied.path().join(last.file_name().unwrap());
        std::fs::write(&cut, &whole[..length]).unwrap();

        let kept = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
        let torn = whole[..length].rsplit(|&byte| byte == b'\n').next().unwrap();
        let report = verify(copied.path()).unwrap();
        assert_eq!(report.records, first_seq + kept as u64);
        let reason = (!torn.is_empty()).then_some(Reason::TornTail { bytes: torn.len() as u64 });
        assert_eq!(report.problem.map(|problem| problem.reason), reason, "{length}");

        let recovery = reopen(copied.path());
        assert_eq!(
            recovery,
            Recovery { records: first_seq + kept as u64, torn_bytes: torn.len() as u64 }
        );
        let report = intact(copied.path());
        assert_eq!(report.records, recovery.records + 1 + u64::from(!torn.is_empty()));
        let aside = cut.with_extension("jsonl.torn-1");
        assert_eq!(std::fs::read(aside).unwrap_or_default(), torn);
        let told = read::last(copied.path(), 2).unwrap().0[0].contains("\"kind\":\"recovered\"");
        assert_eq!(told, !torn.is_empty());
    }
}

#[test]
fn a_second_torn_end_does_not_overwrite_the_first() {
    let log = directory();
    write(log.path(), 1, LedgerOptions::default());
    let segment = segments(log.path()).remove(0);
    for n in 1..=2 {
        let mut text = std::fs::read(&segment).unwrap();
        text.extend_from_slice(format!("torn {n}").as_bytes());
        std::fs::write(&segment, text).unwrap();
        assert_eq!(reopen(log.path()).torn_bytes, 6);
    }
    for n in 1..=2 {
        let aside =
            std::fs::read_to_string(segment.with_extension(format!("jsonl.torn-{n}"))).unwrap();
        assert_eq!(aside, format!("torn {n}"));
    }
}

/// Every bit of every record but the newline at the very end (its loss is a torn tail).
#[test]
fn every_flipped_bit_is_found_in_its_record() {
    let log = fast_directory();
    write(log.path(), 4, LedgerOptions { segment_bytes_max: 700, ..LedgerOptions::default() });
    let mut flipped = 0;
    let mut seq = 0;
    let paths = segments(log.path());
    assert!(paths.len() >= 2);
    for (index, path) in paths.iter().enumerate() {
        let whole = std::fs::read(path).unwrap();
        let end = if index + 1 == paths.len() { whole.len() - 1 } else { whole.len() };
        for at in 0..end {
            let record = seq + whole[..at].iter().filter(|&&byte| byte == b'\n').count() as u64;
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(path, bad).unwrap();
            let report = verify(log.path()).unwrap();
            let problem = report.problem.unwrap_or_else(|| panic!("byte {at} of {path:?}"));
            assert_eq!(problem.seq, record, "byte {at} of {path:?}: {problem:?}");
            assert_eq!(report.records, record);
            flipped += 1;
        }
        std::fs::write(path, &whole).unwrap();
        seq += whole.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }
    assert!(flipped > 1000);
    intact(log.path());
}

/// Changes the lines of one segment and says where the log is found to break.
fn tampered(log: &Path, segment: usize, change: impl FnOnce(&mut Vec<String>)) -> (TempDir, u64) {
    let copied = copy(log);
    let path = segments(copied.path()).remove(segment);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    change(&mut lines);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let problem = verify(copied.path()).unwrap().problem.unwrap();
    assert!(!matches!(problem.reason, Reason::TornTail { .. }), "{problem:?}");
    (copied, problem.seq)
}

#[test]
fn moved_dropped_and_repeated_records_are_found() {
    let log = directory();
    write(log.path(), 8, LedgerOptions { segment_bytes_max: 1600, ..LedgerOptions::default() });
    let counts: Vec<usize> = segments(log.path())
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap().lines().count())
        .collect();
    assert_eq!(counts, [4, 4]);
    assert_eq!(tampered(log.path(), 0, |lines| lines.swap(1, 2)).1, 1);
    assert_eq!(tampered(log.path(), 0, |lines| drop(lines.remove(0))).1, 0);
    assert_eq!(tampered(log.path(), 0, |lines| drop(lines.remove(2))).1, 2);
    assert_eq!(tampered(log.path(), 0, |lines| lines.truncate(3)).1, 3);
    assert_eq!(tampered(log.path(), 0, |lines| lines.insert(2, lines[1].clone())).1, 2);
    assert_eq!(tampered(log.path(), 0, |lines| lines.insert(2, String::new())).1, 2);
    assert_eq!(tampered(log.path(), 0, |lines| lines.insert(2, "{}".into())).1, 2);
    let (copied, seq) = tampered(log.path(), 1, |lines| lines.swap(0, 1));
    assert_eq!(seq, 4);
    // Damage in the segment that would grow: the log is not continued.
    let refused = Ledger::open(copied.path(), LedgerOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[test]
fn an_altered_record_with_a_mended_hash_breaks_the_next_link() {
    let log = directory();
    write(log.path(), 3, LedgerOptions::default());
    // What the program itself would write in a log with another first record.
    let other = directory();
    run(async {
        let (ledger, _) = Ledger::open(other.path(), LedgerOptions::default()).unwrap();
        ledger.append(entry(7)).await.unwrap();
        ledger.close().await.unwrap();
    });
    let forged = std::fs::read_to_string(&segments(other.path())[0]).unwrap();
    let (_copied, seq) = tampered(log.path(), 0, |lines| lines[0] = forged.trim_end().into());
    assert_eq!(seq, 1);
}

#[test]
fn missing_and_renamed_segments_are_found() {
    let log = directory();
    write(log.path(), 12, small_segments());
    let count = segments(log.path()).len();
    assert!(count >= 3);
    for missing in 0..count - 1 {
        let copied = copy(log.path());
        let path = segments(copied.path()).remove(missing);
        let first_seq: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        std::fs::remove_file(&path).unwrap();
        let problem = verify(copied.path()).unwrap().problem.unwrap();
        assert_eq!(problem.seq, first_seq);
        assert!(matches!(problem.reason, Reason::MissingRecords { .. }), "{problem:?}");
    }
    // The one before the last is missing: the end cannot be linked, so the log is not continued.
    let copied = copy(log.path());
    std::fs::remove_file(segments(copied.path()).remove(count - 2)).unwrap();
    assert!(Ledger::open(copied.path(), LedgerOptions::default()).is_err());

    let copied = copy(log.path());
    let [first, second] = [0, 1].map(|n| segments(copied.path()).remove(n));
    let aside = copied.path().join("aside");
    for (from, to) in [(&first, &aside), (&second, &first), (&aside, &second)] {
        std::fs::rename(from, to).unwrap();
    }
    assert_eq!(verify(copied.path()).unwrap().problem.unwrap().seq, 0);
}

#[test]
fn an_empty_last_segment_is_taken_over() {
    let log = directory();
    write(log.path(), 3, LedgerOptions::default());
    // A crash between making a segment and writing its first record.
    std::fs::write(log.path().join(format!("{:020}.jsonl", 3)), "").unwrap();
    assert_eq!(reopen(log.path()), Recovery { records: 3, torn_bytes: 0 });
    assert_eq!(segments(log.path()).len(), 2);
    assert_eq!(intact(log.path()).records, 4);
    // One that does not continue the log is refused.
    std::fs::write(log.path().join(format!("{:020}.jsonl", 9)), "").unwrap();
    assert!(Ledger::open(log.path(), LedgerOptions::default()).is_err());
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_at_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for place in [Path::new("/proc/portcullis"), &file.path().join("audit")] {
        let refused = Ledger::open(place, LedgerOptions::default()).unwrap_err();
        assert!(refused.to_string().contains(&place.display().to_string()), "{refused}");
    }
    assert!(verify(Path::new("/proc/portcullis")).is_err());
}

#[test]
fn a_directory_without_write_permission_is_an_error_at_start() {
    use std::os::unix::fs::PermissionsExt;
    let log = directory();
    write(log.path(), 1, LedgerOptions::default());
    std::fs::set_permissions(segments(log.path()).remove(0), PermissionsExt::from_mode(0o400))
        .unwrap();
    let privileged =
        std::fs::OpenOptions::new().append(true).open(segments(log.path()).remove(0)).is_ok();
    assert_eq!(Ledger::open(log.path(), LedgerOptions::default()).is_ok(), privileged);
}

#[test]
fn an_append_that_takes_too_long_fails() {
    let log = directory();
    run(async {
        let options = LedgerOptions { append_wait_ms_max: 0, ..LedgerOptions::default() };
        let (ledger, _) = Ledger::open(log.path(), options).unwrap();
        let began = Instant::now();
        let mut failed = 0;
        for n in 0..200 {
            failed += u32::from(ledger.append(entry(n)).await.is_err());
        }
        assert!(failed > 0);
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

/// Refuses until it can begin a segment again, then goes on with the same chain.
#[test]
fn a_segment_that_cannot_be_begun_fails_closed_until_it_can() {
    let parent = directory();
    let [log, away] = ["audit", "away"].map(|name| parent.path().join(name));
    run(async {
        let (ledger, _) = Ledger::open(&log, small_segments()).unwrap();
        let first = ledger.append(entry(0)).await.unwrap();
        std::fs::rename(&log, &away).unwrap();
        fail(&ledger).await;
        std::fs::rename(&away, &log).unwrap();
        recover(&ledger).await;
        assert!(ledger.append(entry(1)).await.unwrap().seq() > first.seq());
        ledger.close().await.unwrap();
    });
    assert!(intact(&log).segments > 1);
}

/// What was acknowledged is gone or altered: no record may vouch for that.
#[test]
fn a_log_that_was_changed_meanwhile_is_not_resumed() {
    let spoil: [fn(&Path); 4] = [
        // A chain without a fault and as long, but not the one that was written.
        |segment| {
            let other = directory();
            let records = std::fs::read_to_string(segment).unwrap().lines().count();
            let place = other.path();
            // Not on this thread, which runs a runtime already.
            std::thread::scope(|scope| {
                drop(scope.spawn(|| write(place, records as u64, small_segments())))
            });
            let forged = segments(other.path()).remove(0);
            assert_eq!(
                std::fs::metadata(&forged).unwrap().len(),
                std::fs::metadata(segment).unwrap().len()
            );
            std::fs::copy(forged, segment).unwrap();
        },
        |segment| std::fs::write(segment, "").unwrap(),
        |segment| std::fs::remove_file(segment).unwrap(),
        |segment| {
            let altered = std::fs::read_to_string(segment).unwrap().replace("policy-0", "policy-1");
            std::fs::write(segment, altered).unwrap();
        },
    ];
    for spoil in spoil {
        let parent = directory();
        let [log, away] = ["audit", "away"].map(|name| parent.path().join(name));
        run(async {
            let (ledger, _) = Ledger::open(&log, small_segments()).unwrap();
            ledger.append(entry(0)).await.unwrap();
            std::fs::rename(&log, &away).unwrap();
            fail(&ledger).await;
            spoil(&segments(&away).remove(0));
            std::fs::rename(&away, &log).unwrap();
            // Longer than the first tries to resume.
            tokio::time::sleep(Duration::from_millis(1700)).await;
            assert!(!ledger.is_writable());
            assert!(ledger.close().await.is_err());
        });
    }
}

#[test]
fn a_segment_that_somebody_removes_or_writes_to_is_noticed() {
    let remove: fn(&Path) = |segment| std::fs::remove_file(segment).unwrap();
    let write: fn(&Path) = |segment| {
        let text = std::fs::read_to_string(segment).unwrap();
        std::fs::write(segment, text + "{}\n").unwrap();
    };
    for (change, resumes) in [(remove, false), (write, true)] {
        let log = directory();
        run(async {
            let (ledger, _) = Ledger::open(log.path(), LedgerOptions::default()).unwrap();
            ledger.append(entry(0)).await.unwrap();
            change(&segments(log.path()).remove(0));
            let refused = ledger.append(entry(1)).await.unwrap_err();
            assert!(refused.to_string().contains("somebody else"), "{refused}");
            assert!(!ledger.is_writable());
            if resumes {
                recover(&ledger).await;
                ledger.append(entry(2)).await.unwrap();
                ledger.close().await.unwrap();
                let kept = read::last(log.path(), 9).unwrap().0;
                assert!(
                    kept[0].contains("policy-0")
                        && kept[1].contains("recovered")
                        && kept[2].contains("policy-2")
                );
                assert_eq!(intact(log.path()).records, 3);
            }
        });
    }
}

/// Appends until that is refused.
async fn fail(ledger: &Ledger) {
    for n in 0..20 {
        if ledger.append(entry(n)).await.is_err() {
            return assert!(!ledger.is_writable());
        }
    }
    panic!("nothing failed");
}

async fn recover(ledger: &Ledger) {
    let began = Instant::now();
    while !ledger.is_writable() {
        assert!(began.elapsed() < Duration::from_secs(60), "the log never resumed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const FULL_DISK_DIRECTORY: &str = "PORTCULLIS_TEST_FULL_DISK_DIRECTORY";

/// A file size limit makes writes fail as a full disk does: some bytes of the
/// group go out, the rest does not. Then the limit is lifted. The test starts
/// itself a second time, as the process under the limit.
#[test]
fn a_full_disk_fails_closed_and_the_log_resumes_when_there_is_room() {
    if let Some(directory) = std::env::var_os(FULL_DISK_DIRECTORY) {
        return append_until_the_disk_is_full_and_then_resume(Path::new(&directory));
    }
    let log = directory();
    // With the signal ignored, the write fails with EFBIG.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 16; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_fails_closed_and_the_log_resumes_when_there_is_room"])
        .arg("--nocapture")
        .env(FULL_DISK_DIRECTORY, log.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let full = log.path().join("full");
    let began = Instant::now();
    while !full.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the disk never filled up");
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(20));
    }
    let lifted = Command::new("prlimit")
        .arg(format!("--pid={}", child.id()))
        .arg("--fsize=unlimited:")
        .status();
    assert!(lifted.unwrap().success());
    assert!(child.wait().unwrap().success());

    let report = intact(log.path());
    let records: Vec<String> = read::last(log.path(), 10_000).unwrap().0;
    let count = |what: &str| records.iter().filter(|record| record.contains(what)).count();
    assert_eq!(records.len() as u64, report.records);
    // What was refused is not in the log, and the gap is told.
    assert_eq!(count("policy-1000000"), 0);
    assert_eq!(count("policy-2000000"), 1);
    assert_eq!(count("\"kind\":\"recovered\""), 1);
    assert_eq!(count("\"torn_bytes\":0"), 0);
    assert_eq!(std::fs::read_to_string(full).unwrap().parse::<u64>().unwrap(), report.records - 2);
}

/// The other half, in the process whose disk is full.
fn append_until_the_disk_is_full_and_then_resume(directory: &Path) {
    run(async {
        let (ledger, _) = Ledger::open(directory, LedgerOptions::default()).unwrap();
        let mut durable: u64 = 0;
        while ledger.append(entry(durable)).await.is_ok() {
            durable += 1;
            assert!(durable < 1000);
        }
        assert!(!ledger.is_writable());
        for _ in 0..3 {
            let refused = ledger.append(entry(1_000_000)).await.unwrap_err();
            assert!(refused.to_string().contains("cannot be written"), "{refused}");
        }
        // It stays so while the disk is full, tries to resume included.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!ledger.is_writable());
        std::fs::write(directory.join("full"), durable.to_string()).unwrap();
        recover(&ledger).await;
        ledger.append(entry(2_000_000)).await.unwrap();
        ledger.close().await.unwrap();
    });
}
