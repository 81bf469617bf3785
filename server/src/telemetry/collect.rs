//! All metrics at one moment.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use kymo_engine::{Engine, EngineStats, SYNC_SECONDS_BOUNDS, TableSize, TierStats};

use super::{
    metrics::{DURATION_BOUNDS, Durations, Telemetry},
    names::{self, Info},
    process,
};
use crate::app::App;

/// The values of one metric.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) info: &'static Info,
    pub(crate) points: Vec<Point>,
}

/// One value: of a series of the family, or of a part of a histogram.
#[derive(Debug)]
pub(crate) struct Point {
    /// `_bucket`, `_sum` and `_count` for parts of a histogram.
    pub(crate) suffix: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

/// All metrics now. Without an engine (it is still being opened) those of the engine are missing.
pub(crate) fn collect(app: &App, engine: Option<&Engine>) -> Vec<Family> {
    let mut families = Vec::new();
    push(&mut families, &names::BUILD_INFO, vec![point([("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
    gauge(&mut families, &names::PROCESS_START, app.start_ms as f64 / 1000.0);
    if let Some(usage) = process::usage() {
        gauge(&mut families, &names::PROCESS_RESIDENT, usage.resident_bytes as f64);
        gauge(&mut families, &names::PROCESS_CPU, usage.cpu_seconds);
    }
    connections(&mut families, app);
    requests(&mut families, &app.telemetry);
    gauge(&mut families, &names::WRITE_MEMORY, app.writes.taken() as f64 * 1024.0);
    gauge(&mut families, &names::QUERIES_RUNNING, app.queries.running() as f64);
    if let Some(engine) = engine {
        let stats = engine.stats();
        head(&mut families, &stats);
        memory(&mut families, &stats);
        wal(&mut families, &stats);
        blocks(&mut families, &stats);
        tiers(&mut families, engine);
        cold_blocks(&mut families, engine);
    }
    gauge(&mut families, &names::SELF_STORE_FAILURES, load(&app.telemetry.self_store_failures));
    families
}

fn connections(families: &mut Vec<Family>, app: &App) {
    gauge(families, &names::HTTP_CONNECTIONS, app.places.open() as f64);
    let ended = app.places.ended().map(|(reason, count)| point([("reason", reason)], count as f64));
    push(families, &names::HTTP_CONNECTIONS_ENDED, ended.into());
    let denied = app.telemetry.access_denied.lock().clone();
    let denied = denied.iter().map(|(reason, count)| point([("reason", *reason)], *count as f64));
    push(families, &names::ACCESS_DENIED, denied.collect());
}

fn requests(families: &mut Vec<Family>, telemetry: &Telemetry) {
    let routes = telemetry.http.lock().clone();
    let mut answered = Vec::new();
    let mut durations = Vec::new();
    for (route, stats) in &routes {
        for (code, count) in &stats.by_code {
            answered.push(point([("handler", route.as_str()), ("code", &code.to_string())], *count as f64));
        }
        histogram(&mut durations, &[("handler", route.clone())], &stats.durations);
    }
    push(families, &names::HTTP_REQUESTS, answered);
    push(families, &names::HTTP_DURATION, durations);
    let rows = [
        ("sample", &telemetry.samples),
        ("histogram", &telemetry.histograms),
        ("exemplar", &telemetry.exemplars),
    ];
    push(families, &names::WRITE_ROWS, rows.map(|(kind, count)| point([("kind", kind)], load(count))).into());
    gauge(families, &names::WRITE_REFUSED, load(&telemetry.refused));
    gauge(families, &names::WRITE_BYTES, load(&telemetry.write_bytes));
    let outcomes = [("success", &telemetry.queries_ok), ("error", &telemetry.queries_failed)];
    let queries = outcomes.map(|(outcome, count)| point([("outcome", outcome)], load(count)));
    push(families, &names::QUERIES, queries.into());
    gauge(families, &names::QUERIES_OVER_LIMIT, load(&telemetry.queries_over_limit));
    gauge(families, &names::QUERY_MEMORY_PEAK, load(&telemetry.query_memory_peak));
    let mut durations = Vec::new();
    histogram(&mut durations, &[], &telemetry.query_duration.lock());
    push(families, &names::QUERY_DURATION, durations);
}

fn head(families: &mut Vec<Family>, stats: &EngineStats) {
    let head = &stats.head;
    gauge(families, &names::SERIES, head.series as f64);
    gauge(families, &names::SERIES_CREATED, head.series_created as f64);
    let refused = &head.series_refused;
    let refused = [
        ("head.series_max", refused.series_max),
        ("head.metric_series_max", refused.metric_series_max),
        ("head.label_values_max", refused.label_values_max),
        ("head.budget_bytes", refused.budget_bytes),
    ];
    let refused = refused.map(|(setting, count)| point([("setting", setting)], count as f64));
    push(families, &names::SERIES_REFUSED, refused.into());
    gauge(families, &names::SAMPLES, head.samples_appended as f64);
    gauge(families, &names::SEALED_CHUNKS, head.sealed_chunks as f64);
    gauge(families, &names::LATE_SAMPLES, head.late_samples as f64);
    gauge(families, &names::EXEMPLARS, head.exemplars as f64);
    gauge(families, &names::HEAD_BYTES, super::head_bytes(stats) as f64);
}

fn memory(families: &mut Vec<Family>, stats: &EngineStats) {
    let others = [
        ("wal_buffer", usize::try_from(stats.wal.buffered_bytes).unwrap_or(usize::MAX)),
        ("block_timestamps", stats.caches.timestamps),
        ("block_matchers", stats.caches.matchers),
        ("cold_block_indexes", stats.caches.cold),
    ];
    let components = stats.head.bytes.components().into_iter().chain(others);
    let points = components.map(|(component, bytes)| point([("component", component)], bytes as f64));
    push(families, &names::MEMORY_BYTES, points.collect());
    gauge(families, &names::MEMORY_BUDGET, stats.memory_budget_bytes as f64);
    gauge(families, &names::MEMORY_STAGE, f64::from(stats.memory_stage as u8));
}

fn wal(families: &mut Vec<Family>, stats: &EngineStats) {
    let wal = &stats.wal;
    gauge(families, &names::WAL_BYTES, wal.bytes_total as f64);
    gauge(families, &names::WAL_SEGMENTS, wal.segments as f64);
    gauge(families, &names::WAL_WAITING, wal.waiting as f64);
    gauge(families, &names::WAL_FAILED, f64::from(u8::from(wal.failed)));
    let mut syncs = Vec::new();
    let seconds = wal.sync_nanos_total as f64 / 1e9;
    push_histogram(&mut syncs, &[], &SYNC_SECONDS_BOUNDS, &wal.sync_buckets, seconds);
    push(families, &names::WAL_SYNC, syncs);
    let recovery = &stats.recovery;
    let damaged = recovery.quarantined_bytes + recovery.checkpoint_damaged_bytes;
    gauge(families, &names::RECOVERY_DAMAGED, damaged as f64);
}

fn blocks(families: &mut Vec<Family>, stats: &EngineStats) {
    let mut levels: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    for block in &stats.blocks {
        let (count, bytes) = levels.entry(block.level).or_default();
        *count += 1;
        *bytes += block.bytes;
    }
    let by_level = |value: fn(&(u64, u64)) -> u64| {
        levels
            .iter()
            .map(|(level, sums)| point([("level", &level.to_string())], value(sums) as f64))
            .collect()
    };
    push(families, &names::BLOCKS, by_level(|(count, _)| *count));
    push(families, &names::BLOCK_BYTES, by_level(|(_, bytes)| *bytes));
    gauge(families, &names::BLOCKS_DAMAGED, stats.blocks_damaged as f64);
    gauge(families, &names::DAMAGED_LEFT_OUT, stats.damaged_left_out_total as f64);
    outcomes(families, &names::FLUSHES, stats.flushes_total, stats.flush_failures_total);
    outcomes(families, &names::COMPACTIONS, stats.compactions_total, stats.compaction_failures_total);
    gauge(families, &names::MERGES_WITHOUT_ROOM, f64::from(u8::from(stats.merges_without_room)));
    gauge(families, &names::BLOCKS_EXPIRED, stats.blocks_expired_total as f64);
}

fn tiers(families: &mut Vec<Family>, engine: &Engine) {
    let tiers = engine.tiers();
    if tiers.is_empty() {
        return;
    }
    let sizes: Vec<TableSize> = tiers.iter().map(|tier| tier.state.size()).collect();
    let by_table = |value: &dyn Fn(&TierStats, &TableSize) -> f64| -> Vec<Point> {
        let point =
            |(tier, size): (&TierStats, &TableSize)| point([("table", &*tier.table)], value(tier, size));
        tiers.iter().zip(&sizes).map(point).collect()
    };
    push(families, &names::TIER_LAG, by_table(&|tier, _| tier.lag_ms as f64 / 1000.0));
    let rolled_to = |tier: &TierStats| tier.rolled_to.map_or(0.0, |to| to as f64 / 1000.0);
    push(families, &names::TIER_ROLLED_TO, by_table(&|tier, _| rolled_to(tier)));
    push(families, &names::TIER_DUE, by_table(&|tier, _| tier.due_windows() as f64));
    push(families, &names::TIER_ROWS, by_table(&|_, size| size.rows as f64));
    push(families, &names::TIER_BYTES, by_table(&|_, size| size.bytes as f64));
    push(families, &names::TIER_OBJECTS, by_table(&|_, size| size.objects as f64));
    let stats = engine.rollup_stats();
    outcomes(families, &names::ROLLUP_JOBS, stats.jobs, stats.failures);
    gauge(families, &names::ROLLUP_ROWS, stats.rows as f64);
    gauge(families, &names::ROLLUP_TOO_LATE, stats.windows_too_late as f64);
    gauge(families, &names::ROLLUP_HELD_BACK, f64::from(u8::from(stats.deletion_held_back)));
    gauge(families, &names::TIER_REQUESTS, stats.fetch.requests as f64);
    gauge(families, &names::TIER_FETCHED, stats.fetch.bytes as f64);
    gauge(families, &names::TIER_CACHED, stats.fetch.cached_bytes as f64);
    gauge(families, &names::TIER_DISK_CACHED, stats.fetch.disk_bytes as f64);
    let hits = [("memory", stats.fetch.hits), ("disk", stats.fetch.disk_hits)];
    let hits = hits.map(|(place, count)| point([("where", place)], count as f64));
    push(families, &names::TIER_CACHE_HITS, hits.into());
}

/// Blocks of samples in object storage.
fn cold_blocks(families: &mut Vec<Family>, engine: &Engine) {
    let stats = engine.cold_stats();
    if engine.tiers_config().raw.is_none() && stats.blocks + stats.blocks_going == 0 {
        return;
    }
    gauge(families, &names::COLD_BLOCKS, stats.blocks as f64);
    gauge(families, &names::COLD_BYTES, stats.bytes as f64);
    gauge(families, &names::COLD_GOING, stats.blocks_going as f64);
    outcomes(families, &names::COLD_UPLOADS, stats.uploads_total, stats.failures_total);
    gauge(families, &names::COLD_REQUESTS, stats.requests_total as f64);
    gauge(families, &names::COLD_FETCHED, stats.fetched_bytes_total as f64);
    gauge(families, &names::COLD_LEFT_OUT, stats.left_out_total as f64);
}

/// How often something was done, and how often it failed.
fn outcomes(families: &mut Vec<Family>, info: &'static Info, succeeded: u64, failed: u64) {
    let outcomes = [("success", succeeded), ("error", failed)];
    let points = outcomes.map(|(outcome, count)| point([("outcome", outcome)], count as f64));
    push(families, info, points.into());
}

fn histogram(points: &mut Vec<Point>, labels: &[(&'static str, String)], durations: &Durations) {
    push_histogram(points, labels, &DURATION_BOUNDS, &durations.counts, durations.sum_seconds);
}

/// Appends the parts of a classic histogram: cumulative buckets, sum, count. `counts` has one more than `bounds`.
fn push_histogram(
    points: &mut Vec<Point>,
    labels: &[(&'static str, String)],
    bounds: &[f64],
    counts: &[u64],
    sum: f64,
) {
    let mut part = |suffix, bound: Option<&str>, value| {
        let mut labels = labels.to_vec();
        labels.extend(bound.map(|bound| ("le", bound.to_owned())));
        points.push(Point { suffix, labels, value });
    };
    let mut cumulative = 0;
    for (i, count) in counts.iter().enumerate() {
        cumulative += count;
        let bound = bounds.get(i).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
        part("_bucket", Some(&bound), cumulative as f64);
    }
    part("_sum", None, sum);
    part("_count", None, cumulative as f64);
}

fn push(families: &mut Vec<Family>, info: &'static Info, points: Vec<Point>) {
    if !points.is_empty() {
        families.push(Family { info, points });
    }
}

fn gauge(families: &mut Vec<Family>, info: &'static Info, value: f64) {
    push(families, info, vec![point([], value)]);
}

fn point<const N: usize>(labels: [(&'static str, &str); N], value: f64) -> Point {
    Point { suffix: "", labels: labels.map(|(name, value)| (name, value.to_owned())).into(), value }
}

fn load(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}
