//! Samples of the store as rows of the finest tier, in the order of the table.

use std::collections::VecDeque;

use hashbrown::HashMap;
use kymo_formats::rollup::roll_up_samples;
use tracing::warn;

use crate::{
    engine::Inner,
    error::Error,
    model::{Labels, MatchOp, Matcher, MemoryBudget, SampleColumns, WindowSet},
    read::{LookUp, SelectedSeries, Warnings},
    tier::{RollupStream, SeriesRollups, TierError, order},
};

/// Rows of the series of one policy, metric by metric: so that only the labels of one metric are in memory.
pub(super) struct RawStream<'a> {
    inner: &'a Inner,
    policy: &'a str,
    width_ms: i64,
    windows: &'a WindowSet,
    /// Where the samples of the windows lie, both inclusive.
    samples: (i64, i64),
    metrics: VecDeque<Vec<u8>>,
    series: VecDeque<SelectedSeries>,
    counters: &'a Counters,
    labels: &'a mut LabelCounts,
    columns: SampleColumns,
}

/// Which metrics are said to be counters.
#[derive(Debug, Default)]
pub(super) struct Counters(HashMap<String, bool>);

/// In how many series each label was seen.
#[derive(Debug, Default)]
pub(super) struct LabelCounts {
    series: u64,
    names: HashMap<Vec<u8>, u64>,
}

/// Of labels that few series have there may be many.
const LABEL_NAMES_MAX: usize = 4_096;

impl LabelCounts {
    fn see(&mut self, labels: &Labels) {
        self.series += 1;
        for label in labels {
            if let Some(count) = self.names.get_mut(label.name) {
                *count += 1;
            } else if self.names.len() < LABEL_NAMES_MAX {
                self.names.insert(label.name.to_vec(), 1);
            }
        }
    }

    /// The labels that at least half of the series have, sorted.
    pub(super) fn common(&self) -> Vec<String> {
        let common =
            self.names.iter().filter(|(name, count)| **count * 2 >= self.series && *name != b"__name__");
        let mut names: Vec<String> =
            common.filter_map(|(name, _)| String::from_utf8(name.clone()).ok()).collect();
        names.sort();
        names
    }
}

impl Counters {
    pub(super) fn of(inner: &Inner) -> Self {
        let families = inner.head.metadata().into_iter();
        Self(families.map(|(family, metadata)| (family, is_counter_kind(&metadata.kind))).collect())
    }

    /// Whether the metric is said to be a counter, by its own name or by that of its family.
    fn contains(&self, metric: &[u8]) -> bool {
        let Ok(metric) = std::str::from_utf8(metric) else { return false };
        if let Some(known) = self.0.get(metric) {
            return *known;
        }
        let suffixes = ["_total", "_bucket", "_count", "_sum"].into_iter();
        let mut families = suffixes.filter_map(|suffix| metric.strip_suffix(suffix));
        families.any(|family| self.0.get(family).copied().unwrap_or(false))
    }
}

/// Of histograms and summaries the counts and sums are.
fn is_counter_kind(kind: &str) -> bool {
    matches!(kind, "counter" | "histogram" | "summary")
}

