//! Counters that requests move.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use crate::ingest::Stored;

/// Upper bounds of the buckets of durations, seconds.
pub(super) const DURATION_BOUNDS: [f64; 11] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// All counters of the server.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    pub(super) http: Mutex<BTreeMap<String, RouteStats>>,
    pub(super) access_denied: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) samples: AtomicU64,
    pub(super) histograms: AtomicU64,
    pub(super) exemplars: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) write_bytes: AtomicU64,
    pub(super) queries_ok: AtomicU64,
    pub(super) queries_failed: AtomicU64,
    pub(super) queries_over_limit: AtomicU64,
    pub(super) query_memory_peak: AtomicU64,
    pub(super) query_duration: Mutex<Durations>,
    pub(super) self_store_failures: AtomicU64,
}

/// Answers of one route. Routes are patterns, so their number is fixed by the program.
#[derive(Debug, Clone, Default)]
pub(super) struct RouteStats {
    pub(super) by_code: BTreeMap<u16, u64>,
    pub(super) durations: Durations,
}

/// A histogram of durations.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations {
    /// Observations by bucket, not cumulative; the last one has no upper bound.
    pub(super) counts: [u64; DURATION_BOUNDS.len() + 1],
    pub(super) sum_seconds: f64,
}

impl Durations {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_seconds += seconds;
    }
}

impl Telemetry {
    /// A request was answered.
    pub(crate) fn http_answered(&self, route: &str, code: u16, duration: Duration) {
        let mut routes = self.http.lock();
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), RouteStats::default());
        }
        if let Some(stats) = routes.get_mut(route) {
            *stats.by_code.entry(code).or_default() += 1;
            stats.durations.observe(duration);
        }
    }

    /// A request was not let through.
    pub(crate) fn access_denied(&self, reason: &'static str) {
        *self.access_denied.lock().entry(reason).or_default() += 1;
    }

    /// A write request of `bytes` was stored, as far as `stored` says.
    pub(crate) fn written(&self, bytes: usize, stored: &Stored) {
        self.write_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.samples.fetch_add(stored.samples, Ordering::Relaxed);
        self.histograms.fetch_add(stored.histograms, Ordering::Relaxed);
        self.exemplars.fetch_add(stored.exemplars, Ordering::Relaxed);
        self.refused.fetch_add(stored.refused, Ordering::Relaxed);
    }

    /// A query was evaluated.
    pub(crate) fn query_evaluated(&self, succeeded: bool, duration: Duration) {
        let counter = if succeeded { &self.queries_ok } else { &self.queries_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        self.query_duration.lock().observe(duration);
    }

    /// A query was ended because it asked for too many samples or too much memory.
    pub(crate) fn query_over_limit(&self) {
        self.queries_over_limit.fetch_add(1, Ordering::Relaxed);
    }

    /// A query took so many bytes at once.
    pub(crate) fn query_took_memory(&self, bytes: u64) {
        self.query_memory_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The own metrics could not be stored.
    pub(crate) fn self_store_failed(&self) {
        self.self_store_failures.fetch_add(1, Ordering::Relaxed);
    }
}
