//! PromQL in process: from the text of a query to its result, one query per kind of operator, over an engine that
//! holds half of the data in blocks and half in memory.
//!
//! `cargo test` runs each query once over a small store and checks that it has an answer.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kymo_engine::{Engine, EngineConfig, Labels};
use kymo_query::{EngineSource, QueryEngine, QueryOptions, Value};

const INTERVAL_MS: i64 = 15_000;
const JOBS: usize = 5;
const BOUNDS: [&str; 6] = ["0.01", "0.1", "0.5", "1", "5", "+Inf"];

/// Title and expression.
const QUERIES: [(&str, &str); 9] = [
    ("rate_sum", "sum by (job) (rate(requests_total[5m]))"),
    ("rate", "rate(requests_total[5m])"),
    ("selector", "requests_total"),
    ("matching", "rate(requests_total[5m]) / on (job) group_left sum by (job) (rate(requests_total[5m]))"),
    ("topk", "topk(3, rate(requests_total[5m]))"),
    ("histogram_quantile", "histogram_quantile(0.9, sum by (job, le) (rate(latency_bucket[5m])))"),
    ("subquery", "max_over_time(sum by (job) (rate(requests_total[5m]))[10m:1m])"),
    ("regex", "sum by (job) (requests_total{instance=~\".*[05]\"})"),
    ("over_time", "max by (job) (max_over_time(requests_total[10m]))"),
];

/// How much there is to read.
#[derive(Debug, Clone, Copy)]
struct Size {
    instances: usize,
    samples: i64,
}

/// `cargo bench` says so to the program; everything else only wants to know whether it works.
fn size() -> Size {
    if std::env::args().any(|argument| argument == "--bench") {
        Size { instances: 200, samples: 480 }
    } else {
        Size { instances: 10, samples: 60 }
    }
}

fn counter(seed: usize, sample: i64) -> f64 {
    // Grows unevenly, and is reset once.
    let slope = (seed % 97 + 1) as f64;
    let since_reset = if sample < 50 { sample } else { sample - 50 };
    (since_reset as f64 * slope).floor() + ((sample * 31 + 7) % 11) as f64 / 11.0 * slope
}

/// All series: `requests_total` of each job and instance, and the buckets of `latency` of each job.
fn series(size: Size) -> Vec<(Labels, usize)> {
    let mut series = Vec::new();
    for job in 0..JOBS {
        let job_name = format!("job-{job}");
        for instance in 0..size.instances {
            let instance_name = format!("host-{instance}.example.com:9100");
            let labels = [("__name__", "requests_total"), ("job", &job_name), ("instance", &instance_name)];
            series.push((Labels::from_pairs(labels), job * size.instances + instance));
        }
        for (bound, le) in BOUNDS.iter().enumerate() {
            let labels = [("__name__", "latency_bucket"), ("job", &job_name), ("le", le)];
            series.push((Labels::from_pairs(labels), bound * 10));
        }
    }
    series
}

fn store(folder: &std::path::Path, size: Size) -> Engine {
    let engine = Engine::open_with(folder, EngineConfig::keep_everything()).expect("the folder is empty");
    let series = series(size);
    for half in [0..size.samples / 2, size.samples / 2..size.samples] {
        let mut batch = engine.batch();
        for (labels, seed) in &series {
            let id = batch.series(labels, None).expect("there are few series");
            half.clone().for_each(|i| batch.float(id, i * INTERVAL_MS + 1, 0, counter(*seed, i)));
        }
        batch.commit().expect("the disk takes it");
        if half.start == 0 {
            engine.flush().expect("the disk takes it");
        }
    }
    engine
}

fn run(source: &EngineSource, query: &str, size: Size) -> usize {
    let end = size.samples * INTERVAL_MS;
    let result = QueryEngine::default()
        .range(source, query, end / 4, end, INTERVAL_MS, &QueryOptions::default())
        .expect("the query is valid");
    match result.value {
        Value::Matrix(series) => series.iter().map(|series| series.floats.len()).sum(),
        _ => 0,
    }
}

fn queries(criterion: &mut Criterion) {
    let size = size();
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let source = EngineSource(Arc::new(store(folder.path(), size)));
    let mut group = criterion.benchmark_group("promql");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.throughput(Throughput::Elements((size.instances * JOBS) as u64 * size.samples.unsigned_abs()));
    for (title, query) in QUERIES {
        let points = run(&source, query, size);
        assert!(points > 0, "{title} has no answer");
        group.bench_function(title, |b| b.iter(|| run(black_box(&source), query, size)));
    }
    group.finish();
}

criterion_group!(benches, queries);
criterion_main!(benches);
