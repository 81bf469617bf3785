//! Widening the zero bucket.

use super::{cell::Cell, upper_bound};

/// The zero count with a zero bucket that reaches to `threshold`, and how far it really has to reach: a
/// populated bucket that the threshold would split goes in as a whole.
///
/// `zero` is the count of the zero bucket as it is; the sides are ascending by index.
pub(super) fn zero_count_up_to<C: Cell, I: Iterator<Item = (i32, C)> + Clone>(
    threshold: f64,
    zero: C,
    schema: i32,
    positive: &I,
    negative: &I,
) -> (C, f64) {
    let mut threshold = threshold;
    loop {
        let mut count = zero;
        if let Some(wider) = absorb(&mut count, threshold, schema, positive.clone()) {
            threshold = wider;
        }
        match absorb(&mut count, threshold, schema, negative.clone()) {
            // The wider bucket may reach into more positive buckets.
            Some(wider) => threshold = wider,
            None => return (count, threshold),
        }
    }
}

/// Adds to `count` what begins below `threshold`; returns where that ends if it ends above.
fn absorb<C: Cell>(
    count: &mut C,
    threshold: f64,
    schema: i32,
    side: impl Iterator<Item = (i32, C)>,
) -> Option<f64> {
    for (index, cell) in side {
        if upper_bound(index.wrapping_sub(1), schema) >= threshold {
            return None;
        }
        count.merge(cell);
        let end = upper_bound(index, schema);
        if end > threshold {
            return (cell.count() != 0.0).then_some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(threshold: f64, positive: &[(i32, f64)], negative: &[(i32, f64)]) -> (f64, f64) {
        zero_count_up_to(threshold, 1.0, 0, &positive.iter().copied(), &negative.iter().copied())
    }

    #[test]
    fn whole_buckets_below_the_threshold_are_counted() {
        assert_eq!(widened(2.0, &[(0, 2.0), (1, 3.0), (2, 4.0)], &[(1, 5.0)]), (11.0, 2.0));
    }

    #[test]
    fn a_populated_bucket_is_not_split() {
        assert_eq!(widened(1.5, &[(1, 2.0), (2, 4.0)], &[]), (3.0, 2.0));
        assert_eq!(widened(1.5, &[(1, 0.0), (2, 4.0)], &[]), (1.0, 1.5));
    }

    #[test]
    fn widening_for_one_side_is_seen_by_the_other() {
        assert_eq!(widened(1.5, &[(1, 2.0), (2, 4.0)], &[(2, 8.0)]), (3.0, 2.0));
        assert_eq!(widened(2.5, &[(2, 4.0), (3, 2.0)], &[(2, 8.0), (3, 1.0)]), (13.0, 4.0));
    }
}
