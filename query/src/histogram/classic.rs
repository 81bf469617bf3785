//! Quantiles and fractions of classic histograms, which come as one series per cumulative bucket.

/// Relative difference up to which two counts are the same: rounding, not observations.
const SMALL_DELTA: f64 = 1e-12;

/// One cumulative bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassicBucket {
    /// Upper bound, from the label `le`.
    pub upper_bound: f64,
    /// Observations up to the upper bound.
    pub count: f64,
}

/// Where counts had to be lifted because they decreased with rising bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForcedMonotonicity {
    /// Lowest bound of a bucket that was lifted.
    pub bound_min: f64,
    /// Highest bound of a bucket that was lifted.
    pub bound_max: f64,
    /// Most that a bucket was lifted by.
    pub diff_max: f64,
}

/// The `q`-quantile, linear within a bucket. Sorts and repairs `buckets` in place.
///
/// NaN without a bucket up to infinity, or with fewer than two buckets.
#[must_use]
pub fn classic_quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<ForcedMonotonicity>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    if !prepare(buckets) {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    (monotonic_quantile(q, buckets), forced)
}

/// The quantile of buckets whose counts do not decrease.
fn monotonic_quantile(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let [finite @ .., last] = buckets else { return f64::NAN };
    let Some(highest) = finite.last() else { return f64::NAN };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * last.count;
    let reaches = |bucket: &ClassicBucket| bucket.count >= rank;
    let idx = finite.partition_point(|bucket| !reaches(bucket));
    let Some(bucket) = finite.get(idx) else { return highest.upper_bound };
    if idx == 0 && bucket.upper_bound <= 0.0 {
        return bucket.upper_bound;
    }
    let (start, below) = match idx.checked_sub(1).and_then(|idx| finite.get(idx)) {
        Some(previous) => (previous.upper_bound, previous.count),
        None => (0.0, 0.0),
    };
    start + (bucket.upper_bound - start) * ((rank - below) / (bucket.count - below))
}

/// The share of observations between `lower` and `upper`, linear within a bucket. Sorts `buckets` in place.
#[must_use]
pub fn classic_fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |last| last.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |value| rank_of(value, buckets).map_or(count, |rank| if rank > count { count } else { rank });
    (rank(upper) - rank(lower)) / count
}

/// How many observations lie below `value`; `None` above all buckets.
fn rank_of(value: f64, buckets: &[ClassicBucket]) -> Option<f64> {
    // With a positive first bound there are no negative observations.
    let first_is_positive = buckets.first().is_some_and(|bucket| bucket.upper_bound > 0.0);
    let mut start = if first_is_positive { 0.0 } else { f64::NEG_INFINITY };
    let mut rank = 0.0;
    for bucket in buckets {
        if start >= value {
            return Some(rank);
        }
        if bucket.upper_bound > value {
            return Some(if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (value - start) / (bucket.upper_bound - start)
            });
        }
        (start, rank) = (bucket.upper_bound, bucket.count);
    }
    None
}

/// Sorts the buckets and adds up those of equal bounds; whether the last one reaches to infinity.
fn prepare(buckets: &mut Vec<ClassicBucket>) -> bool {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets.last().is_none_or(|last| last.upper_bound != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|bucket, kept| {
        let same = bucket.upper_bound == kept.upper_bound;
        if same {
            kept.count += bucket.count;
        }
        same
    });
    true
}

/// Lifts every count to those below it; differences that can only be rounding are levelled without a word.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<ForcedMonotonicity> {
    let mut forced: Option<ForcedMonotonicity> = None;
    let mut buckets = buckets.iter_mut();
    let mut highest = buckets.next()?.count;
    for bucket in buckets {
        let count = bucket.count;
        if count == highest {
            continue;
        }
        if nearly_equal(highest, count) {
            bucket.count = highest;
        } else if count < highest {
            bucket.count = highest;
            let (bound, diff) = (bucket.upper_bound, highest - count);
            let so_far =
                forced.unwrap_or(ForcedMonotonicity { bound_min: bound, bound_max: bound, diff_max: 0.0 });
            forced = Some(ForcedMonotonicity {
                bound_min: so_far.bound_min.min(bound),
                bound_max: so_far.bound_max.max(bound),
                diff_max: so_far.diff_max.max(diff),
            });
        } else {
            highest = count;
        }
    }
    forced
}

