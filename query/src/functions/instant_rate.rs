//! `irate` and `idelta`: the change between the last two samples.

use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    noted::Subject,
    points::{Point, PointValue, Points},
    start_time::{Times, is_reset},
};
use crate::{
    Error,
    exec::{
        Column, Notes, Sample,
        kernel::{Window, Windows},
    },
    histogram::{compact, divide},
};

/// `irate(r)`
pub(super) fn irate(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(change(window, true, notes))
}

/// `idelta(r)`
pub(super) fn idelta(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(change(window, false, notes))
}

/// [`irate`] for all steps.
pub(super) fn irate_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    change_all(windows, true, column)
}

/// [`idelta`] for all steps.
pub(super) fn idelta_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    change_all(windows, false, column)
}

fn change_all(windows: &Windows<'_>, of_counter: bool, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        if let (Some([before_ts, ts]), Some([before, value])) =
            (windows.ts[samples.clone()].last_chunk(), windows.values[samples].last_chunk())
        {
            column.push_float(step, float_change(*before, *value, ts - before_ts, of_counter, false));
        }
        Ok(())
    })
}

fn change(window: &Window<'_>, of_counter: bool, notes: &mut Notes) -> Option<Sample> {
    let (before, last) = last_two(window)?;
    let distance = last.ts - before.ts;
    if distance == 0 {
        return None;
    }
    let reset = is_reset(times(&before), times(&last));
    match (before.value, last.value) {
        (PointValue::Float(before), PointValue::Float(last)) => {
            Some(Sample::Float(float_change(before, last, distance, of_counter, reset)))
        }
        (PointValue::Histogram(before), PointValue::Histogram(last)) => {
            let mut result =
                histogram_change(before, last, of_counter, reset, Subject::matrix(window), notes)?;
            if of_counter {
                divide(&mut result, distance as f64 / 1000.0);
            }
            Some(Sample::Histogram(result.into()))
        }
        _ => {
            Subject::matrix(window).mixed_floats_histograms(notes);
            None
        }
    }
}

/// The last two samples of either kind.
fn last_two<'a>(window: &Window<'a>) -> Option<(Point<'a>, Point<'a>)> {
    let tail = window.ts.len().saturating_sub(2);
    let histograms = window.histograms.len().saturating_sub(2);
    let mut points = Points::new(
        &window.ts[tail..],
        &window.values[tail..],
        window.start_ts.get(tail..).unwrap_or_default(),
        &window.histograms[histograms..],
    );
    let mut pair = (points.next()?, points.next()?);
    for point in points {
        pair = (pair.1, point);
    }
    Some(pair)
}

fn times(point: &Point<'_>) -> Times {
    Times { ts: point.ts, start_ts: point.start_ts }
}

fn float_change(before: f64, last: f64, distance: i64, of_counter: bool, reset: bool) -> f64 {
    let change = if of_counter && (last < before || reset) { last } else { last - before };
    if of_counter { change / (distance as f64 / 1000.0) } else { change }
}

fn histogram_change(
    before: &FloatHistogram,
    last: &FloatHistogram,
    of_counter: bool,
    reset: bool,
    subject: Subject<'_>,
    notes: &mut Notes,
) -> Option<FloatHistogram> {
    let is_gauge = |histogram: &FloatHistogram| histogram.reset_hint == ResetHint::Gauge;
    if of_counter && (is_gauge(before) || is_gauge(last)) {
        subject.not_counter(notes);
    }
    if !(of_counter || is_gauge(before) && is_gauge(last)) {
        subject.not_gauge(notes);
    }
    let mut result = last.clone();
    if !(of_counter && (reset || last.detect_reset(before))) {
        subject.sub(&mut result, before, notes)?;
    }
    result.reset_hint = ResetHint::Gauge;
    compact(&mut result, 0);
    Some(result)
}
