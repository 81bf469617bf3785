//! Walking the buckets of a histogram with their bounds.

use kymo_formats::histogram::{
    FloatHistogram,
    algebra::{Indexed, IndexedBack},
};

use super::{bounds::upper_bound, bucket::Bucket, is_custom};

/// Direction of a walk over all buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the lowest bound up.
    Ascending,
    /// From the highest bound down.
    Descending,
}

/// The two halves of a histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Positive,
    Negative,
}

/// Buckets of the positive side, or all buckets of a custom layout, from zero upwards.
pub fn positive_buckets(histogram: &FloatHistogram) -> impl Iterator<Item = Bucket> + '_ {
    indexed(histogram, Side::Positive).map(|(index, count)| bucket(histogram, Side::Positive, index, count))
}

/// Buckets of the negative side, from zero downwards.
pub fn negative_buckets(histogram: &FloatHistogram) -> impl Iterator<Item = Bucket> + '_ {
    indexed(histogram, Side::Negative).map(|(index, count)| bucket(histogram, Side::Negative, index, count))
}

/// All buckets, the zero bucket included if it is populated.
///
/// A bucket that the zero bucket reaches into is cut off at the zero threshold.
#[must_use]
pub const fn buckets(histogram: &FloatHistogram, order: Order) -> Buckets<'_> {
    Buckets { histogram, order, stage: Stage::Start }
}

/// Iterator of [`buckets`].
#[derive(Debug, Clone)]
pub struct Buckets<'a> {
    histogram: &'a FloatHistogram,
    order: Order,
    stage: Stage<'a>,
}

#[derive(Debug, Clone)]
enum Stage<'a> {
    Start,
    /// The side that comes first is walked towards zero.
    TowardsZero(IndexedBack<'a>),
    AwayFromZero(Indexed<'a>),
}

impl Buckets<'_> {
    const fn side(&self) -> Side {
        match (self.order, &self.stage) {
            (Order::Ascending, Stage::AwayFromZero(_)) | (Order::Descending, Stage::TowardsZero(_)) => {
                Side::Positive
            }
            _ => Side::Negative,
        }
    }

    /// `bucket` without the part that the zero bucket covers.
    fn outside_zero_bucket(&self, mut bucket: Bucket) -> Bucket {
        let threshold = self.histogram.zero_threshold;
        if bucket.lower > 0.0 && bucket.lower < threshold {
            bucket.lower = threshold;
        } else if bucket.upper < 0.0 && bucket.upper > -threshold {
            bucket.upper = -threshold;
        }
        bucket
    }
}

impl Iterator for Buckets<'_> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        loop {
            let histogram = self.histogram;
            let next = match &mut self.stage {
                Stage::Start => {
                    let first = if self.order == Order::Ascending { Side::Negative } else { Side::Positive };
                    self.stage = Stage::TowardsZero(indexed_back(histogram, first));
                    continue;
                }
                Stage::TowardsZero(rest) => match rest.next() {
                    Some(next) => next,
                    None => {
                        let second =
                            if self.order == Order::Ascending { Side::Positive } else { Side::Negative };
                        self.stage = Stage::AwayFromZero(indexed(histogram, second));
                        if histogram.zero_count > 0.0 {
                            return Some(zero_bucket(histogram));
                        }
                        continue;
                    }
                },
                Stage::AwayFromZero(rest) => rest.next()?,
            };
            return Some(self.outside_zero_bucket(bucket(histogram, self.side(), next.0, next.1)));
        }
    }
}

/// The zero bucket.
pub(crate) fn zero_bucket(histogram: &FloatHistogram) -> Bucket {
    Bucket {
        lower: -histogram.zero_threshold,
        upper: histogram.zero_threshold,
        lower_inclusive: true,
        upper_inclusive: true,
        count: histogram.zero_count,
    }
}

/// Counts of one side by ascending index.
pub(crate) fn indexed(histogram: &FloatHistogram, side: Side) -> Indexed<'_> {
    match side {
        Side::Positive => Indexed::new(&histogram.positive_spans, &histogram.positive_buckets),
        Side::Negative => Indexed::new(&histogram.negative_spans, &histogram.negative_buckets),
    }
}

/// Counts of one side by descending index.
pub(crate) fn indexed_back(histogram: &FloatHistogram, side: Side) -> IndexedBack<'_> {
    match side {
        Side::Positive => IndexedBack::new(&histogram.positive_spans, &histogram.positive_buckets),
        Side::Negative => IndexedBack::new(&histogram.negative_spans, &histogram.negative_buckets),
    }
}

/// The bucket at `index` of one side.
pub(crate) fn bucket(histogram: &FloatHistogram, side: Side, index: i32, count: f64) -> Bucket {
    let FloatHistogram { schema, custom_values, .. } = histogram;
    let outer = upper_bound(index, *schema, custom_values);
    let inner = upper_bound(index.wrapping_sub(1), *schema, custom_values);
    let (lower, upper) = if side == Side::Positive { (inner, outer) } else { (-outer, -inner) };
    let custom = is_custom(*schema);
    Bucket {
        lower,
        upper,
        lower_inclusive: if custom { index == 0 } else { lower < 0.0 },
        upper_inclusive: custom || upper > 0.0,
        count,
    }
}

#[cfg(test)]
mod tests {
    use kymo_formats::histogram::Span;

    use super::*;

    fn sample() -> FloatHistogram {
        FloatHistogram {
            zero_threshold: 0.75,
            zero_count: 2.0,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![3.0, 4.0],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![5.0],
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn ascending_walk_cuts_at_the_zero_threshold() {
        let histogram = sample();
        let bounds: Vec<_> =
            buckets(&histogram, Order::Ascending).map(|b| (b.lower, b.upper, b.count)).collect();
        assert_eq!(bounds, [(-2.0, -1.0, 5.0), (-0.75, 0.75, 2.0), (0.75, 1.0, 3.0), (1.0, 2.0, 4.0)]);
    }

    #[test]
    fn descending_walk_is_the_ascending_one_reversed() {
        let histogram = sample();
        let mut down: Vec<_> = buckets(&histogram, Order::Descending).collect();
        down.reverse();
        assert_eq!(down, buckets(&histogram, Order::Ascending).collect::<Vec<_>>());
    }
}
