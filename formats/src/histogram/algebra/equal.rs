//! Equality of histograms as data.

use super::spans::same_buckets;
use crate::histogram::{FloatHistogram, is_custom_schema};

/// Whether two histograms hold the same data, bit for bit. Empty buckets count, how buckets are cut into
/// spans and reset hints do not.
#[must_use]
pub fn same_data(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    a.schema == b.schema
        && same_bits(&[a.count, a.sum, a.zero_count], &[b.count, b.sum, b.zero_count])
        && a.zero_threshold == b.zero_threshold
        && (!is_custom_schema(a.schema) || a.custom_values == b.custom_values)
        && same_bits(&a.positive_buckets, &b.positive_buckets)
        && same_bits(&a.negative_buckets, &b.negative_buckets)
        && same_buckets(&a.positive_spans, &b.positive_spans)
        && same_buckets(&a.negative_spans, &b.negative_spans)
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[cfg(test)]
mod tests {
    use crate::histogram::{ResetHint, Span};

    use super::*;

    #[test]
    fn data_is_compared_by_bits() {
        let a = FloatHistogram {
            sum: f64::NAN,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![1.0, 0.0],
            ..FloatHistogram::default()
        };
        let mut b = FloatHistogram { reset_hint: ResetHint::Gauge, ..a.clone() };
        assert!(same_data(&a, &b));
        b.positive_buckets[1] = -0.0;
        assert!(!same_data(&a, &b));
    }

    #[test]
    fn an_empty_bucket_is_a_difference() {
        let a = FloatHistogram::default();
        let b = FloatHistogram {
            positive_spans: vec![Span { offset: 0, length: 1 }],
            positive_buckets: vec![0.0],
            ..FloatHistogram::default()
        };
        assert!(!same_data(&a, &b));
    }
}
