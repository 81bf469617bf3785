//! `rate`, `increase`, `delta` with `anchored` or `smoothed`: the change between the edges of the range
//! themselves, taken from samples around them. Nothing is extrapolated.

use kymo_engine::HistogramSample;
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{noted::Subject, rate::Change};
use crate::{
    exec::{
        Notes, Sample,
        kernel::{Extension, Window},
    },
    histogram::{compact, divide, is_custom, multiply},
};

/// Indices of the samples that stand for the edges.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: usize,
    last: usize,
}

/// The samples that stand for the edges: the last one at or before the start, or else the first; and the last
/// one, which with `smoothed` is the first at or after the end. `None` if all lie on one side of the range.
fn span<T>(window: &Window<'_>, samples: &[T], ts: impl Fn(&T) -> i64) -> Option<Span> {
    let smoothed = window.extension == Extension::Smoothed;
    let (_, before_last) = samples.split_last()?;
    let first = before_last.partition_point(|sample| ts(sample) <= window.start).saturating_sub(1);
    let last = if smoothed {
        before_last.partition_point(|sample| ts(sample) < window.end)
    } else {
        before_last.len()
    };
    let inside = ts(&samples[last]) > window.start && !(smoothed && ts(&samples[first]) > window.end);
    inside.then_some(Span { first, last })
}

/// The change of floats.
pub(super) fn float_change(window: &Window<'_>, change: Change) -> Option<f64> {
    let (ts, values) = (window.ts, window.values);
    let Span { first, last } = span(window, ts, |ts| *ts)?;
    let interpolated =
        |i: usize, j: usize, time| interpolate((ts[i], values[i]), (ts[j], values[j]), time, change);
    let smoothed = window.extension == Extension::Smoothed;
    let left = if smoothed && ts[first] < window.start {
        interpolated(first, first + 1, window.start)
    } else {
        values[first]
    };
    let right = if smoothed && last > 0 && ts[last] > window.end {
        interpolated(last - 1, last, window.end)
    } else {
        values[last]
    };
    let mut result = right - left;
    if change.of_counter() {
        // Resets next to the edges are in the edges' values already.
        let from = first + usize::from(ts[first] <= window.start);
        let to = last + usize::from(ts[last] < window.end);
        result += resets(left, right, values.get(from..to).unwrap_or_default());
    }
    Some(if change == Change::Rate { result / window.range_seconds() } else { result })
}

/// The sum of the values before each reset.
fn resets(left: f64, right: f64, inner: &[f64]) -> f64 {
    let mut correction = 0.0;
    let mut previous = left;
    for value in inner.iter().copied().chain([right]) {
        if value < previous {
            correction += previous;
        }
        previous = value;
    }
    correction
}

/// The value at `time` on the line between two samples. A counter that dropped is taken to rise from zero.
fn interpolate(before: (i64, f64), after: (i64, f64), time: i64, change: Change) -> f64 {
    let from = if change.of_counter() && after.1 < before.1 { 0.0 } else { before.1 };
    from + (after.1 - from) * (time - before.0) as f64 / (after.0 - before.0) as f64
}

/// The change of histograms.
pub(super) fn histogram_change(window: &Window<'_>, change: Change, notes: &mut Notes) -> Option<Sample> {
    let samples = window.histograms;
    let span = span(window, samples, |sample| sample.ts)?;
    let subject = Subject::matrix(window);
    check_kinds(&samples[span.first..=span.last], change, subject, notes)?;
    let edges = Edges { window, change, subject };
    let left = edges.left(span.first, notes)?;
    let right = edges.right(span.last, notes)?;
    let is_gauge = |histogram: &FloatHistogram| histogram.reset_hint == ResetHint::Gauge;
    if !(change.of_counter() || is_gauge(&left) && is_gauge(&right)) {
        subject.not_gauge(notes);
    }
    let mut result = right.clone();
    subject.sub(&mut result, &left, notes)?;
    if change.of_counter()
        && let Some(correction) = edges.resets(span, &left, &right, notes)?
    {
        subject.add(&mut result, &correction, notes)?;
    }
    if change == Change::Rate {
        divide(&mut result, window.range_seconds());
    }
    result.reset_hint = ResetHint::Gauge;
    compact(&mut result, 0);
    Some(Sample::Histogram(result.into()))
}

