//! Long ranges from tiers and from samples: time, bytes and requests of the same queries.
//!
//! A month of ten thousand series and a year of a thousand are written to a store in a local folder, rolled up, and asked
//! by range queries that the 1 h tier, the 5 m tier and the samples can each answer. `cargo bench` writes the table to
//! `benches/results/tiers.md`; `cargo bench --bench tiers -- SERIES DAYS SECONDS STEP` prints that of one fleet, with a
//! sample each so many seconds; `cargo test` runs it over a small store and checks that the answers agree.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures with the real clock and real files, and prints what it finds"
)]

/// That of the server: queries allocate much.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[path = "support.rs"]
mod support;

use std::{fmt::Write as _, path::Path, sync::Arc, time::Instant};

use kymo_engine::{Engine, EngineConfig, Env, Labels, Millis, ReadCost, SimClock, TierConfig, TiersConfig};
use kymo_query::{EngineSource, MatrixSeries, PartSource, QueryEngine, QueryOptions, QueryResult, Value};
use serde_json::json;
use support::measured;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A day begins here.
const START_MS: i64 = 20_000 * DAY_MS;
/// Each query is timed so often, after one that fills the caches.
const RUNS: usize = 5;

/// A fleet over some days.
#[derive(Debug, Clone, Copy)]
struct Fleet {
    name: &'static str,
    series: usize,
    days: i64,
    interval_ms: i64,
    /// Of the queries.
    step_ms: i64,
    /// So much is written before it is rolled up.
    part_ms: i64,
}

impl Fleet {
    const fn new(name: &'static str, series: usize, days: i64, interval_ms: i64, step_ms: i64) -> Self {
        // Of long ones less often, for the sake of patience.
        let part_ms = if days > 31 { DAY_MS } else { 6 * HOUR_MS };
        Self { name, series, days, interval_ms, step_ms, part_ms }
    }
}

/// A question, and what is to answer it.
#[derive(Debug, Clone, Copy)]
struct Question {
    name: &'static str,
    query: &'static str,
    /// Where the range begins after the start of the data.
    after_ms: i64,
    step_ms: i64,
    /// Width of the windows of the tier; none for samples.
    tier_ms: Option<i64>,
}

/// What a question took.
#[derive(Debug, Clone)]
struct Answer {
    question: Question,
    source: &'static str,
    /// The first time: files are opened, and nothing is cached.
    cold_ms: f64,
    median_ms: f64,
    first: ReadCost,
    result: Value,
}

fn main() {
    let asked = asked_fleet();
    let saves = measured() && asked.is_none();
    let fleets = if let Some(fleet) = asked {
        vec![fleet]
    } else if measured() {
        vec![
            // The rows of a tier are as many however often was scraped.
            Fleet::new("a month of 10,000 series", 10_000, 30, MINUTE_MS, HOUR_MS),
            Fleet::new("a month of 1,000 series", 1_000, 30, 15_000, HOUR_MS),
            Fleet::new("a year of 1,000 series", 1_000, 365, 2 * MINUTE_MS, DAY_MS),
        ]
    } else {
        vec![
            Fleet::new("two days of 12 series", 12, 2, MINUTE_MS, HOUR_MS),
            Fleet::new("10 days of 6 series", 6, 10, 10 * MINUTE_MS, DAY_MS),
        ]
    };
    let mut text = String::new();
    let mut figures = Vec::new();
    for fleet in fleets {
        let dir = tempfile::tempdir().expect("a folder");
        println!("writing {}", fleet.name);
        let written = write(&fleet, dir.path());
        println!("asking {}", fleet.name);
        let answers = ask(&fleet, dir.path());
        compare(&answers);
        describe(&fleet, &written, &answers, &mut text);
        figures.push(to_json(&fleet, &written, &answers));
        if saves {
            save(&text, &figures);
        }
    }
    println!("{text}");
}

/// The fleet that the arguments ask for: series, days, seconds between samples, seconds of a step.
fn asked_fleet() -> Option<Fleet> {
    let numbers: Vec<i64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [series, days, interval_s, step_s] = numbers[..] else { return None };
    let series = usize::try_from(series).ok()?;
    Some(Fleet::new("a fleet as asked for", series, days, interval_s * 1_000, step_s * 1_000))
}

