//! Quantiles of native histograms.

use kymo_formats::histogram::FloatHistogram;

use super::{
    bucket::Bucket,
    is_custom,
    iter::{Order, buckets},
};

/// What NaN observations did to a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanEffect {
    /// The result lies among the NaNs.
    ResultIsNan,
    /// NaNs count as larger than everything, so the result is higher than that of the numbers.
    SkewedHigher,
    /// NaNs are in no fraction.
    Excluded,
}

/// The `q`-quantile. Observations are taken to be spread evenly in custom and zero buckets, and evenly on a
/// logarithmic scale in exponential ones.
#[must_use]
pub fn quantile(q: f64, histogram: &FloatHistogram) -> (f64, Option<NanEffect>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if q.is_nan() || histogram.count == 0.0 {
        return (f64::NAN, None);
    }
    // NaN observations are in the total count but in no bucket, so ranks from above would be off.
    let has_nan_sum = histogram.sum.is_nan();
    let upwards = has_nan_sum || q < 0.5;
    let (order, rank) = if upwards {
        (Order::Ascending, q * histogram.count)
    } else {
        (Order::Descending, (1.0 - q) * histogram.count)
    };

    let mut rest = buckets(histogram, order);
    let mut found = EMPTY;
    let mut count = 0.0;
    // Where the rank lies beyond all observations, the last bucket answers, empty or not.
    for bucket in rest.by_ref() {
        found = bucket;
        count += bucket.count;
        if bucket.count != 0.0 && count >= rank {
            break;
        }
    }
    if let Some(edge) = narrow(&mut found, histogram) {
        return (edge, None);
    }
    // Rounding may have lifted the sum of the buckets above the total.
    let count = count.min(histogram.count);
    if count < rank {
        return if has_nan_sum { (f64::NAN, Some(NanEffect::ResultIsNan)) } else { (found.upper, None) };
    }
    let rank_in_bucket = if upwards { rank - (count - found.count) } else { count - rank };
    let mut effect = None;
    if has_nan_sum {
        // Upstream goes on to the last bucket to count what is there, and then interpolates in that one,
        // whichever held the rank. The answers are to be the same.
        let seen = rest.fold(count, |count, bucket| {
            found = bucket;
            count + bucket.count
        });
        effect = (seen < histogram.count).then_some(NanEffect::SkewedHigher);
    }
    (interpolate(&found, rank_in_bucket / found.count, is_custom(histogram.schema)), effect)
}

/// No bucket, where there is none.
const EMPTY: Bucket =
    Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };

/// Cuts off the part of the bucket that has no observations as far as one can tell from the others; the
/// quantile itself if the bucket cannot be interpolated in.
fn narrow(bucket: &mut Bucket, histogram: &FloatHistogram) -> Option<f64> {
    if !is_custom(histogram.schema) {
        narrow_zero_bucket(bucket, histogram, bucket.lower < 0.0 && bucket.upper > 0.0);
        return None;
    }
    if bucket.lower == f64::NEG_INFINITY {
        if bucket.upper <= 0.0 {
            return Some(bucket.upper);
        }
        bucket.lower = 0.0;
    } else if bucket.upper == f64::INFINITY {
        return Some(bucket.lower);
    }
    None
}

/// A zero bucket beside buckets of one sign only holds only that sign.
pub(crate) fn narrow_zero_bucket(bucket: &mut Bucket, histogram: &FloatHistogram, is_zero_bucket: bool) {
    if is_zero_bucket {
        match (histogram.negative_buckets.is_empty(), histogram.positive_buckets.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }
}

/// The value below which `fraction` of the bucket's observations lie.
fn interpolate(bucket: &Bucket, fraction: f64, custom: bool) -> f64 {
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let lower = bucket.lower.abs().log2();
    let upper = bucket.upper.abs().log2();
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * fraction).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - fraction)).exp2()
    }
}
