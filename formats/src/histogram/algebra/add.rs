//! Sum and difference of two histograms.

use std::mem;

use crate::histogram::FloatHistogram;

use super::combine::{Accumulator, CellSide, Combined, IncompatibleSchemas, Sign};

/// Adds `other` to `histogram`.
///
/// # Errors
/// When one has exponential and the other custom buckets.
pub fn add(histogram: &mut FloatHistogram, other: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
    combine(histogram, other, Sign::Plus)
}

/// Subtracts `other` from `histogram`. The reset hint is that of a sum: callers for whom the difference is a
/// gauge say so themselves.
///
/// # Errors
/// When one has exponential and the other custom buckets.
pub fn sub(histogram: &mut FloatHistogram, other: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
    combine(histogram, other, Sign::Minus)
}

fn combine(
    histogram: &mut FloatHistogram,
    other: &FloatHistogram,
    sign: Sign,
) -> Result<Combined, IncompatibleSchemas> {
    let mut accumulator = Accumulator::<f64>::from(mem::take(histogram));
    let combined = accumulator.combine(other, sign);
    *histogram = accumulator.into();
    combined
}

impl From<FloatHistogram> for Accumulator<f64> {
    fn from(histogram: FloatHistogram) -> Self {
        Self {
            reset_hint: histogram.reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
            positive: CellSide { spans: histogram.positive_spans, cells: histogram.positive_buckets },
            negative: CellSide { spans: histogram.negative_spans, cells: histogram.negative_buckets },
            custom_values: histogram.custom_values,
        }
    }
}

impl From<Accumulator<f64>> for FloatHistogram {
    fn from(sum: Accumulator<f64>) -> Self {
        Self {
            reset_hint: sum.reset_hint,
            schema: sum.schema,
            zero_threshold: sum.zero_threshold,
            zero_count: sum.zero_count,
            count: sum.count,
            sum: sum.sum,
            positive_spans: sum.positive.spans,
            negative_spans: sum.negative.spans,
            positive_buckets: sum.positive.cells,
            negative_buckets: sum.negative.cells,
            custom_values: sum.custom_values,
        }
    }
}
