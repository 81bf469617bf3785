//! How the values of a range are spread: variance, quantiles, median deviation.

use std::cmp::Ordering;

use super::noted::Subject;
use crate::{
    Error,
    exec::{
        Column, Note, Notes, Sample,
        kernel::{Window, Windows},
    },
    histogram::Kahan,
};

/// `stddev_over_time(r)`
pub(super) fn stddev_over_time(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(of_floats(window, Subject::matrix(window), notes).map(|values| Sample::Float(variance(values).sqrt())))
}

/// `stdvar_over_time(r)`
pub(super) fn stdvar_over_time(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(of_floats(window, Subject::matrix(window), notes).map(|values| Sample::Float(variance(values))))
}

/// [`stddev_over_time`] for all steps.
pub(super) fn stddev_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, variance(&windows.values[samples]).sqrt());
        Ok(())
    })
}

/// [`stdvar_over_time`] for all steps.
pub(super) fn stdvar_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, variance(&windows.values[samples]));
        Ok(())
    })
}

/// `quantile_over_time(q, r)`
pub(super) fn quantile_over_time(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    let q = window.scalars.first().copied().unwrap_or(f64::NAN);
    // Both annotations point at the quantile.
    let subject = Subject::first_argument(window);
    let Some(values) = of_floats(window, subject, notes) else { return Ok(None) };
    if !(0.0..=1.0).contains(&q) {
        notes.add(subject.position, Note::InvalidQuantile { quantile: q });
    }
    Ok(Some(Sample::Float(quantile(q, &mut values.to_vec()))))
}

/// `mad_over_time(r)`: the median distance from the median.
pub(super) fn mad_over_time(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    let Some(values) = of_floats(window, Subject::matrix(window), notes) else { return Ok(None) };
    if values.iter().any(|value| value.is_nan()) {
        return Ok(Some(Sample::Float(f64::NAN)));
    }
    let mut values = values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Ok(Some(Sample::Float(quantile(0.5, &mut values))))
}

/// The floats of a window that has any; histograms beside them are noted as ignored.
fn of_floats<'a>(window: &Window<'a>, subject: Subject<'_>, notes: &mut Notes) -> Option<&'a [f64]> {
    if window.values.is_empty() {
        return None;
    }
    if !window.histograms.is_empty() {
        subject.histograms_ignored(notes);
    }
    Some(window.values)
}

/// Welford's variance, with compensation.
fn variance(values: &[f64]) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut squares) = (Kahan::default(), Kahan::default());
    for value in values {
        count += 1.0;
        let delta = value - mean.total();
        mean.add(delta / count);
        squares.add(delta * (value - mean.total()));
    }
    squares.total() / count
}

/// The `q`-quantile of `values`, which it reorders: linear between neighbours, NaNs lowest.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if q.is_nan() || values.is_empty() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let rank = q * (values.len() - 1) as f64;
    let weight = rank - rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last index"
    )]
    let idx = rank.floor() as usize;
    let (_, &mut lower, above) = values.select_nth_unstable_by(idx, nan_first);
    let upper = above.iter().copied().min_by(nan_first).unwrap_or(lower);
    lower * (1.0 - weight) + upper * weight
}

fn nan_first(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}
