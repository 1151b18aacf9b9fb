//! What the shipped policy costs: a message of 1 KB on the way in, a token on
//! the way out.

#![expect(clippy::panic, reason = "a benchmark without a policy has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::domain::Stage;
use portcullis::policy::{self, Source, cases};
use portcullis::text::Canonical;

const PROSE: &str = "We moved to a small town last spring, and my sister asked me how I plan to heat \
    the old house next winter. The boiler is from 1987; it makes a noise like a kettle, and the man who \
    checked it said that parts are hard to find. Could you explain what a heat pump costs to run, and how \
    I would compare it with a pellet stove? I can write a list of the rooms and windows. ";

fn message(part: &str) -> String {
    part.chars().cycle().take(1024).collect()
}

fn input(c: &mut Criterion) {
    let engine = policy::load(&Source::Shipped).unwrap_or_else(|error| panic!("{error}"));
    let texts = [
        ("english", message(PROSE)),
        (
            "russian",
            message(
                "Мы переехали весной в небольшой город и теперь думаем, чем зимой топить дом. ",
            ),
        ),
        ("emoji", message("So happy 🎉 that it works now 😀, thanks! ")),
    ];
    let mut group = c.benchmark_group("judge 1024 characters");
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*name, |b| {
            b.iter(|| cases::judge(&engine, Stage::Input, black_box(text)))
        });
        group.bench_function(format!("{name}, view alone"), |b| {
            b.iter(|| Canonical::of(black_box(text)))
        });
    }
    group.finish();
}

fn output(c: &mut Criterion) {
    let engine = Arc::new(policy::load(&Source::Shipped).unwrap_or_else(|error| panic!("{error}")));
    let text = message(PROSE);
    let tokens: Vec<&str> = text.split_inclusive(' ').collect();
    let mut group = c.benchmark_group("screen");
    group.throughput(Throughput::Elements(tokens.len() as u64));
    group.bench_function("token by token", |b| {
        b.iter(|| {
            let mut screen = engine.screen(0);
            for token in &tokens {
                black_box(screen.push(token));
            }
            black_box(screen.finish())
        });
    });
    group.bench_function("whole", |b| {
        b.iter(|| {
            let mut screen = engine.screen(0);
            black_box(screen.push(&text));
            black_box(screen.finish())
        });
    });
    group.finish();
}

criterion_group!(benches, input, output);
criterion_main!(benches);