/// Writes what is known so far to the results.
fn save(text: &str, figures: &[serde_json::Value]) {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::write(results.join("tiers.md"), text).expect("the results are written");
    let json = format!("{:#}\n", json!({ "fleets": figures }));
    std::fs::write(results.join("tiers.json"), json).expect("the results are written");
}

/// How writing went.
#[derive(Debug, Clone)]
struct Written {
    samples: u64,
    block_bytes: u64,
    append_s: f64,
    roll_up_s: f64,
    /// Name, rows, bytes and objects.
    tiers: Vec<(String, u64, u64, u64)>,
}

/// The usual tiers, for ever.
fn tiers() -> TiersConfig {
    let rollups = [5 * MINUTE_MS, HOUR_MS].map(|width_ms| TierConfig::new(width_ms, 0));
    TiersConfig { rollups: rollups.into(), ..TiersConfig::default() }
}

fn open(dir: &Path, clock: &Arc<SimClock>, tiers: TiersConfig) -> Engine {
    let env = Env { clock: Arc::clone(clock) as Arc<dyn kymo_engine::Clock>, threads: 2, ..Env::system() };
    let mut config = EngineConfig::keep_everything();
    config.tiers = tiers;
    Engine::open_in(&env, dir, config).expect("the store opens")
}

/// Writes the samples of a fleet, some hours at a time, and rolls them up.
fn write(fleet: &Fleet, dir: &Path) -> Written {
    let clock = Arc::new(SimClock::new(Millis(START_MS)));
    let engine = open(dir, &clock, tiers());
    let labels: Vec<Labels> = (0..fleet.series).map(labels).collect();
    let (mut samples, mut append_s, mut roll_up_s) = (0, 0.0, 0.0);
    for part in 0..fleet.days * DAY_MS / fleet.part_ms {
        let from = START_MS + part * fleet.part_ms;
        clock.set(Millis(from + fleet.part_ms));
        let begin = Instant::now();
        for (chunk, labels) in labels.chunks(500).enumerate() {
            let mut batch = engine.batch();
            for (i, labels) in labels.iter().enumerate() {
                let id = batch.series(labels, None).expect("there are few series");
                for ts in (from + fleet.interval_ms..=from + fleet.part_ms)
                    .step_by(usize::try_from(fleet.interval_ms).expect("it is short"))
                {
                    batch.float(id, ts, 0, value(chunk * 500 + i, (ts - START_MS) / fleet.interval_ms));
                    samples += 1;
                }
            }
            assert_eq!(batch.commit().expect("the disk has room").refused_count, 0);
        }
        append_s += begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        engine.roll_up().expect("the folder has room");
        roll_up_s += begin.elapsed().as_secs_f64();
        engine.maintain().expect("the disk has room");
    }
    engine.flush().expect("the disk has room");
    engine.compact().expect("the disk has room");
    engine.tend_tiers().expect("the folder has room");
    let tiers = engine.tiers().into_iter().map(|tier| {
        let size = tier.state.size();
        (tier.table, size.rows, size.bytes, size.objects)
    });
    let block_bytes = engine.stats().blocks.iter().map(|block| block.bytes).sum();
    Written { samples, block_bytes, append_s, roll_up_s, tiers: tiers.collect() }
}

fn labels(series: usize) -> Labels {
    let (pod, job) = (format!("pod-{:04}", series / 10), format!("job-{}", series / 1_000));
    let code = format!("{}", 200 + series % 10);
    Labels::from_pairs([
        ("__name__", "bench_metric"),
        ("cluster", "main"),
        ("code", &code),
        ("instance", &pod),
        ("job", &job),
        ("namespace", "shop"),
    ])
}