/// Notes gauges among counters; `None` when exponential and custom buckets are mixed.
fn check_kinds(
    samples: &[HistogramSample],
    change: Change,
    subject: Subject<'_>,
    notes: &mut Notes,
) -> Option<()> {
    let custom = is_custom(samples.first()?.value.schema);
    for sample in samples {
        if is_custom(sample.value.schema) != custom {
            subject.mixed_exponential_custom(notes);
            return None;
        }
        if change.of_counter() && sample.value.reset_hint == ResetHint::Gauge {
            subject.not_counter(notes);
        }
    }
    Some(())
}

/// Values of histograms at the edges.
struct Edges<'a> {
    window: &'a Window<'a>,
    change: Change,
    subject: Subject<'a>,
}

impl Edges<'_> {
    fn smoothed(&self) -> bool {
        self.window.extension == Extension::Smoothed
    }

    fn left(&self, first: usize, notes: &mut Notes) -> Option<FloatHistogram> {
        let samples = self.window.histograms;
        match samples.get(first..first + 2) {
            Some([before, after]) if self.smoothed() && before.ts < self.window.start => {
                self.interpolate(before, after, self.window.start, notes)
            }
            _ => Some((*samples.get(first)?.value).clone()),
        }
    }

    fn right(&self, last: usize, notes: &mut Notes) -> Option<FloatHistogram> {
        let samples = self.window.histograms;
        match samples.get(last.saturating_sub(1)..=last) {
            Some([before, after]) if self.smoothed() && after.ts > self.window.end => {
                self.interpolate(before, after, self.window.end, notes)
            }
            _ => Some((*samples.get(last)?.value).clone()),
        }
    }

    fn interpolate(
        &self,
        before: &HistogramSample,
        after: &HistogramSample,
        time: i64,
        notes: &mut Notes,
    ) -> Option<FloatHistogram> {
        if time == before.ts {
            return Some((*before.value).clone());
        }
        let mut result = (*after.value).clone();
        if time == after.ts {
            return Some(result);
        }
        let fraction = (time - before.ts) as f64 / (after.ts - before.ts) as f64;
        if self.change.of_counter() && after.value.detect_reset(&before.value) {
            // Risen from zero.
            multiply(&mut result, fraction);
            return Some(result);
        }
        self.subject.sub(&mut result, &before.value, notes)?;
        multiply(&mut result, fraction);
        self.subject.add(&mut result, &before.value, notes)?;
        Some(result)
    }

    /// The sum of the histograms before each reset, if there are any; `None` outside when they do not add up.
    fn resets(
        &self,
        span: Span,
        left: &FloatHistogram,
        right: &FloatHistogram,
        notes: &mut Notes,
    ) -> Option<Option<FloatHistogram>> {
        let samples = self.window.histograms;
        let mut from = span.first + 1;
        let mut previous = left;
        if self.smoothed()
            && samples[span.first].ts < self.window.start
            && let Some(next) = samples.get(from)
            && next.value.detect_reset(&samples[span.first].value)
        {
            // The left edge lies on the way up from that reset.
            previous = &next.value;
            from += 1;
        }
        // The right edge carries the hint of the last sample, which would find the same reset twice.
        let to = span.last;
        if from > to {
            return Some(None);
        }
        let mut correction: Option<FloatHistogram> = None;
        for current in samples[from..to].iter().map(|sample| &*sample.value).chain([right]) {
            if current.detect_reset(previous) {
                match &mut correction {
                    Some(correction) => self.subject.add(correction, previous, notes)?,
                    None => correction = Some(previous.clone()),
                }
            }
            previous = current;
        }
        Some(correction)
    }
}
