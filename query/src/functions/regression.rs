//! Trends: linear regression and exponential smoothing.

use super::noted::Subject;
use crate::{
    Error, ErrorKind,
    exec::{Notes, Sample, format::format_f, kernel::Window},
    histogram::Kahan,
};

/// `deriv(r)`: the slope of the regression line. Times count from the first sample, for precision.
pub(super) fn deriv(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(enough_floats(window, notes).map(|first| Sample::Float(Line::through(window, first).slope)))
}

/// `predict_linear(r, t)`: the regression line `t` seconds after the time of evaluation.
pub(super) fn predict_linear(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    let ahead = window.scalars.first().copied().unwrap_or(f64::NAN);
    Ok(enough_floats(window, notes).map(|_| {
        let line = Line::through(window, window.time);
        Sample::Float(line.slope * ahead + line.intercept)
    }))
}

/// `double_exponential_smoothing(r, sf, tf)`
pub(super) fn double_exponential_smoothing(
    window: &Window<'_>,
    notes: &mut Notes,
) -> Result<Option<Sample>, Error> {
    let scalar = |idx: usize| window.scalars.get(idx).copied().unwrap_or(f64::NAN);
    let smoothing = factor(scalar(0), "smoothing", "sf")?;
    let trend_factor = factor(scalar(1), "trend", "tf")?;
    if enough_floats(window, notes).is_none() {
        return Ok(None);
    }
    let [first, second, ..] = window.values else { return Ok(None) };
    let mut trend = second - first;
    let mut before = 0.0;
    let mut smoothed = *first;
    for (i, value) in window.values[1..].iter().enumerate() {
        if i > 0 {
            trend = trend_factor * (smoothed - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smoothed + trend);
        (before, smoothed) = (smoothed, next);
    }
    Ok(Some(Sample::Float(smoothed)))
}

/// A factor strictly between 0 and 1.
fn factor(value: f64, what: &str, symbol: &str) -> Result<f64, Error> {
    if value <= 0.0 || value >= 1.0 {
        let got = if value.is_finite() { format!("{value:.6}") } else { format_f(value) };
        let text = format!("invalid {what} factor. Expected: 0 < {symbol} < 1, got: {got}");
        return Err(Error::new(ErrorKind::Execution, text));
    }
    Ok(value)
}

/// The first float's time if there are at least two; histograms beside floats are noted as ignored.
fn enough_floats(window: &Window<'_>, notes: &mut Notes) -> Option<i64> {
    let first = *window.ts.first()?;
    if !window.histograms.is_empty() {
        Subject::first_argument(window).histograms_ignored(notes);
    }
    (window.ts.len() > 1).then_some(first)
}

/// A least-squares line.
struct Line {
    /// Per second.
    slope: f64,
    /// Value at the time that the line was made for.
    intercept: f64,
}

impl Line {
    /// The line through the floats of a window, with times relative to `origin`.
    fn through(window: &Window<'_>, origin: i64) -> Self {
        let first = window.values.first().copied().unwrap_or(f64::NAN);
        if window.values[1..].iter().all(|value| *value == first) {
            // Not computed, so that a constant has a slope of exactly zero.
            return if first.is_infinite() {
                Self { slope: f64::NAN, intercept: f64::NAN }
            } else {
                Self { slope: 0.0, intercept: first }
            };
        }
        let n = window.values.len() as f64;
        let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
            (Kahan::default(), Kahan::default(), Kahan::default(), Kahan::default());
        for (ts, y) in window.ts.iter().zip(window.values) {
            let x = (ts - origin) as f64 / 1000.0;
            x_sum.add(x);
            y_sum.add(*y);
            xy_sum.add(x * y);
            xx_sum.add(x * x);
        }
        let (x, y, xy, xx) = (x_sum.total(), y_sum.total(), xy_sum.total(), xx_sum.total());
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Self { slope, intercept: y / n - slope * x / n }
    }
}
