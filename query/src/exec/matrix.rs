//! Range vectors as results, and subqueries.

use std::sync::Arc;

use kymo_engine::{HistogramSample, Labels, SampleColumns};
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    Evaluator, Grid, Notes, Series,
    column::histogram_weight,
    context::execution,
    counters::Inner,
    finish::{drop_flagged_names, merge_same_labels},
    kernel::Extension,
    scan::{Reach, Timing, count_until},
    window::{drop_stale, extension},
};
use crate::{
    Error, HistogramPoint, MatrixSeries, Need, Point, SampleCounts,
    lang::promql::{MatrixSelector, Subquery},
};

impl Evaluator<'_> {
    /// The samples that a range selector finds at the only step.
    pub(crate) fn eval_matrix(
        &self,
        matrix: &MatrixSelector,
        notes: &mut Notes,
    ) -> Result<Vec<MatrixSeries>, Error> {
        let (range, lookback) = (matrix.range.millis(), self.shared.lookback);
        let extension = extension(&matrix.selector);
        let timing = Timing::new(&matrix.selector.offset, matrix.selector.at);
        let end = timing.reference(self.grid.start);
        let reach = match extension {
            Extension::Plain => Reach { before: range, after: 0 },
            Extension::Anchored => Reach { before: range + lookback, after: 0 },
            Extension::Smoothed => Reach { before: range + lookback, after: lookback },
        };
        let readers = self.select(&matrix.selector, timing, reach, Need::Samples, notes)?;
        let mut found = Vec::new();
        let mut columns = SampleColumns::default();
        for reader in &readers {
            self.shared.check_interrupt()?;
            notes.add_storage_warnings(reader.read(&mut columns)?);
            drop_stale(&mut columns);
            let mut series = cut(&columns, reader.labels(), end - reach.before, end + reach.after);
            if extension != Extension::Plain {
                if !series.histograms.is_empty() {
                    let modifier = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
                    return Err(execution(format!("{modifier} modifier is not supported with histograms")));
                }
                series.floats = super::extended::extend(&series.floats, end - range, end, extension);
            }
            let weight = weight(&series);
            if weight > 0 {
                self.shared.budget.charge(weight)?;
                let counts = SampleCounts { queryable: weight as u64, read: weight as u64 };
                self.counters.add_at(0, counts);
                self.shared.budget.take_bytes(columns.held_bytes())?;
                self.shared.budget.memory().release(columns.held_bytes());
                found.push(series);
            }
        }
        Ok(found)
    }

    /// A subquery that is not the argument of a function.
    pub(crate) fn eval_bare_subquery(
        &self,
        subquery: &Subquery,
        notes: &mut Notes,
    ) -> Result<Vec<MatrixSeries>, Error> {
        let child = self.subquery_evaluator(subquery);
        let mut series = child.eval_vector(&subquery.expr, notes)?;
        let last = self.grid.steps.saturating_sub(1);
        self.counters.add_at(last, SampleCounts { read: 0, ..child.counters.total() });
        // Every step of the subquery is in the result.
        self.count_subquery(&child, 0, i64::MAX);
        // A bare subquery is the query's result, so this is the end that delayed name removal waits for.
        drop_flagged_names(&mut series);
        let series = merge_same_labels(series)?;
        Ok(series.into_iter().map(|series| to_matrix(&series, child.grid)).collect())
    }

    /// The series of a subquery as range vectors.
    pub(crate) fn subquery_inputs(
        &self,
        subquery: &Subquery,
        notes: &mut Notes,
    ) -> Result<Vec<SubqueryInput>, Error> {
        let child = self.subquery_evaluator(subquery);
        let series = child.eval_vector(&subquery.expr, notes)?;
        self.count_subquery(&child, subquery.offset.millis(), subquery.range.millis());
        Ok(series.into_iter().map(|series| SubqueryInput::new(series, child.grid)).collect())
    }

    /// Evaluates at multiples of the subquery's step, from the first in the first window to the last one.
    fn subquery_evaluator(&self, subquery: &Subquery) -> Self {
        let interval = match subquery.step.millis() {
            0 => self.shared.subquery_interval,
            millis => millis,
        }
        .max(1);
        let timing = Timing::new(&subquery.offset, subquery.at);
        let before = timing.reference(self.grid.start).saturating_sub(subquery.range.millis());
        let start = (before.div_euclid(interval) + 1).saturating_mul(interval);
        let end = timing.reference(self.grid.end());
        // What lies between two windows is evaluated, but does not count as read.
        let has_gaps = self.grid.steps > 1 && self.grid.interval > subquery.range.millis();
        let child = Self::new(self.shared, Grid::new(start, end, interval)).until(end);
        child.counting_steps(has_gaps || self.counters.counts_steps())
    }

    fn count_subquery(&self, child: &Self, offset: i64, range: i64) {
        let inner = Inner { counters: &child.counters, grid: child.grid };
        self.counters.add_subquery(&inner, self.grid, offset, range);
    }
}

