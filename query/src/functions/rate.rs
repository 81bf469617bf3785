//! `rate`, `increase`, `delta`: change over a range, extrapolated to its edges.

use super::{
    extended,
    noted::Subject,
    rate_histograms::histogram_change,
    start_time::{Times, is_reset, overlaps},
};
use crate::{
    Error,
    exec::{
        Column, Notes, Sample,
        kernel::{Extension, Window, Windows},
    },
    histogram::multiply,
};

/// What is asked about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Of a counter, per second.
    Rate,
    /// Of a counter.
    Increase,
    /// Of a gauge.
    Delta,
}

impl Change {
    pub(super) const fn of_counter(self) -> bool {
        matches!(self, Self::Rate | Self::Increase)
    }
}

/// `rate(r)`
pub(super) fn rate(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(change(window, Change::Rate, notes))
}

/// `increase(r)`
pub(super) fn increase(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(change(window, Change::Increase, notes))
}

/// `delta(r)`
pub(super) fn delta(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(change(window, Change::Delta, notes))
}

/// [`rate`] for all steps.
pub(super) fn rate_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    change_all(windows, Change::Rate, column)
}

/// [`increase`] for all steps.
pub(super) fn increase_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    change_all(windows, Change::Increase, column)
}

/// [`delta`] for all steps.
pub(super) fn delta_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    change_all(windows, Change::Delta, column)
}

fn change(window: &Window<'_>, change: Change, notes: &mut Notes) -> Option<Sample> {
    match (window.values.is_empty(), window.histograms.is_empty(), window.extension) {
        (false, false, _) => {
            Subject::matrix(window).mixed_floats_histograms(notes);
            None
        }
        (false, true, Extension::Plain) => float_change(window, change, notes).map(Sample::Float),
        (true, false, Extension::Plain) => plain_histogram_change(window, change, notes),
        (false, true, _) => extended::float_change(window, change).map(Sample::Float),
        (true, false, _) => extended::histogram_change(window, change, notes),
        (true, true, _) => None,
    }
}

fn float_change(window: &Window<'_>, change: Change, notes: &mut Notes) -> Option<f64> {
    let [first, .., last] = window.values else {
        return single_float_change(window, change);
    };
    let mut result = last - first;
    if change.of_counter() {
        let resets = float_resets(window, notes);
        resets.for_each(|before| result += before);
    }
    let start = start_inside(window, change, window.ts.first()?, window.start_ts.first());
    if start.is_some() {
        result += first;
    }
    let zero_point = (change.of_counter() && result > 0.0 && *first >= 0.0).then(|| first / result);
    let samples = window.float_count(0..window.ts.len());
    let edges = Edges { first: *window.ts.first()?, last: *window.ts.last()?, samples, start };
    Some(result * edges.factor(window.start, window.end, change, zero_point))
}

/// One sample is enough if it tells that it counts from zero within the range.
fn single_float_change(window: &Window<'_>, change: Change) -> Option<f64> {
    let (ts, value) = (*window.ts.first()?, *window.values.first()?);
    let start = start_inside(window, change, &ts, window.start_ts.first())?;
    let edges = Edges { first: ts, last: ts, samples: 1, start: Some(start) };
    // Infinite minus infinite is NaN, also for a sample and itself.
    let change_to_end = if value.is_finite() { value } else { f64::NAN };
    Some(change_to_end * edges.factor(window.start, window.end, change, None))
}

/// The values before each reset.
fn float_resets<'a>(window: &Window<'a>, notes: &mut Notes) -> impl Iterator<Item = f64> + 'a {
    let (ts, starts) = (window.ts, window.start_ts);
    let times = move |i: usize| {
        starts.get(i).zip(ts.get(i)).map(|(start_ts, ts)| Times { ts: *ts, start_ts: *start_ts })
    };
    let pairs = move |i: usize| times(i).zip(times(i + 1));
    if (0..starts.len().saturating_sub(1))
        .filter_map(pairs)
        .any(|(previous, current)| overlaps(previous, current))
    {
        Subject::matrix(window).start_time_overlap(notes);
    }
    window.values.windows(2).enumerate().filter_map(move |(i, pair)| {
        let reset = pair[1] < pair[0]
            || (!starts.is_empty()
                && pairs(i).is_some_and(|(previous, current)| is_reset(previous, current)));
        reset.then_some(pair[0])
    })
}

fn plain_histogram_change(window: &Window<'_>, change: Change, notes: &mut Notes) -> Option<Sample> {
    let (first, last) = (window.histograms.first()?, window.histograms.last()?);
    let subject = Subject::matrix(window);
    let start = start_inside(window, change, &first.ts, Some(&first.start_ts));
    let mut result = if window.histograms.len() > 1 {
        let mut result = histogram_change(window.histograms, change.of_counter(), subject, notes)?;
        if start.is_some() {
            subject.add(&mut result, &first.value, notes)?;
        }
        result
    } else {
        start?;
        (*first.value).clone()
    };
    let zero_point = (change.of_counter() && result.count > 0.0 && first.value.count >= 0.0)
        .then(|| first.value.count / result.count);
    let samples = window.histogram_count(0..window.histograms.len());
    let edges = Edges { first: first.ts, last: last.ts, samples, start };
    multiply(&mut result, edges.factor(window.start, window.end, change, zero_point));
    Some(Sample::Histogram(result.into()))
}

