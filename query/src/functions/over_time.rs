//! Sums, means, counts and single samples of a range.

use std::sync::Arc;

use kymo_engine::HistogramSample;
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::noted::Subject;
use crate::{
    Error,
    exec::{
        Column, HistogramOperation, Note, Notes, Sample,
        kernel::{Window, Windows},
    },
    histogram::{Combined, HistogramMean, HistogramSum, IncompatibleSchemas, Kahan},
};

/// `sum_over_time(r)`
pub(super) fn sum(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    let of_floats = || sum_of(window.values);
    Ok(aggregate(window, notes, of_floats, |first, rest, combined| {
        let mut sum = HistogramSum::new(first);
        for sample in rest {
            combined(sum.add(&sample.value))?;
        }
        Ok(sum.total())
    }))
}

/// [`sum`] for all steps.
pub(super) fn sum_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, sum_of(&windows.values[samples]));
        Ok(())
    })
}

/// `avg_over_time(r)`
pub(super) fn avg(window: &Window<'_>, notes: &mut Notes) -> Result<Option<Sample>, Error> {
    let of_floats = || match window.stands {
        None => mean_of(window.values),
        Some(_) => {
            let values = window.values.iter().enumerate();
            mean_of_weighted(values.map(|(i, value)| (*value, window.float_count(i..i + 1))))
        }
    };
    let count = |i: usize| window.histogram_count(i..i + 1) as f64;
    Ok(aggregate(window, notes, of_floats, |first, rest, combined| {
        let mut mean = HistogramMean::new(first, count(0));
        for (sample, i) in rest.iter().zip(1..) {
            combined(mean.add(&sample.value, count(i)))?;
        }
        Ok(mean.finish())
    }))
}

/// [`avg`] for all steps.
pub(super) fn avg_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        let mean = match windows.weights {
            None => mean_of(&windows.values[samples]),
            Some(weights) => {
                let weighted = samples.map(|i| (windows.values[i], weights.count(&(i..i + 1))));
                mean_of_weighted(weighted)
            }
        };
        column.push_float(step, mean);
        Ok(())
    })
}

/// `count_over_time(r)`
pub(super) fn count(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    let floats = window.float_count(0..window.values.len());
    let histograms = window.histogram_count(0..window.histograms.len());
    Ok(Some(Sample::Float((floats + histograms) as f64)))
}

/// [`count`] for all steps.
pub(super) fn count_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, windows.count(&samples) as f64);
        Ok(())
    })
}

/// `present_over_time(r)`
pub(super) fn present(_: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(Some(Sample::Float(1.0)))
}

/// [`present`] for all steps.
pub(super) fn present_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, _| {
        column.push_float(step, 1.0);
        Ok(())
    })
}

/// `first_over_time(r)`
pub(super) fn first(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(match (window.ts.first(), window.histograms.first()) {
        (float, Some(histogram)) if float.is_none_or(|float| *float >= histogram.ts) => {
            Some(Sample::Histogram(Arc::clone(&histogram.value)))
        }
        _ => window.values.first().copied().map(Sample::Float),
    })
}

/// [`first`] for all steps.
pub(super) fn first_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, windows.values[samples.start]);
        Ok(())
    })
}

/// `last_over_time(r)`
pub(super) fn last(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    Ok(match (window.ts.last(), window.histograms.last()) {
        (float, Some(histogram)) if float.is_none_or(|float| *float <= histogram.ts) => {
            Some(Sample::Histogram(Arc::clone(&histogram.value)))
        }
        _ => window.values.last().copied().map(Sample::Float),
    })
}

/// [`last`] for all steps.
pub(super) fn last_all(windows: &Windows<'_>, _: &mut Notes, column: &mut Column) -> Result<(), Error> {
    windows.for_each(|step, samples| {
        column.push_float(step, windows.values[samples.end - 1]);
        Ok(())
    })
}

/// `ts_of_first_over_time(r)`
pub(super) fn ts_of_first(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    let histogram = window.histograms.first().map(|sample| sample.ts);
    Ok(window.ts.first().copied().into_iter().chain(histogram).min().map(seconds))
}