/// What real exporters have, in the shares that were counted in recordings: constants, slow integers, noisy floats, sizes
/// in bytes, counters of several speeds, idle ones.
fn value(series: usize, n: i64) -> f64 {
    let noise = hash(series as u64, n.unsigned_abs());
    let seed = hash(series as u64, 7);
    match series % 20 {
        0..5 => (seed % 1_000) as f64,
        5..8 => (seed % 50 + hash(series as u64, n.unsigned_abs() / 40) % 8) as f64,
        8..11 => (seed % 100) as f64 + (noise % 1_000_000) as f64 / 1e6,
        11..13 => ((1 << 28) + (seed % 4_096 + noise % 64) * 4_096) as f64,
        13..18 => {
            // Restarts once in two weeks or so.
            let age = n.unsigned_abs() % (20_000 + seed % 50_000);
            (age * (1 + seed % 40) + noise % 5) as f64
        }
        _ => 0.0,
    }
}

/// Looks random.
fn hash(a: u64, b: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&a.to_le_bytes());
    bytes[8..].copy_from_slice(&b.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

fn questions(step_ms: i64) -> Vec<Question> {
    let (by_hour, by_day) =
        ("sum by (job) (rate(bench_metric[1h]))", "sum by (job) (avg_over_time(bench_metric[1d]))");
    let query = if step_ms == HOUR_MS { by_hour } else { by_day };
    let question = |name, after_ms, tier_ms| Question { name, query, after_ms, step_ms, tier_ms };
    vec![
        question("1 h tier", 0, Some(HOUR_MS)),
        question("the same, without tiers", 0, None),
        question("5 m tier, 5 past", 5 * MINUTE_MS, Some(5 * MINUTE_MS)),
        question("the same, without tiers", 5 * MINUTE_MS, None),
    ]
}

fn ask(fleet: &Fleet, dir: &Path) -> Vec<Answer> {
    questions(fleet.step_ms).into_iter().map(|question| answer(fleet, question, dir)).collect()
}

/// Opens the store anew, so that nothing is cached, and asks.
fn answer(fleet: &Fleet, question: Question, dir: &Path) -> Answer {
    let clock = Arc::new(SimClock::new(Millis(START_MS + fleet.days * DAY_MS)));
    let tiers = if question.tier_ms.is_some() { tiers() } else { TiersConfig::none() };
    let engine = Arc::new(open(dir, &clock, tiers));
    engine.roll_up().expect("nothing is due");
    let source = EngineSource(engine);
    let (cold_ms, first) = timed(&source, fleet, &question);
    let source_name = check_source(&first, &question);
    let mut times: Vec<f64> = (0..RUNS).map(|_| timed(&source, fleet, &question).0).collect();
    times.sort_by(f64::total_cmp);
    let mut cost = ReadCost::default();
    first.stats.selectors.iter().flat_map(|read| &read.parts).for_each(|part| cost.add(&part.cost));
    Answer {
        question,
        source: source_name,
        cold_ms,
        median_ms: times[RUNS / 2],
        first: cost,
        result: first.value,
    }
}

fn timed(source: &EngineSource, fleet: &Fleet, question: &Question) -> (f64, QueryResult) {
    let start = START_MS + question.step_ms + question.after_ms;
    // The tiers have what is complete.
    let end = START_MS + fleet.days * DAY_MS - question.step_ms;
    let begin = Instant::now();
    let queries = QueryEngine::new(Default::default());
    let result =
        queries.range(source, question.query, start, end, question.step_ms, &QueryOptions::default());
    (begin.elapsed().as_secs_f64() * 1e3, result.expect("the query is answered"))
}

/// What has answered: the tier that was to, unless it has so few samples to a row that samples are cheaper.
fn check_source(result: &QueryResult, question: &Question) -> &'static str {
    let parts = result.stats.selectors.iter().flat_map(|read| &read.parts);
    let sources: Vec<PartSource> = parts.map(|part| part.source).collect();
    match (question.tier_ms, sources.first()) {
        (_, Some(PartSource::Samples)) => "samples",
        (Some(wanted), Some(PartSource::Tier { width_ms, is_exact: true })) if *width_ms == wanted => {
            "the tier"
        }
        other => unreachable!("{question:?}: {other:?}"),
    }
}

