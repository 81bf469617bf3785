//! Reading a block as queries do: select all of its series, and each series' columns to slices.
//!
//! The block is a day at 15 s, of targets that are scraped at their own times with some jitter; its series are what
//! exporters show that is not constant. Times are CPU time of the thread.

#![expect(clippy::print_stdout, reason = "the size of the block is part of the result")]

mod cpu_time;
mod support;

use std::{hint::black_box, path::Path, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kymo_engine::{
    Engine, EngineConfig, Env, Labels, MatchOp, Matcher, Millis, OsFs, SampleColumns, Selection, SimClock,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use cpu_time::ThreadCpu;
use support::measured;

/// The beginning of a day.
const START_MS: i64 = 1_700_006_400_000;
const INTERVAL_MS: i64 = 15_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// Scrapes that are written at once.
const BATCH: i64 = 48;

#[derive(Debug, Clone, Copy)]
struct Size {
    targets: i64,
    series: i64,
    scrapes: i64,
}

impl Size {
    fn samples(self) -> u64 {
        (self.targets * self.series * self.scrapes).unsigned_abs()
    }
}

/// A number from 0 to 4,095 that looks random.
fn noise(n: i64) -> f64 {
    f64::from(u32::try_from(n & 0xffff_ffff).unwrap_or(0).wrapping_mul(0x9e37_79b9) >> 20)
}

fn ts(target: i64, scrape: i64) -> i64 {
    let jitter = i64::from(noise(target * 7_919 + scrape) > 3_900.0);
    START_MS + scrape * INTERVAL_MS + target * 977 + jitter
}

/// Counters of integers, gauges of one and two decimals, memory in pages, seconds: in turn.
fn value(series: i64, scrape: i64) -> f64 {
    let (n, noise) = (scrape as f64, noise(series * 104_729 + scrape));
    match series % 5 {
        0 => n * 40.0 + noise % 32.0,
        1 => (noise % 1_000.0) / 10.0,
        2 => 4_096.0 * (70_000.0 + noise % 300.0),
        3 => (n * 1_500.0 + noise % 50.0) / 100.0,
        _ => n * 3.0,
    }
}

fn labels(target: i64, series: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", &*format!("metric_{series}")),
        ("instance", &format!("host-{target}")),
        ("job", "node"),
    ])
}

/// An engine with one block of level 2, and nothing in memory.
fn store(dir: &Path, size: Size) -> Engine {
    let clock = Arc::new(SimClock::new(Millis(START_MS + 26 * HOUR_MS)));
    let env = Env { clock, ..Env::simulated(Arc::new(OsFs), 7) };
    // With a retention of 15 days a day is the longest window.
    let engine = Engine::open_in(&env, dir, EngineConfig::default()).expect("the folder is empty");
    for first in (0..size.scrapes).step_by(usize::try_from(BATCH).expect("it is small")) {
        let mut batch = engine.batch();
        for target in 0..size.targets {
            for series in 0..size.series {
                let id = batch.series(&labels(target, series), None).expect("there are few series");
                for scrape in first..(first + BATCH).min(size.scrapes) {
                    batch.float(id, ts(target, scrape), 0, value(series, scrape));
                }
            }
        }
        batch.commit().expect("the disk takes it");
    }
    engine.flush().expect("the disk takes it");
    engine.compact().expect("the disk takes it");
    engine
}

fn select(engine: &Engine) -> Selection {
    let all = Matcher::new(MatchOp::Equal, b"job", b"node").expect("the matcher is valid");
    engine.select(&[all], START_MS, START_MS + 24 * HOUR_MS).expect("the block is sound")
}

/// Reads all series: how many samples there are.
fn read(selection: &Selection, columns: &mut SampleColumns, mut visit: impl FnMut(&SampleColumns)) -> u64 {
    let mut samples = 0;
    for series in &selection.series {
        let warnings = series.read(columns).expect("the block is sound");
        assert!(warnings.is_empty(), "nothing is left out");
        samples += columns.ts.len() as u64;
        visit(columns);
    }
    samples
}

/// A digest of times and values of a series.
fn digest(seed: u64, samples: impl Iterator<Item = (i64, f64)>) -> u64 {
    let bytes = samples.flat_map(|(ts, value)| [ts.to_le_bytes(), value.to_bits().to_le_bytes()].concat());
    xxh3_64_with_seed(&bytes.collect::<Vec<u8>>(), seed)
}

/// What was read is what was written.
fn check(selection: &Selection, size: Size) {
    let mut found = Vec::new();
    read(selection, &mut SampleColumns::default(), |columns| {
        found.push(digest(0, columns.ts.iter().copied().zip(columns.values.iter().copied())));
    });
    let of_series = |target: i64, series: i64| {
        digest(0, (0..size.scrapes).map(|scrape| (ts(target, scrape), value(series, scrape))))
    };
    let mut expected: Vec<u64> =
        (0..size.targets).flat_map(|t| (0..size.series).map(move |s| of_series(t, s))).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn scan(criterion: &mut Criterion<ThreadCpu>) {
    let size = if measured() {
        Size { targets: 10, series: 50, scrapes: 5_759 }
    } else {
        Size { targets: 2, series: 5, scrapes: 60 }
    };
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let engine = store(folder.path(), size);
    let blocks = engine.stats().blocks;
    assert_eq!(blocks.iter().map(|block| block.samples).sum::<u64>(), size.samples());
    let bytes = blocks.iter().map(|block| block.bytes).sum::<u64>();
    println!(
        "{} samples in {} blocks, {:.3} bytes each",
        size.samples(),
        blocks.len(),
        bytes as f64 / size.samples() as f64
    );
    let selection = select(&engine);
    check(&selection, size);
    let mut columns = SampleColumns::default();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(size.samples())).sample_size(20);
    group.bench_function("read", |b| {
        b.iter(|| read(black_box(&selection), &mut columns, |columns| _ = black_box(columns)));
    });
    group.bench_function("select_and_read", |b| {
        b.iter(|| {
            let samples = read(&select(black_box(&engine)), &mut columns, |columns| _ = black_box(columns));
            assert_eq!(samples, size.samples());
        });
    });
    group.throughput(Throughput::Elements((size.targets * size.series).unsigned_abs()));
    group.bench_function("select", |b| {
        b.iter_batched(|| (), |()| select(black_box(&engine)), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(ThreadCpu); targets = scan);
criterion_main!(benches);
