//! The part in memory, with its log on a file system in memory: samples of series that it knows, series that it does
//! not, and the flush to a block. Times are CPU time of the thread.

mod cpu_time;
mod support;

use std::{path::Path, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main, measurement::Measurement};
use kymo_engine::{Engine, EngineConfig, Env, Labels, MemFs, Millis, SimClock};

use cpu_time::ThreadCpu;
use support::measured;

const START_MS: i64 = 1_700_006_400_000;
const INTERVAL_MS: i64 = 15_000;
/// Scrapes before a flush: an hour.
const SCRAPES: i64 = 240;

fn engine() -> Engine {
    let clock = Arc::new(SimClock::new(Millis(START_MS)));
    let env = Env { clock, ..Env::simulated(Arc::new(MemFs::new()), 7) };
    let mut config = EngineConfig::keep_everything();
    config.head.future_max_ms = i64::MAX;
    config.head.shards = 4;
    Engine::open_in(&env, Path::new("/data"), config).expect("there is nothing yet")
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", &*format!("node_disk_written_bytes_total_{}", series % 50)),
        ("device", &format!("nvme{}n1", series % 40)),
        ("instance", &format!("node-{:05}.example.com:9100", series / 500)),
        ("job", "node-exporter"),
        ("pod", &format!("node-exporter-{series:06}")),
    ])
}

/// The first sample of each series, which its canonical labels stand for from now on.
fn add_series(engine: &Engine, labels: &[Labels]) {
    let hasher = engine.raw_hasher();
    let mut batch = engine.batch();
    for labels in labels {
        let hash = hasher.hash(labels.canonical());
        let series = batch.series(labels, Some(hash)).expect("there are few series");
        batch.float(series, START_MS, 0, 1.0);
    }
    let outcome = batch.commit().expect("memory takes it");
    assert_eq!(outcome.floats, labels.len() as u64);
}

/// One sample of each series, as one request.
fn scrape(engine: &Engine, labels: &[Labels], n: i64) {
    let hasher = engine.raw_hasher();
    let mut batch = engine.batch();
    for (at, labels) in (0_i64..).zip(labels) {
        let bytes = labels.canonical();
        let series = batch.known_series(hasher.hash(bytes), bytes.len()).expect("it was added");
        let value = (n * (at % 97 + 1) + n * n % 7) as f64;
        batch.float(series, START_MS + n * INTERVAL_MS, 0, value);
    }
    let outcome = batch.commit().expect("memory takes it");
    assert_eq!(outcome.floats, labels.len() as u64);
}

/// Time that `work` takes.
fn timed(work: impl FnOnce()) -> Duration {
    let start = ThreadCpu.start();
    work();
    ThreadCpu.end(start)
}

fn known_series(criterion: &mut Criterion<ThreadCpu>, labels: &[Labels]) {
    let engine = engine();
    add_series(&engine, labels);
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(labels.len() as u64)).sample_size(20);
    let mut n = 0;
    group.bench_function("append", |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                n += 1;
                spent += timed(|| scrape(&engine, labels, n));
                if n % SCRAPES == 0 {
                    engine.flush().expect("memory takes it");
                }
            }
            spent
        });
    });
    group.finish();
}

fn new_series(criterion: &mut Criterion<ThreadCpu>, labels: &[Labels]) {
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(labels.len() as u64)).sample_size(10);
    group.bench_function("new_series", |b| {
        b.iter_custom(|iterations| {
            let engines = (0..iterations).map(|_| engine());
            engines.map(|engine| timed(|| add_series(&engine, labels))).sum()
        });
    });
    group.finish();
}

fn flush(criterion: &mut Criterion<ThreadCpu>, labels: &[Labels], scrapes: i64) {
    let samples = labels.len() as u64 * (scrapes.unsigned_abs() + 1);
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(samples)).sample_size(10);
    group.bench_function("flush", |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let engine = engine();
                add_series(&engine, labels);
                (1..=scrapes).for_each(|n| scrape(&engine, labels, n));
                spent += timed(|| {
                    let report = engine.flush().expect("memory takes it");
                    assert_eq!(report.samples, samples);
                });
            }
            spent
        });
    });
    group.finish();
}

fn head(criterion: &mut Criterion<ThreadCpu>) {
    let (count, scrapes) = if measured() { (10_000, SCRAPES / 2) } else { (50, 3) };
    let labels: Vec<Labels> = (0..count).map(labels).collect();
    known_series(criterion, &labels);
    new_series(criterion, &labels);
    flush(criterion, &labels, scrapes);
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(ThreadCpu); targets = head);
criterion_main!(benches);
