//! `changes` and `resets`: how often a value became another, or a counter started anew.

use kymo_engine::HistogramSample;

use super::{
    points::{Point, PointValue, Points},
    start_time::{Times, is_reset},
};
use crate::{
    Error,
    exec::{
        Column, Notes, Sample,
        condensed::Weights,
        kernel::{Extension, Window, Windows},
    },
    histogram::same_data,
};

/// `changes(r)`
pub(super) fn changes(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(count(window, |previous, current| match (previous.value, current.value) {
        (PointValue::Float(previous), PointValue::Float(current)) => changed(previous, current),
        (PointValue::Histogram(previous), PointValue::Histogram(current)) => !same_data(current, previous),
        _ => true,
    }))
}

/// `resets(r)`
pub(super) fn resets(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    let times = |point: &Point<'_>| Times { ts: point.ts, start_ts: point.start_ts };
    Ok(count(window, |previous, current| match (previous.value, current.value) {
        (PointValue::Float(before), PointValue::Float(now)) => {
            now < before || is_reset(times(previous), times(current))
        }
        (PointValue::Histogram(before), PointValue::Histogram(now)) => {
            is_reset(times(previous), times(current)) || now.detect_reset(before)
        }
        _ => true,
    }))
}

/// [`changes`] for all steps.
pub(super) fn changes_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    count_all(windows, column, changed)
}

/// [`resets`] for all steps.
pub(super) fn resets_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    count_all(windows, column, |previous, current| current < previous)
}

fn changed(previous: f64, current: f64) -> bool {
    current != previous && !(current.is_nan() && previous.is_nan())
}

/// Counts the events of the whole series once; a window is the difference of two counts.
fn count_all(
    windows: &Windows<'_>,
    column: &mut Column,
    happened: fn(f64, f64) -> bool,
) -> Result<(), Error> {
    let mut events = 0_u32;
    let mut up_to = Vec::with_capacity(windows.values.len());
    let mut previous = windows.values.first().copied().unwrap_or(0.0);
    let mut within_chunks = windows.weights.map_or(&[][..], Weights::events);
    for (idx, &value) in windows.values.iter().enumerate() {
        if let Some(((_, within), later)) = within_chunks.split_first().filter(|((last, _), _)| *last == idx)
        {
            within_chunks = later;
            events += within;
        } else {
            // The first value is compared with itself: neither a change nor a reset.
            events += u32::from(happened(previous, value));
        }
        up_to.push(events);
        previous = value;
    }
    windows.for_each(|step, samples| {
        column.push_float(step, f64::from(up_to[samples.end - 1] - up_to[samples.start]));
        Ok(())
    })
}

/// Counts the neighbours between which something happened.
fn count(window: &Window<'_>, happened: impl Fn(&Point<'_>, &Point<'_>) -> bool) -> Option<Sample> {
    let (float, histogram) = first_samples(window)?;
    let mut points = Points::new(
        &window.ts[float..],
        &window.values[float..],
        window.start_ts.get(float..).unwrap_or_default(),
        &window.histograms[histogram..],
    );
    let (mut float, mut histogram) = (float, histogram);
    let mut event = |point: &Point<'_>| {
        let idx = if matches!(point.value, PointValue::Float(_)) { &mut float } else { &mut histogram };
        *idx += 1;
        match point.value {
            PointValue::Float(_) => window.float_event(*idx - 1),
            PointValue::Histogram(_) => window.histogram_event(*idx - 1),
        }
    };
    let mut previous = points.next()?;
    event(&previous);
    let mut events = 0_u32;
    for point in points {
        events += event(&point).unwrap_or_else(|| u32::from(happened(&previous, &point)));
        previous = point;
    }
    Some(Sample::Float(f64::from(events)))
}

/// Indices of the first float and the first histogram to look at. An anchored range begins with the last
/// sample, of either kind, at or before its start, and has no result when there is nothing after that.
fn first_samples(window: &Window<'_>) -> Option<(usize, usize)> {
    if window.extension != Extension::Anchored {
        return Some((0, 0));
    }
    let floats = window.ts.partition_point(|ts| *ts <= window.start);
    let histograms = window.histograms.partition_point(|sample| sample.ts <= window.start);
    if floats == window.ts.len() && histograms == window.histograms.len() {
        return None;
    }
    let float_anchor = floats.checked_sub(1).map(|anchor| window.ts[anchor]);
    let histogram_anchor = histograms.checked_sub(1).map(|anchor| ts(&window.histograms[anchor]));
    Some(match (float_anchor, histogram_anchor) {
        (None, None) => (floats, histograms),
        (float, histogram) if float >= histogram => (floats - 1, histograms),
        _ => (floats, histograms - 1),
    })
}

fn ts(sample: &HistogramSample) -> i64 {
    sample.ts
}