impl<'a> RawStream<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        policy: &'a str,
        width_ms: i64,
        windows: &'a WindowSet,
        counters: &'a Counters,
        labels: &'a mut LabelCounts,
    ) -> Result<Self, TierError> {
        let (from, to) = windows.bounds().unwrap_or((0, 0));
        let samples = (from.saturating_add(1), to);
        let look_up = LookUp { matchers: &[], start: samples.0, end: samples.1 };
        let names = inner.label_values(b"__name__", look_up)?;
        report(&names.warnings)?;
        let names = names.items;
        // Series without a name are the first in the table.
        let metrics = std::iter::once(Vec::new()).chain(names).collect();
        let (series, columns) = (VecDeque::new(), SampleColumns::default());
        Ok(Self { inner, policy, width_ms, windows, samples, metrics, series, counters, labels, columns })
    }

    /// Selects the series of the next metric; whether there is one.
    fn next_metric(&mut self) -> Result<bool, TierError> {
        let Some(metric) = self.metrics.pop_front() else { return Ok(false) };
        let matcher = Matcher::new(MatchOp::Equal, b"__name__", &metric)
            .map_err(|error| Error::Config { problem: error.to_string() })?;
        let (start, end) = self.samples;
        let found = self.inner.select(&[matcher], start, end, &MemoryBudget::unlimited())?;
        report(&found.warnings)?;
        let config = &self.inner.rollups.config;
        let mut series: Vec<_> = found
            .series
            .into_iter()
            .filter(|series| config.policy_of(series.labels()) == self.policy)
            .collect();
        series.sort_by(|a, b| order(a.labels(), b.labels()));
        self.series = series.into();
        Ok(true)
    }

    /// The rows of a series.
    fn roll_up(&mut self, series: &SelectedSeries) -> Result<SeriesRollups, TierError> {
        report(&series.read(&mut self.columns)?)?;
        let mut rollups = Vec::new();
        let histograms: Vec<_> = self.columns.histograms.drain(..).map(|it| (it.ts, it.value)).collect();
        let SampleColumns { ts, values, .. } = &self.columns;
        roll_up_samples(ts, values, &histograms, self.width_ms, &mut rollups);
        rollups.retain(|rollup| self.windows.contains(rollup.end));
        if self.counters.contains(series.labels().metric_name()) {
            let runs = rollups.iter_mut().filter_map(|rollup| rollup.floats.as_mut());
            runs.for_each(|run| *run = run.lean(true));
        }
        Ok(SeriesRollups { labels: series.labels().clone(), rollups })
    }
}

/// What is damaged is left out, as in answers to queries; rows cannot say so. What cannot be reached now is waited for: the
/// rows would replace better ones.
fn report(warnings: &Warnings) -> Result<(), TierError> {
    if warnings.is_unreachable() {
        return Err(TierError::Unreachable { problem: warnings.clone().into_texts().join("; ") });
    }
    if !warnings.is_empty() {
        warn!(?warnings, "a rollup leaves out what is damaged");
    }
    Ok(())
}

impl RollupStream for RawStream<'_> {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError> {
        loop {
            while let Some(series) = self.series.pop_front() {
                let rolled_up = self.roll_up(&series)?;
                if !rolled_up.rollups.is_empty() {
                    self.labels.see(&rolled_up.labels);
                    return Ok(Some(rolled_up));
                }
            }
            if !self.next_metric()? {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_known_by_their_families() {
        let kinds = [
            ("a_total", "counter"),
            ("b", "counter"),
            ("h", "histogram"),
            ("g", "gauge"),
            ("x_total", "gauge"),
        ];
        let counters =
            Counters(kinds.iter().map(|(name, kind)| ((*name).to_owned(), is_counter_kind(kind))).collect());
        let known = ["a_total", "b_total", "b", "h_bucket", "h_count", "h_sum"];
        assert!(known.iter().all(|name| counters.contains(name.as_bytes())));
        let others = ["g", "g_sum", "x_total", "y_total", "h_max", "\u{fffd}"];
        assert!(!others.iter().any(|name| counters.contains(name.as_bytes())));
    }

    #[test]
    fn labels_that_most_series_have_are_common() {
        let mut counts = LabelCounts::default();
        counts.see(&Labels::from_pairs([("__name__", "m"), ("job", "a"), ("pod", "x")]));
        counts.see(&Labels::from_pairs([("__name__", "m"), ("job", "a"), ("zone", "x")]));
        counts.see(&Labels::from_pairs([("__name__", "n"), ("job", "a"), ("pod", "x")]));
        assert_eq!(counts.common(), ["job", "pod"]);
    }
}
