//! `anchored` and `smoothed` selectors outside of function calls.

use std::sync::Arc;

use kymo_engine::{HistogramSample, Labels, SampleColumns};
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    Column, Evaluator, HistogramOperation, Note, Notes, Series,
    context::Consume,
    counters::Tally,
    kernel::Extension,
    scan::{Outcome, Reach, Timing, count_until},
    window::drop_stale,
};
use crate::{Error, Need, Point, histogram, lang::promql::VectorSelector};

impl Evaluator<'_> {
    /// An instant selector with `smoothed`: values between samples are interpolated.
    pub(crate) fn scan_smoothed(
        &self,
        selector: &VectorSelector,
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        let timing = Timing::new(&selector.offset, selector.at);
        let reach = Reach { before: self.shared.lookback, after: self.shared.lookback };
        let readers = self.select(selector, timing, reach, Need::Samples, notes)?;
        let position = selector.span.start as usize;
        let evaluate = |labels: &Labels, columns: &mut SampleColumns| {
            drop_stale(columns);
            let mut notes = Notes::default();
            let mut column = Column::default();
            for (step, time) in self.grid.times().enumerate() {
                let at = timing.reference(time);
                let window = Neighbours { columns, oldest: at - reach.before, newest: at + reach.after, at };
                window.push(step, &mut column, &mut |note| notes.add(position, note), labels.metric_name());
            }
            self.shared.budget.charge(column.weight())?;
            let series =
                (!column.is_empty()).then(|| Series { labels: labels.clone(), drop_name: false, column });
            Ok(Outcome { series, notes, tally: Tally::default() })
        };
        self.for_each_series(readers, &evaluate, notes, consume)
    }
}

/// The samples around one time.
struct Neighbours<'c> {
    columns: &'c SampleColumns,
    oldest: i64,
    newest: i64,
    at: i64,
}

impl Neighbours<'_> {
    fn push(&self, step: usize, column: &mut Column, note: &mut dyn FnMut(Note), metric: &[u8]) {
        let ts = &self.columns.ts;
        let floats = count_until(ts, self.oldest, |ts| *ts)..count_until(ts, self.newest, |ts| *ts);
        let samples = &self.columns.histograms;
        let histograms = count_until(samples, self.oldest, |sample| sample.ts)
            ..count_until(samples, self.newest, |sample| sample.ts);
        match (floats.is_empty(), histograms.is_empty()) {
            (false, false) => note(Note::MixedFloatsHistograms { metric: metric.to_vec() }),
            (false, true) => {
                let value = self.float(&ts[floats.clone()], &self.columns.values[floats]);
                value.into_iter().for_each(|value| column.push_float(step, value));
            }
            (true, false) => {
                let value = self.histogram(&samples[histograms], note, metric);
                value.into_iter().for_each(|value| column.push_histogram(step, value));
            }
            (true, true) => {}
        }
    }

    fn float(&self, ts: &[i64], values: &[f64]) -> Option<f64> {
        let next = ts.partition_point(|ts| *ts < self.at);
        if ts.get(next) == Some(&self.at) {
            return Some(values[next]);
        }
        let before = next.checked_sub(1)?;
        let Some(next_ts) = ts.get(next) else {
            return Some(values[before]);
        };
        Some(interpolate((ts[before], values[before]), (*next_ts, values[next]), self.at))
    }

    fn histogram(
        &self,
        samples: &[HistogramSample],
        note: &mut dyn FnMut(Note),
        metric: &[u8],
    ) -> Option<Arc<FloatHistogram>> {
        let next = samples.partition_point(|sample| sample.ts < self.at);
        if let Some(sample) = samples.get(next).filter(|sample| sample.ts == self.at) {
            return Some(Arc::clone(&sample.value));
        }
        let before = &samples[next.checked_sub(1)?];
        let Some(after) = samples.get(next) else {
            // The hint relates the sample to its predecessor; what is carried forward has none.
            let value = FloatHistogram { reset_hint: ResetHint::Unknown, ..(*before.value).clone() };
            return Some(Arc::new(value));
        };
        let mixed = || Note::MixedExponentialCustom { metric: metric.to_vec() };
        let is_custom = |sample: &HistogramSample| histogram::is_custom(sample.value.schema);
        if is_custom(before) != is_custom(after) {
            note(mixed());
            return None;
        }
        let value = interpolate_histogram(before, after, self.at, note);
        if value.is_none() {
            note(mixed());
        }
        value.map(Arc::new)
    }
}

/// The value at `at` on the line between two samples.
fn interpolate(left: (i64, f64), right: (i64, f64), at: i64) -> f64 {
    left.1 + (right.1 - left.1) * (at - left.0) as f64 / (right.0 - left.0) as f64
}

/// The histogram at `at` between two samples; `None` when they cannot be combined. Unless both are gauges a
/// counter is assumed, which starts from zero where it was reset.
fn interpolate_histogram(
    before: &HistogramSample,
    after: &HistogramSample,
    at: i64,
    note: &mut dyn FnMut(Note),
) -> Option<FloatHistogram> {
    let share = (at - before.ts) as f64 / (after.ts - before.ts) as f64;
    let gauges = before.value.reset_hint == ResetHint::Gauge && after.value.reset_hint == ResetHint::Gauge;
    let mut result = (*after.value).clone();
    if !gauges && after.value.detect_reset(&before.value) {
        histogram::multiply(&mut result, share);
        return Some(result);
    }
    let outcome = histogram::sub(&mut result, &before.value).ok()?;
    if outcome.bounds_reconciled {
        note(Note::MismatchedCustomBuckets { operation: HistogramOperation::Subtraction });
    }
    histogram::multiply(&mut result, share);
    let outcome = histogram::add(&mut result, &before.value).ok()?;
    if outcome.bounds_reconciled {
        note(Note::MismatchedCustomBuckets { operation: HistogramOperation::Addition });
    }
    Some(result)
}

/// The floats of an extended range selector, with a point at each end of the range.
pub(crate) fn extend(floats: &[Point], start: i64, end: i64, extension: Extension) -> Vec<Point> {
    let Some(mut last) = floats.len().checked_sub(1) else {
        return Vec::new();
    };
    let smoothed = extension == Extension::Smoothed;
    let mut first = floats[..last].partition_point(|point| point.ts <= start).saturating_sub(1);
    if smoothed {
        last = floats[..last].partition_point(|point| point.ts < end);
    }
    if floats[last].ts <= start {
        return Vec::new();
    }
    let line = |left: usize, at| {
        let (left, right) = (floats[left], floats[left + 1]);
        interpolate((left.ts, left.value), (right.ts, right.value), at)
    };
    let left = if smoothed && floats[first].ts < start { line(first, start) } else { floats[first].value };
    let right =
        if smoothed && last > 0 && floats[last].ts > end { line(last - 1, end) } else { floats[last].value };
    if floats[first].ts <= start {
        first += 1;
    }
    let after_last = if floats[last].ts >= end { last } else { last + 1 };
    let mut extended = vec![Point { ts: start, value: left }];
    extended.extend(floats.get(first..after_last).unwrap_or_default());
    extended.push(Point { ts: end, value: right });
    extended
}