/// One series of a subquery, to be looked at through windows.
pub(crate) struct SubqueryInput {
    /// Labels.
    pub(crate) labels: Labels,
    /// Whether the name is to be dropped.
    pub(crate) drop_name: bool,
    /// Samples.
    pub(crate) columns: SampleColumns,
}

impl SubqueryInput {
    fn new(series: Series, grid: Grid) -> Self {
        let mut columns = SampleColumns::default();
        for (step, value) in series.column.floats() {
            columns.ts.push(grid.ts(step));
            columns.values.push(value);
        }
        for (step, histogram) in series.column.histograms() {
            let value = without_reset_hint(histogram);
            columns.histograms.push(HistogramSample { ts: grid.ts(step), start_ts: 0, value });
        }
        Self { labels: series.labels, drop_name: series.drop_name, columns }
    }
}

/// Hints say how a histogram relates to the stored one before it, which a subquery may have skipped.
fn without_reset_hint(histogram: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    match histogram.reset_hint {
        ResetHint::Unknown | ResetHint::Gauge => Arc::clone(histogram),
        ResetHint::Reset | ResetHint::NotReset => {
            Arc::new(FloatHistogram { reset_hint: ResetHint::Unknown, ..(**histogram).clone() })
        }
    }
}

/// A series with the times of its steps.
pub(crate) fn to_matrix(series: &Series, grid: Grid) -> MatrixSeries {
    // The number of floats is known only by counting; growing would copy them several times over.
    let mut floats = Vec::with_capacity(series.column.float_count());
    floats.extend(series.column.floats().map(|(step, value)| Point { ts: grid.ts(step), value }));
    MatrixSeries {
        labels: series.labels.clone(),
        floats,
        histograms: series
            .column
            .histograms()
            .map(|(step, value)| HistogramPoint { ts: grid.ts(step), value: Arc::clone(value) })
            .collect(),
    }
}

/// What a series counts against the sample limit.
pub(crate) fn weight(series: &MatrixSeries) -> usize {
    let histograms = series.histograms.iter().map(|point| histogram_weight(&point.value));
    series.floats.len() + histograms.sum::<usize>()
}

/// The samples in `(oldest, newest]`.
fn cut(columns: &SampleColumns, labels: &Labels, oldest: i64, newest: i64) -> MatrixSeries {
    let floats = count_until(&columns.ts, oldest, |ts| *ts)..count_until(&columns.ts, newest, |ts| *ts);
    let ts = |sample: &HistogramSample| sample.ts;
    let histograms =
        count_until(&columns.histograms, oldest, ts)..count_until(&columns.histograms, newest, ts);
    MatrixSeries {
        labels: labels.clone(),
        floats: columns.ts[floats.clone()]
            .iter()
            .zip(&columns.values[floats])
            .map(|(ts, value)| Point { ts: *ts, value: *value })
            .collect(),
        histograms: columns.histograms[histograms]
            .iter()
            .map(|sample| HistogramPoint { ts: sample.ts, value: Arc::clone(&sample.value) })
            .collect(),
    }
}
