//! What a durable record costs: append throughput, alone and with 64 callers
//! that share their fsyncs.
//!
//! Writes below the build directory, so that a real disk is measured and not a
//! memory file system. The disk's fsync decides the figures: name it with them.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::audit::{
    DecisionRecord, Entry, Held, Ledger, LedgerOptions, LeftOut, Timings, record::LoadedPolicy,
};
use portcullis::domain::{
    Action, Category, CategoryScore, DecisionId, Digest, Endpoint, Finding, Outcome, Place, RuleId,
    Stage, Usage, Verdict, View,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// A blocked prompt with two findings, about 1.3 KB of JSON.
fn decision() -> Entry {
    let finding = |start| Finding {
        category: Category::Harassment,
        rule: RuleId("harassment.threat".into()),
        level: 1,
        score: 0.9,
        place: Place::Prompt,
        span: start..start + 12,
        view: View::Canonical,
        entity: None,
        sampled_out: false,
        exception: None,
    };
    Entry::Decision(Box::new(DecisionRecord {
        decision: DecisionId::new(),
        endpoint: Endpoint::ChatCompletions,
        streamed: true,
        caller: "bench".into(),
        model: "llama-2-7b-chat".into(),
        model_digest: Some(Digest::of(b"model")),
        policy: LoadedPolicy {
            name: "llama2-aup".into(),
            version: "1".into(),
            digest: Digest::of(b"policy"),
        },
        outcome: Outcome::PolicyBlock,
        verdicts: vec![Verdict {
            stage: Stage::Input,
            action: Action::Block,
            categories: vec![CategoryScore {
                category: Category::Harassment,
                score: 0.97,
                action: Action::Block,
            }],
            findings: vec![finding(3), finding(40)],
            unjudged: Vec::new(),
        }],
        stored: Vec::new(),
        turns_dropped: 0,
        stripped_fields: Vec::new(),
        restored: 0,
        usage: Some(Usage::default()),
        timings: Timings::default(),
        held: Held::default(),
        left_out: LeftOut::default(),
    }))
}

/// The time that `appenders` callers take for `each` records apiece.
fn append_all(runtime: &Runtime, ledger: &Ledger, appenders: u64, each: u64) -> Duration {
    runtime.block_on(async {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..appenders {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for _ in 0..each {
                    ledger.append(decision()).await.expect("the disk works");
                }
            });
        }
        tasks.join_all().await;
        began.elapsed()
    })
}

fn append(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().enable_time().build().expect("a runtime");
    let mut group = criterion.benchmark_group("ledger/append");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for appenders in [1, 64] {
        let directory =
            tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a directory");
        let (ledger, _) = Ledger::open(directory.path(), LedgerOptions::default()).expect("a log");
        group.bench_with_input(
            BenchmarkId::from_parameter(appenders),
            &appenders,
            |bencher, &appenders| {
                bencher.iter_custom(|records| {
                    let each = records.div_ceil(appenders);
                    // Criterion asked for `records`; scale what was done to that.
                    append_all(&runtime, &ledger, appenders, each)
                        .mul_f64(records as f64 / (each * appenders) as f64)
                });
            },
        );
        runtime.block_on(ledger.close()).expect("the disk works");
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