/// Whether two counts differ by no more than rounding.
fn nearly_equal(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    let (diff, magnitude) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || magnitude < f64::MIN_POSITIVE {
        return diff < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    a == b || diff / magnitude.min(f64::MAX) < SMALL_DELTA
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<ClassicBucket> {
        pairs.iter().map(|&(upper_bound, count)| ClassicBucket { upper_bound, count }).collect()
    }

    fn quantile(q: f64, pairs: &[(f64, f64)]) -> f64 {
        classic_quantile(q, &mut buckets(pairs)).0
    }

    #[test]
    fn quantiles_are_linear_in_a_bucket() {
        let pairs = [(f64::INFINITY, 4.0), (1.0, 2.0), (2.0, 4.0)];
        assert_eq!(quantile(0.25, &pairs), 0.5);
        assert_eq!(quantile(0.75, &pairs), 1.5);
        assert_eq!(quantile(0.0, &pairs), 0.0);
        assert_eq!(quantile(1.0, &pairs), 2.0);
    }

    #[test]
    fn quantiles_at_the_edges() {
        let inf = f64::INFINITY;
        assert_eq!(quantile(0.9, &[(1.0, 1.0), (inf, 10.0)]), 1.0);
        assert_eq!(quantile(0.1, &[(-1.0, 5.0), (inf, 10.0)]), -1.0);
        assert_eq!(quantile(-0.1, &[(1.0, 1.0)]), -inf);
        assert_eq!(quantile(1.1, &[(1.0, 1.0)]), inf);
        assert!(quantile(0.5, &[(1.0, 1.0)]).is_nan());
        assert!(quantile(0.5, &[(inf, 1.0)]).is_nan());
        assert!(quantile(0.5, &[(1.0, 0.0), (inf, 0.0)]).is_nan());
        assert!(quantile(f64::NAN, &[(1.0, 1.0), (inf, 2.0)]).is_nan());
    }

    #[test]
    fn equal_bounds_are_one_bucket() {
        assert_eq!(quantile(0.5, &[(1.0, 2.0), (1.0, 2.0), (f64::INFINITY, 4.0)]), 0.5);
    }

    #[test]
    fn decreasing_counts_are_lifted_and_reported() {
        let mut decreasing =
            buckets(&[(1.0, 5.0), (2.0, 3.0), (4.0, 8.0), (8.0, 7.0), (f64::INFINITY, 10.0)]);
        let (_, forced) = classic_quantile(0.5, &mut decreasing);
        assert_eq!(forced, Some(ForcedMonotonicity { bound_min: 2.0, bound_max: 8.0, diff_max: 2.0 }));
        let counts: Vec<_> = decreasing.iter().map(|bucket| bucket.count).collect();
        assert_eq!(counts, [5.0, 5.0, 8.0, 8.0, 10.0]);
    }

    #[test]
    fn rounding_is_not_reported() {
        let mut rounded = buckets(&[(1.0, 1.0), (2.0, 1.0 - 1e-15), (f64::INFINITY, 1.0 + 1e-13)]);
        assert_eq!(classic_quantile(0.5, &mut rounded).1, None);
        assert!(rounded.iter().all(|bucket| bucket.count == 1.0));
    }

    #[test]
    fn fractions_between_two_values() {
        let pairs = [(1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 5.0)];
        let fraction = |lower, upper| classic_fraction(lower, upper, &mut buckets(&pairs));
        assert_eq!(fraction(0.0, 1.0), 0.4);
        assert_eq!(fraction(0.5, 1.5), 0.4);
        assert_eq!(fraction(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        assert_eq!(fraction(2.0, f64::INFINITY), 0.2 - 0.0 * 1.0);
        assert_eq!(fraction(2.0, 1.0), 0.0);
        assert!(fraction(f64::NAN, 1.0).is_nan());
        assert!(classic_fraction(0.0, 1.0, &mut buckets(&[(1.0, 2.0)])).is_nan());
    }
}