/// A tier answers what samples answer.
fn compare(answers: &[Answer]) {
    for pair in answers.chunks(2) {
        let [tier, samples] = pair else { continue };
        let (a, b) = (matrix(&tier.result), matrix(&samples.result));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert_eq!((&a.labels, a.floats.len()), (&b.labels, b.floats.len()), "{:?}", tier.question);
            for (a, b) in a.floats.iter().zip(&b.floats) {
                let close = (a.value - b.value).abs() <= 1e-11 * a.value.abs().max(b.value.abs());
                assert!(a.ts == b.ts && close, "{:?} at {}: {} {}", tier.question, a.ts, a.value, b.value);
            }
        }
    }
}

fn matrix(value: &Value) -> &[MatrixSeries] {
    match value {
        Value::Matrix(series) => series,
        _ => unreachable!("a range query gives a matrix"),
    }
}

fn describe(fleet: &Fleet, written: &Written, answers: &[Answer], text: &mut String) {
    let series_days = fleet.series as f64 * fleet.days as f64;
    let out = |text: &mut String, line: String| writeln!(text, "{line}").expect("a string takes it");
    out(text, format!("## {}, a sample each {} s\n", fleet.name, fleet.interval_ms / 1_000));
    let per_sample = written.block_bytes as f64 / written.samples as f64;
    let per_day = written.block_bytes as f64 / series_days;
    out(text, "| what | rows | bytes | objects | bytes per series and day |".to_owned());
    out(text, "| --- | ---: | ---: | ---: | ---: |".to_owned());
    out(
        text,
        format!(
            "| samples ({per_sample:.2} bytes each) | {} | {} | | {per_day:.0} |",
            written.samples, written.block_bytes
        ),
    );
    for (table, rows, bytes, objects) in &written.tiers {
        let per_day = *bytes as f64 / series_days;
        out(text, format!("| {table} | {rows} | {bytes} | {objects} | {per_day:.0} |"));
    }
    let cost = 100.0 * written.roll_up_s / written.append_s;
    out(text, format!("\nRolling up took {cost:.0} % of the time that appending took.\n"));
    out(text, format!("`{}`, step {} s\n", answers[0].question.query, answers[0].question.step_ms / 1_000));
    out(text, "| times of | answered from | first, ms | median, ms | bytes | of the samples' | requests | fetched |".to_owned());
    out(text, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned());
    for pair in answers.chunks(2) {
        let raw = pair.last().map_or(0, |answer| answer.first.bytes);
        for Answer { question, source, cold_ms, median_ms, first, .. } in pair {
            let share = 100.0 * first.bytes as f64 / raw as f64;
            let ReadCost { bytes, requests, fetched_bytes, .. } = first;
            out(
                text,
                format!(
                    "| {} | {source} | {cold_ms:.0} | {median_ms:.0} | {bytes} | {share:.1} % | {requests} | {fetched_bytes} |",
                    question.name
                ),
            );
        }
    }
    text.push('\n');
}

fn to_json(fleet: &Fleet, written: &Written, answers: &[Answer]) -> serde_json::Value {
    let tiers = written.tiers.iter().map(|(table, rows, bytes, objects)| {
        json!({"table": table, "rows": rows, "bytes": bytes, "objects": objects})
    });
    let answers = answers.iter().map(|answer| {
        json!({
            "times_of": answer.question.name,
            "answered_from": answer.source,
            "query": answer.question.query,
            "first_ms": answer.cold_ms,
            "median_ms": answer.median_ms,
            "bytes": answer.first.bytes,
            "requests": answer.first.requests,
            "fetched_bytes": answer.first.fetched_bytes,
        })
    });
    json!({
        "fleet": fleet.name,
        "series": fleet.series,
        "days": fleet.days,
        "interval_ms": fleet.interval_ms,
        "samples": written.samples,
        "block_bytes": written.block_bytes,
        "append_s": written.append_s,
        "roll_up_s": written.roll_up_s,
        "tiers": tiers.collect::<Vec<_>>(),
        "answers": answers.collect::<Vec<_>>(),
    })
}
