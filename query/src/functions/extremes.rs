//! The largest and the smallest value of a range, and when they were.

use std::collections::VecDeque;

use super::noted::Subject;
use crate::{
    Error,
    exec::{
        Column, Notes, Sample,
        kernel::{Window, Windows},
    },
};

/// `max_over_time(r)`
pub(super) fn max(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(extreme(window, notes, |value, best| value > best).map(|(_, value)| Sample::Float(value)))
}

/// `min_over_time(r)`
pub(super) fn min(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(extreme(window, notes, |value, best| value < best).map(|(_, value)| Sample::Float(value)))
}

/// `ts_of_max_over_time(r)`: the last time of the largest value.
pub(super) fn ts_of_max(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(extreme(window, notes, |value, best| value >= best).map(|(ts, _)| Sample::Float(ts as f64 / 1000.0)))
}

/// `ts_of_min_over_time(r)`: the last time of the smallest value.
pub(super) fn ts_of_min(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(extreme(window, notes, |value, best| value <= best).map(|(ts, _)| Sample::Float(ts as f64 / 1000.0)))
}

/// [`max`] for all steps.
pub(super) fn max_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    extreme_all(windows, column, |value, best| value > best)
}

/// [`min`] for all steps.
pub(super) fn min_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    extreme_all(windows, column, |value, best| value < best)
}

/// Time and value of the best float. NaN loses against any number.
fn extreme(window: &Window<'_>, notes: &mut Notes, beats: fn(f64, f64) -> bool) -> Option<(i64, f64)> {
    let mut samples = window.ts.iter().copied().zip(window.values.iter().copied());
    let first = samples.next()?;
    if !window.histograms.is_empty() {
        Subject::matrix(window).histograms_ignored(notes);
    }
    Some(
        samples.fold(
            first,
            |best, sample| if beats(sample.1, best.1) || best.1.is_nan() { sample } else { best },
        ),
    )
}

/// The best float of every window, each looked at once: a queue holds those that can still become the best
/// of a later window, worse and worse, so that its front is the best of the current one.
fn extreme_all(windows: &Windows<'_>, column: &mut Column, beats: fn(f64, f64) -> bool) -> Result<(), Error> {
    let values = windows.values;
    let mut candidates: VecDeque<usize> = VecDeque::new();
    let mut seen = 0;
    windows.for_each(|step, samples| {
        for (i, &value) in values.iter().enumerate().take(samples.end).skip(seen.max(samples.start)) {
            if !value.is_nan() {
                while candidates.back().is_some_and(|&other| beats(value, values[other])) {
                    candidates.pop_back();
                }
                candidates.push_back(i);
            }
        }
        seen = samples.end;
        while candidates.front().is_some_and(|&candidate| candidate < samples.start) {
            candidates.pop_front();
        }
        let best = candidates.front().copied().unwrap_or(samples.end - 1);
        column.push_float(step, values[best]);
        Ok(())
    })
}
