//! The buckets of a native histogram with their bounds.

use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span, bounds::exponential_bound};

/// Observations above `lower` and up to `upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: f64,
}

/// The buckets that hold anything, ascending.
pub(super) fn buckets(histogram: &FloatHistogram) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = side(&histogram.negative_spans, &histogram.negative_buckets)
        .map(|(index, count)| Bucket {
            lower: -exponential_bound(index, histogram.schema),
            upper: -exponential_bound(index - 1, histogram.schema),
            count,
        })
        .collect();
    buckets.reverse();
    if histogram.zero_count != 0.0 {
        // Not the negation: of a threshold of zero that would be -0.
        let (lower, upper) = (0.0 - histogram.zero_threshold, histogram.zero_threshold);
        buckets.push(Bucket { lower, upper, count: histogram.zero_count });
    }
    let custom = |index: i64| match usize::try_from(index) {
        Ok(index) => histogram.custom_values.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    };
    let bound = |index: i64| match histogram.schema {
        CUSTOM_BUCKETS_SCHEMA => custom(index),
        schema => exponential_bound(index, schema),
    };
    let positive = side(&histogram.positive_spans, &histogram.positive_buckets);
    buckets.extend(positive.map(|(index, count)| Bucket {
        lower: bound(index - 1),
        upper: bound(index),
        count,
    }));
    buckets.retain(|bucket| bucket.count != 0.0);
    buckets
}

/// Index and count of each bucket. Bounded by the counts, whatever the spans say.
fn side<'h>(spans: &'h [Span], counts: &'h [f64]) -> impl Iterator<Item = (i64, f64)> + 'h {
    let mut next = 0_i64;
    let indexes = spans.iter().flat_map(move |span| {
        let first = next + i64::from(span.offset);
        next = first + i64::from(span.length);
        first..next
    });
    indexes.zip(counts.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triples(histogram: &FloatHistogram) -> Vec<[f64; 3]> {
        buckets(histogram).iter().map(|bucket| [bucket.lower, bucket.upper, bucket.count]).collect()
    }

    #[test]
    fn bounds_ascend_from_the_negative_side() {
        let histogram = FloatHistogram {
            zero_threshold: 0.5,
            zero_count: 3.0,
            positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 0.0, 2.0],
            negative_spans: vec![Span { offset: 1, length: 2 }],
            negative_buckets: vec![4.0, 5.0],
            ..FloatHistogram::default()
        };
        let expected =
            [[-4.0, -2.0, 5.0], [-2.0, -1.0, 4.0], [-0.5, 0.5, 3.0], [0.5, 1.0, 1.0], [4.0, 8.0, 2.0]];
        assert_eq!(triples(&histogram), expected);
    }

    #[test]
    fn custom_bounds_are_open_at_both_ends() {
        let histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_values: vec![1.0, 10.0],
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 2.0, 3.0],
            ..FloatHistogram::default()
        };
        let infinity = f64::INFINITY;
        assert_eq!(triples(&histogram), [[-infinity, 1.0, 1.0], [1.0, 10.0, 2.0], [10.0, infinity, 3.0]]);
    }
}
