//! A histogram times or through a number.

use crate::histogram::{FloatHistogram, ResetHint};

/// Multiplies all counts and the sum. A negative factor makes a gauge of any histogram.
pub fn multiply(histogram: &mut FloatHistogram, factor: f64) {
    for_each_count(histogram, |count| *count *= factor);
    if factor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

/// Divides all counts and the sum. Division by zero leaves infinite totals and no buckets.
pub fn divide(histogram: &mut FloatHistogram, divisor: f64) {
    for_each_count(histogram, |count| *count /= divisor);
    if divisor == 0.0 {
        histogram.positive_spans.clear();
        histogram.positive_buckets.clear();
        histogram.negative_spans.clear();
        histogram.negative_buckets.clear();
    } else if divisor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

fn for_each_count(histogram: &mut FloatHistogram, change: impl Fn(&mut f64)) {
    let FloatHistogram { zero_count, count, sum, positive_buckets, negative_buckets, .. } = histogram;
    [zero_count, count, sum].into_iter().chain(positive_buckets).chain(negative_buckets).for_each(change);
}

#[cfg(test)]
mod tests {
    use crate::histogram::Span;

    use super::*;

    fn sample() -> FloatHistogram {
        FloatHistogram {
            count: 4.0,
            sum: -3.0,
            zero_count: 1.0,
            positive_spans: vec![Span { offset: 0, length: 1 }],
            positive_buckets: vec![2.0],
            negative_spans: vec![Span { offset: 0, length: 1 }],
            negative_buckets: vec![1.0],
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn every_count_is_scaled() {
        let mut histogram = sample();
        multiply(&mut histogram, 2.0);
        assert_eq!((histogram.count, histogram.sum, histogram.zero_count), (8.0, -6.0, 2.0));
        assert_eq!((histogram.positive_buckets[0], histogram.negative_buckets[0]), (4.0, 2.0));
        assert_eq!(histogram.reset_hint, ResetHint::Unknown);
        divide(&mut histogram, 2.0);
        assert_eq!(histogram, sample());
    }

    #[test]
    fn a_negative_factor_makes_a_gauge() {
        let mut histogram = sample();
        multiply(&mut histogram, -1.0);
        assert_eq!((histogram.count, histogram.reset_hint), (-4.0, ResetHint::Gauge));
        let mut histogram = sample();
        divide(&mut histogram, -1.0);
        assert_eq!((histogram.count, histogram.reset_hint), (-4.0, ResetHint::Gauge));
    }

    #[test]
    fn division_by_zero_leaves_no_buckets() {
        let mut histogram = sample();
        divide(&mut histogram, 0.0);
        assert_eq!((histogram.count, histogram.sum), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(histogram.positive_buckets.is_empty() && histogram.negative_spans.is_empty());
    }
}
