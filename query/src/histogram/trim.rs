//! The operators `</` and `>/`: dropping the observations on one side of a value.

use kymo_formats::histogram::FloatHistogram;

use super::{
    bucket::{Bucket, Spread},
    compact, is_custom,
    iter::{Side, bucket, indexed, zero_bucket},
};

/// Which observations [`trim`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those up to the value: `</`.
    Below,
    /// Those from the value on: `>/`.
    Above,
}

/// Drops the observations beyond `value`. A bucket that contains it is split the way quantiles interpolate.
///
/// Count and sum are estimated anew from what the buckets keep, but only if anything was dropped.
pub fn trim(histogram: &mut FloatHistogram, value: f64, keep: Keep) {
    let mut trimmer =
        Trimmer { value, keep, custom: is_custom(histogram.schema), count: 0.0, sum: 0.0, changed: false };
    let (positive, has_positive) = trimmer.side(histogram, Side::Positive);
    let (negative, has_negative) = trimmer.side(histogram, Side::Negative);
    histogram.positive_buckets = positive;
    histogram.negative_buckets = negative;
    if histogram.zero_count > 0.0 {
        let kept = trimmer.zero(zero_bucket(histogram), has_negative, has_positive);
        trimmer.changed |= kept.count != histogram.zero_count;
        histogram.zero_count = kept.count;
        trimmer.total(kept);
    }
    if trimmer.changed {
        histogram.count = trimmer.count;
        histogram.sum = trimmer.sum;
        compact(histogram, 0);
    }
}

/// What is left of a bucket, and where its observations lie on average.
#[derive(Debug, Clone, Copy)]
struct Kept {
    count: f64,
    midpoint: f64,
    /// Nothing was dropped.
    whole: bool,
}

impl Kept {
    const fn whole(count: f64, midpoint: f64) -> Self {
        Self { count, midpoint, whole: true }
    }

    const fn part(count: f64, midpoint: f64) -> Self {
        Self { count, midpoint, whole: false }
    }
}

struct Trimmer {
    value: f64,
    keep: Keep,
    custom: bool,
    count: f64,
    sum: f64,
    changed: bool,
}

impl Trimmer {
    /// The new counts of one side, and whether any of the old ones was populated.
    fn side(&mut self, histogram: &FloatHistogram, side: Side) -> (Vec<f64>, bool) {
        let mut populated = false;
        let mut counts: Vec<f64> = indexed(histogram, side)
            .map(|(index, count)| {
                if count == 0.0 {
                    return count;
                }
                populated = true;
                let kept = self.bucket(&bucket(histogram, side, index, count), side);
                // A bucket that stays whole is no change, whatever its count: a NaN is not equal to itself.
                self.changed |= kept.is_none_or(|kept| !kept.whole && kept.count != count);
                kept.map_or(0.0, |kept| {
                    self.total(kept);
                    kept.count
                })
            })
            .collect();
        let old =
            if side == Side::Positive { &histogram.positive_buckets } else { &histogram.negative_buckets };
        // Counts without a span, of a damaged histogram, stay what they were.
        counts.extend(old.iter().skip(counts.len()));
        (counts, populated)
    }

    fn total(&mut self, kept: Kept) {
        self.count += kept.count;
        self.sum += kept.midpoint * kept.count;
    }

    fn bucket(&self, bucket: &Bucket, side: Side) -> Option<Kept> {
        let (whole, part) = match self.keep {
            Keep::Below => (bucket.upper <= self.value, bucket.lower < self.value),
            Keep::Above => (bucket.lower >= self.value, bucket.upper > self.value),
        };
        if whole {
            return Some(Kept::whole(bucket.count, self.midpoint(bucket.lower, bucket.upper, side)));
        }
        part.then(|| self.split(bucket, side))
    }

