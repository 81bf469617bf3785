//! What each copy of each series is worth at each scrape.
//!
//! A copy of an exporter starts on another page than the original, and its counters are multiplied by a
//! small whole number, the same within a metric family so that histograms stay histograms. Constants stay
//! what they are, as in a real fleet.

use super::{
    Setup, hash,
    recording::{Exporter, RecordedSeries, Recording, round_to},
};

/// Counters of copies are multiplied by one of 1 to this.
const FACTOR_MAX: u64 = 9;

/// Targets to be scraped.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// The targets, in the order in which connections take turns in them.
    pub(crate) targets: Vec<Target>,
    recording: Recording,
    interval_ms: i64,
    start_ms: i64,
    jitter_ms: i64,
    seed: u64,
}

/// One copy of an exporter.
#[derive(Debug)]
pub(crate) struct Target {
    /// Value of the label `instance`.
    pub(crate) instance: String,
    exporter: usize,
    number: u64,
    /// The page of the first scrape.
    first_page: u64,
    /// Scrapes of different targets are spread over the interval.
    phase_ms: i64,
    /// What the counters of each series are multiplied by.
    factors: Vec<f64>,
    /// By how much each counter grows while the recording is played once.
    growth: Vec<f64>,
}

impl Fleet {
    /// The fleet that `setup` describes.
    pub(crate) fn new(recording: Recording, setup: &Setup) -> Self {
        let mut targets = Vec::new();
        let mut series = 0;
        'all: for copy in 0..setup.instances {
            for (exporter, recorded) in recording.exporters.iter().enumerate() {
                series += recorded.series.len();
                if series > setup.series_max {
                    break 'all;
                }
                targets.push(Target::new(copy, exporter, recorded, setup));
            }
        }
        Self {
            targets,
            recording,
            interval_ms: setup.interval_ms,
            start_ms: setup.start_ms,
            jitter_ms: setup.jitter_ms,
            seed: setup.seed,
        }
    }

    /// The exporter that `target` is a copy of.
    pub(crate) fn exporter(&self, target: usize) -> &Exporter {
        &self.recording.exporters[self.targets[target].exporter]
    }

    /// Number of series of all targets.
    pub(crate) fn series_count(&self) -> usize {
        (0..self.targets.len()).map(|target| self.exporter(target).series.len()).sum()
    }

    /// When `target` is scraped for the time number `scrape`.
    pub(crate) fn ts(&self, target: usize, scrape: u64) -> i64 {
        let target = &self.targets[target];
        let late = below(hash(self.seed, &[1, target.number, scrape]), self.jitter_ms);
        self.start_ms + scrape.cast_signed() * self.interval_ms + target.phase_ms + late
    }

    /// Value of a series of `target` at that scrape; `None` when the target does not show it.
    pub(crate) fn value(&self, target: usize, series: usize, scrape: u64) -> Option<f64> {
        let exporter = self.exporter(target);
        let (recorded, target) = (&exporter.series[series], &self.targets[target]);
        let page = target.first_page + scrape;
        let pages = exporter.pages as u64;
        let value = recorded.values[usize::try_from(page % pages).ok()?]?;
        if !recorded.cumulative {
            return Some(value);
        }
        let value = (value + (page / pages) as f64 * target.growth[series]) * target.factors[series];
        // A decimal number stays one: a sum of doubles would have digits that no exporter shows.
        Some(recorded.decimals.map_or(value, |decimals| round_to(value, decimals)))
    }
}

impl Target {
    fn new(copy: usize, exporter: usize, recorded: &Exporter, setup: &Setup) -> Self {
        let number = (copy * 64 + exporter) as u64;
        let first_page = hash(setup.seed, &[2, number]) % (recorded.pages as u64).max(1);
        let factor = |series: &RecordedSeries| {
            let family = xxhash_rust::xxh3::xxh3_64(&series.family);
            1 + hash(setup.seed, &[3, number, family]) % FACTOR_MAX
        };
        let original = copy == 0;
        Self {
            instance: format!("host-{copy}"),
            exporter,
            number,
            first_page: if original { 0 } else { first_page },
            phase_ms: below(hash(setup.seed, &[4, number]), setup.interval_ms - setup.jitter_ms),
            factors: recorded.series.iter().map(|s| if original { 1.0 } else { factor(s) as f64 }).collect(),
            growth: recorded.series.iter().map(growth).collect(),
        }
    }
}

/// By how much a counter grows from its first to its last page; nothing when it was reset in between.
fn growth(series: &RecordedSeries) -> f64 {
    let first = series.values.iter().copied().flatten().next().unwrap_or(0.0);
    let last = series.values.iter().rev().copied().flatten().next().unwrap_or(0.0);
    if last > first { last - first } else { 0.0 }
}

/// A number in `0..bound` made of `hash`; zero when there is no such number.
fn below(hash: u64, bound: i64) -> i64 {
    u64::try_from(bound).ok().and_then(|bound| hash.checked_rem(bound)).map_or(0, u64::cast_signed)
}
