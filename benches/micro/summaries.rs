//! Windows of a day over chunks of a day: with the summaries of the chunks, and with every sample decoded.
//!
//! `cargo test` runs each query once over a small store and checks that both answer the same.

use std::{hint::black_box, path::Path, sync::Arc};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kymo_engine::{Engine, EngineConfig, Env, Labels, MemFs, Millis, SampleColumns, SimClock, Warnings};
use kymo_query::{
    EngineSource, Error, QueryEngine, QueryOptions, SelectRequest, Selection, SeriesReader, Source, Value,
};

const DAY_MS: i64 = 24 * 3_600_000;
/// A retention of 15 days has no level above that of the days.
const RETENTION_MS: i64 = 15 * DAY_MS;
const DAYS: u32 = 4;

/// What is measured.
const FUNCTIONS: [&str; 6] =
    ["rate", "increase", "max_over_time", "avg_over_time", "sum_over_time", "count_over_time"];

/// How much there is to read.
#[derive(Debug, Clone, Copy)]
struct Size {
    series: usize,
    interval_ms: i64,
}

/// `cargo bench` says so to the program; everything else only wants to know whether it works.
fn size() -> Size {
    if std::env::args().any(|argument| argument == "--bench") {
        Size { series: 200, interval_ms: 15_000 }
    } else {
        Size { series: 3, interval_ms: 600_000 }
    }
}

/// A source whose readers know nothing of summaries.
struct Decoded<'a>(&'a EngineSource);

struct DecodedReader(Box<dyn SeriesReader>);

impl Source for Decoded<'_> {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        let mut selection = self.0.select(request)?;
        let decoded = |reader| Box::new(DecodedReader(reader)) as Box<dyn SeriesReader>;
        selection.series = selection.series.into_iter().map(decoded).collect();
        Ok(selection)
    }
}

impl SeriesReader for DecodedReader {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        self.0.read(columns)
    }
}

/// Counters that restart seldom, in one block for each day.
fn store(size: Size) -> EngineSource {
    let clock = Arc::new(SimClock::new(Millis((i64::from(DAYS) + 1) * DAY_MS)));
    let env = Env { clock, ..Env::simulated(Arc::new(MemFs::new()), 1) };
    let mut config = EngineConfig::keep_everything();
    config.retention.age_ms = RETENTION_MS;
    let engine = Engine::open_in(&env, Path::new("/data"), config).expect("the file system is empty");
    let interval = usize::try_from(size.interval_ms).expect("it is short");
    for part in 0..i64::from(DAYS) * 4 {
        let mut batch = engine.batch();
        for series in 0..size.series {
            let instance = format!("host-{series}");
            let labels = Labels::from_pairs([("__name__", "requests_total"), ("instance", &instance)]);
            let id = batch.series(&labels, None).expect("there are few series");
            let times = (part * DAY_MS / 4..(part + 1) * DAY_MS / 4).step_by(interval);
            for ts in times {
                let n = ts / size.interval_ms;
                let value = (n % 17_000 * 40 + n * 31 % 11) as f64 * (series % 7 + 1) as f64;
                batch.float(id, ts + 1, 0, value);
            }
        }
        batch.commit().expect("memory takes it");
        engine.flush().expect("memory takes it");
        engine.maintain().expect("memory takes it");
    }
    engine.compact().expect("memory takes it");
    assert!(engine.stats().blocks.iter().all(|block| block.level == 2), "there are blocks of days only");
    EngineSource(Arc::new(engine))
}

/// The sum of all values of the answer: one per day and series.
fn run(source: &dyn Source, function: &str) -> (usize, f64) {
    let query = format!("{function}(requests_total[1d])");
    let result = QueryEngine::default()
        .range(source, &query, DAY_MS, i64::from(DAYS) * DAY_MS, DAY_MS, &QueryOptions::default())
        .expect("the query is valid");
    let Value::Matrix(series) = result.value else { return (0, 0.0) };
    let values = series.iter().flat_map(|series| &series.floats).map(|point| point.value);
    (values.clone().count(), values.sum())
}

fn summaries(criterion: &mut Criterion) {
    let size = size();
    let source = store(size);
    let decoded = Decoded(&source);
    let mut group = criterion.benchmark_group("summaries");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Elements(
        size.series as u64 * (i64::from(DAYS) * DAY_MS / size.interval_ms).unsigned_abs(),
    ));
    for function in FUNCTIONS {
        let (with, without) = (run(&source, function), run(&decoded, function));
        assert_eq!(with.0, size.series * DAYS as usize, "{function} has an answer for each day");
        assert!((with.1 - without.1).abs() <= 1e-12 * without.1.abs(), "{function}: {with:?}, {without:?}");
        group.bench_function(format!("{function}/summaries"), |b| {
            b.iter(|| run(black_box(&source), function));
        });
        group.bench_function(format!("{function}/decoded"), |b| {
            b.iter(|| run(black_box(&decoded), function));
        });
    }
    group.finish();
}

criterion_group!(benches, summaries);
criterion_main!(benches);