    /// What is left of a bucket that contains the value.
    fn split(&self, bucket: &Bucket, side: Side) -> Kept {
        if bucket.lower == f64::NEG_INFINITY {
            return self.split_lowest(bucket);
        }
        if bucket.upper == f64::INFINITY {
            return self.split_highest(bucket);
        }
        let spread = if self.custom { Spread::Linear } else { Spread::Exponential };
        let below = bucket.count * bucket.fraction_below(self.value, spread);
        match self.keep {
            Keep::Below => Kept::part(below, self.midpoint(bucket.lower, self.value, side)),
            Keep::Above => Kept::part(bucket.count - below, self.midpoint(self.value, bucket.upper, side)),
        }
    }

    /// The bucket down to minus infinity: with a positive upper bound taken to start at zero, else not split.
    fn split_lowest(&self, bucket: &Bucket) -> Kept {
        let (value, upper) = (self.value, bucket.upper);
        let dropped = Kept::part(0.0, 0.0);
        let from_zero = upper > 0.0 && upper.is_finite();
        match self.keep {
            Keep::Below if value >= upper => Kept::part(bucket.count, 0.0),
            Keep::Below if value > 0.0 && from_zero => Kept::part(bucket.count * value / upper, value / 2.0),
            Keep::Below if upper <= 0.0 => Kept::part(bucket.count, value),
            Keep::Above if value == f64::NEG_INFINITY => Kept::part(bucket.count, 0.0),
            Keep::Above if value >= 0.0 && upper > value && upper.is_finite() => {
                Kept::part(bucket.count * (1.0 - value / upper), f64::midpoint(value, upper))
            }
            Keep::Below | Keep::Above => dropped,
        }
    }

    /// The bucket up to infinity: its observations may lie anywhere, so it goes as a whole or stays.
    fn split_highest(&self, bucket: &Bucket) -> Kept {
        if self.keep == Keep::Above && self.value >= bucket.lower {
            Kept::part(bucket.count, self.value)
        } else {
            Kept::part(0.0, 0.0)
        }
    }

    /// The zero bucket, spread evenly over both signs or over the only one that the histogram has.
    fn zero(&self, bucket: Bucket, has_negative: bool, has_positive: bool) -> Kept {
        let value = self.value;
        let lower = if has_positive && !has_negative { 0.0 } else { bucket.lower };
        let upper = if has_negative && !has_positive { 0.0 } else { bucket.upper };
        let whole = Kept::whole(bucket.count, (lower + upper) / 2.0);
        let dropped = Kept::part(0.0, 0.0);
        let part = |from: f64, to: f64| {
            Kept::part(bucket.count * ((to - from) / (upper - lower)), (from + to) / 2.0)
        };
        match self.keep {
            Keep::Below if value <= lower => dropped,
            Keep::Below if value >= upper => whole,
            Keep::Below => part(lower, value),
            Keep::Above if value <= lower => whole,
            Keep::Above if value >= upper => dropped,
            Keep::Above => part(value, upper),
        }
    }

    /// Where observations between two bounds lie on average.
    fn midpoint(&self, lower: f64, upper: f64, side: Side) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, false) => upper,
            (false, true) => lower,
            (false, false) if self.custom => (lower + upper) / 2.0,
            (false, false) => {
                let geometric = (lower * upper).abs().sqrt();
                if side == Side::Positive { geometric } else { -geometric }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kymo_formats::histogram::Span;

    use super::*;

    #[test]
    fn a_count_that_is_no_number_is_no_change_as_long_as_its_bucket_stays() {
        let sample = FloatHistogram {
            count: f64::NAN,
            sum: 130.0,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![f64::NAN, 8.0],
            ..FloatHistogram::default()
        };
        let mut whole = sample.clone();
        trim(&mut whole, 2.0, Keep::Below);
        assert_eq!(whole.sum, 130.0);
        let mut part = sample;
        trim(&mut part, 1.5, Keep::Below);
        assert!(part.sum.is_nan());
    }
}