/// `ts_of_last_over_time(r)`
pub(super) fn ts_of_last(window: &Window<'_>, _: &mut Notes) -> Result<Option<Sample>, Error> {
    let histogram = window.histograms.last().map(|sample| sample.ts);
    Ok(window.ts.last().copied().into_iter().chain(histogram).max().map(seconds))
}

fn seconds(ts: i64) -> Sample {
    Sample::Float(ts as f64 / 1000.0)
}

/// The compensated sum. An infinite sum has no meaningful compensation.
fn sum_of(values: &[f64]) -> f64 {
    let mut sum = Kahan::default();
    values.iter().for_each(|value| sum.add(*value));
    if sum.sum.is_infinite() { sum.sum } else { sum.total() }
}

/// The mean: the compensated sum divided at the end, or, from where that would overflow, a mean that is
/// adjusted with every value.
fn mean_of(values: &[f64]) -> f64 {
    let Some((&first, rest)) = values.split_first() else { return f64::NAN };
    let mut sum = Kahan::new(first);
    for (i, value) in rest.iter().enumerate() {
        let mut next = sum;
        next.add(*value);
        if next.sum.is_infinite() {
            return incremental_mean(sum, i + 1, rest[i..].iter().map(|value| (*value, 1)));
        }
        sum = next;
    }
    let count = values.len() as f64;
    sum.sum / count + sum.compensation / count
}

/// As [`mean_of`], for sums of several values each, with their numbers.
fn mean_of_weighted(mut sums: impl Iterator<Item = (f64, usize)>) -> f64 {
    let Some((first, mut count)) = sums.next() else { return f64::NAN };
    let mut sum = Kahan::new(first);
    while let Some((value, weight)) = sums.next() {
        let mut next = sum;
        next.add(value);
        if next.sum.is_infinite() {
            return incremental_mean(sum, count, std::iter::once((value, weight)).chain(sums));
        }
        sum = next;
        count += weight;
    }
    let count = count as f64;
    sum.sum / count + sum.compensation / count
}

/// The mean of `count` values with this sum, and of further ones: sums of values, with their numbers.
fn incremental_mean(sum: Kahan, count: usize, further: impl Iterator<Item = (f64, usize)>) -> f64 {
    let mut count = count as f64;
    let mut mean = Kahan { sum: sum.sum / count, compensation: sum.compensation / count };
    for (value, number) in further {
        let before = count;
        count += number as f64;
        let weight = before / count;
        mean = Kahan { sum: weight * mean.sum, compensation: weight * mean.compensation };
        mean.add(value / count);
    }
    mean.total()
}

/// Told what came of each addition; passes errors on.
type OnCombined<'a> =
    &'a mut dyn FnMut(Result<Combined, IncompatibleSchemas>) -> Result<(), IncompatibleSchemas>;

/// An aggregation that takes floats or histograms, but not both in one range.
fn aggregate(
    window: &Window<'_>,
    notes: &mut Notes,
    of_floats: impl Fn() -> f64,
    of_histograms: impl Fn(
        &FloatHistogram,
        &[HistogramSample],
        OnCombined<'_>,
    ) -> Result<FloatHistogram, IncompatibleSchemas>,
) -> Option<Sample> {
    let subject = Subject::matrix(window);
    let Some((first, rest)) = window.histograms.split_first() else {
        return Some(Sample::Float(of_floats()));
    };
    if !window.values.is_empty() {
        subject.mixed_floats_histograms(notes);
        return None;
    }
    let mut reconciled = false;
    let result = of_histograms(&first.value, rest, &mut |combined| {
        reconciled |= combined?.bounds_reconciled;
        Ok(())
    });
    let Ok(result) = result else {
        subject.mixed_exponential_custom(notes);
        return None;
    };
    let operation = HistogramOperation::Aggregation;
    let hinted = |hint| window.histograms.iter().any(|sample| sample.value.reset_hint == hint);
    if hinted(ResetHint::Reset) && hinted(ResetHint::NotReset) {
        notes.add(subject.position, Note::CounterResetCollision { operation });
    }
    if reconciled {
        notes.add(subject.position, Note::MismatchedCustomBuckets { operation });
    }
    Some(Sample::Histogram(Arc::new(result)))
}
