//! Fractions of native histograms between two values.

use kymo_formats::histogram::FloatHistogram;

use super::{
    bucket::{Bucket, Spread},
    is_custom,
    iter::{Order, buckets},
    quantile::{NanEffect, narrow_zero_bucket},
};

/// The share of all observations between `lower` and `upper`, interpolated as quantiles are.
#[must_use]
pub fn fraction(lower: f64, upper: f64, histogram: &FloatHistogram) -> (f64, Option<NanEffect>) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, None);
    }
    if lower >= upper {
        return (0.0, None);
    }
    let custom = is_custom(histogram.schema);
    let (mut lower_rank, mut upper_rank) = (None, None);
    let (mut rank, mut seen) = (0.0, 0.0);
    let mut rest = buckets(histogram, Order::Ascending);
    for mut bucket in rest.by_ref() {
        seen += bucket.count;
        let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        narrow_zero_bucket(&mut bucket, histogram, around_zero);
        let spread = if custom || around_zero { Spread::Linear } else { Spread::Exponential };
        lower_rank = lower_rank.or_else(|| rank_in(&bucket, lower, rank, spread));
        upper_rank = upper_rank.or_else(|| rank_in(&bucket, upper, rank, spread));
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut effect = None;
    let mut count = histogram.count;
    if histogram.sum.is_nan() {
        // NaN observations are in the total but in no bucket.
        count = rest.fold(seen, |count, bucket| count + bucket.count);
        effect = (count < histogram.count).then_some(NanEffect::Excluded);
    }
    let capped = |rank: Option<f64>| rank.map_or(count, |rank| if rank > count { count } else { rank });
    ((capped(upper_rank) - capped(lower_rank)) / histogram.count, effect)
}

/// How many observations lie below `value`, given that `rank` lie below the bucket; `None` if the value lies
/// above the bucket.
fn rank_in(bucket: &Bucket, value: f64, rank: f64, spread: Spread) -> Option<f64> {
    if bucket.lower >= value {
        return Some(rank);
    }
    if !(bucket.lower < value && bucket.upper > value) {
        return None;
    }
    if spread == Spread::Linear && bucket.lower == f64::NEG_INFINITY {
        // Without a lower bound there is nothing to interpolate with.
        return Some(bucket.count);
    }
    Some(rank + bucket.count * bucket.fraction_below(value, spread))
}