/// The start timestamp of the first sample, if it lies inside the range: then the counter was zero there.
fn start_inside(window: &Window<'_>, change: Change, first_ts: &i64, start_ts: Option<&i64>) -> Option<i64> {
    start_ts
        .copied()
        .filter(|start| change.of_counter() && *start != 0 && *start > window.start && start < first_ts)
}

/// The samples of a window as far as extrapolation is concerned.
#[derive(Debug, Clone, Copy)]
struct Edges {
    first: i64,
    last: i64,
    samples: usize,
    /// When the counter was zero, if known.
    start: Option<i64>,
}

impl Edges {
    /// What the change between the samples must be multiplied by. A counter is not extrapolated to before its zero
    /// point, which lies `zero_point` times the sampled time before the first sample.
    fn factor(&self, range_start: i64, range_end: i64, change: Change, zero_point: Option<f64>) -> f64 {
        let zero_point = zero_point.filter(|_| self.start.is_none());
        let range = seconds(range_end - range_start);
        self.extrapolation(range_start, range_end).factor(change, range, zero_point)
    }

    /// How far the change is extrapolated: to an edge of the range if a sample is about where one is expected given
    /// the average distance, else by half that distance.
    fn extrapolation(&self, range_start: i64, range_end: i64) -> Extrapolation {
        let sampled = seconds(self.last - self.first);
        let average = if self.samples > 1 { sampled / (self.samples - 1) as f64 } else { 0.0 };
        let threshold = average * 1.1;
        let limited = |distance: f64| if distance >= threshold { average / 2.0 } else { distance };
        let to_end = limited(seconds(range_end - self.last));
        match self.start {
            Some(start) => Extrapolation { sampled: seconds(self.last - start), to_start: 0.0, to_end },
            None => Extrapolation { sampled, to_start: limited(seconds(self.first - range_start)), to_end },
        }
    }
}

/// Over which time a change was seen, and over how much more it is taken to have gone on; seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Extrapolation {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

impl Extrapolation {
    /// See [`Edges::factor`]; `range` is the length of the range.
    fn factor(self, change: Change, range: f64, zero_point: Option<f64>) -> f64 {
        let Self { sampled, mut to_start, to_end } = self;
        if let Some(zero_point) = zero_point {
            let to_zero = sampled * zero_point;
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
        if change == Change::Rate { factor / range } else { factor }
    }
}

/// The factors of one window after the other. Series are scraped on a beat, and graphs drawn on one, so the edges of
/// most windows lie as those of the window before; half of the time of a rate would go into divisions that give the
/// same again.
struct Factors {
    change: Change,
    /// Length of the windows, milliseconds.
    range: i64,
    /// Sampled time, time from the last sample to the window's end, and number of samples.
    edges: (i64, i64, usize),
    extrapolation: Extrapolation,
    /// The factor where no zero point is near.
    factor: f64,
}

impl Factors {
    fn new(change: Change, range: i64) -> Self {
        let extrapolation = Extrapolation::default();
        Self { change, range, edges: (0, 0, 0), extrapolation, factor: 1.0 }
    }

    /// The factor for the window of the floats at `ts`, `count` in all, that ends at `end`; the first is `first`, and they change by
    /// `result`.
    #[inline]
    fn of(&mut self, ts: &[i64], count: usize, end: i64, first: f64, result: f64) -> f64 {
        let (&[first_ts, ..], &[.., last_ts]) = (ts, ts) else { return 1.0 };
        let edges = (last_ts - first_ts, end - last_ts, count);
        if edges != self.edges {
            let found = Edges { first: first_ts, last: last_ts, samples: count, start: None };
            self.extrapolation = found.extrapolation(end - self.range, end);
            self.factor = self.extrapolation.factor(self.change, seconds(self.range), None);
            self.edges = edges;
        }
        if !(self.change.of_counter() && result > 0.0 && first >= 0.0) {
            return self.factor;
        }
        // Then the zero point lies at least as far before the first sample as the last one after it.
        let is_far = first >= result && self.extrapolation.sampled >= self.extrapolation.to_start;
        if is_far {
            return self.factor;
        }
        self.extrapolation.factor(self.change, seconds(self.range), Some(first / result))
    }
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// The change of every window. The resets of the series are found once; a window adds up those in it, in the
/// order of the samples, so that rounding is the same as when it is looked at alone.
fn change_all(windows: &Windows<'_>, change: Change, column: &mut Column) -> Result<(), Error> {
    let values = windows.values;
    let resets: Vec<usize> = if change.of_counter() {
        (1..values.len()).filter(|&i| values[i] < values[i - 1]).collect()
    } else {
        Vec::new()
    };
    let mut factors = Factors::new(change, windows.range);
    // The first reset that later windows may contain.
    let mut from = 0;
    windows.for_each(|step, samples| {
        if samples.len() < 2 {
            return Ok(());
        }
        let (first, last) = (samples.start, samples.end - 1);
        let mut result = values[last] - values[first];
        from += resets[from..].partition_point(|&reset| reset <= first);
        for &reset in resets[from..].iter().take_while(|reset| **reset <= last) {
            result += values[reset - 1];
        }
        let end = windows.call.grid.ts(step) - windows.offset;
        let count = windows.count(&samples);
        let factor = factors.of(&windows.ts[samples], count, end, values[first], result);
        column.push_float(step, result * factor);
        Ok(())
    })
}
