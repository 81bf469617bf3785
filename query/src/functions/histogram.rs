//! Facts about native histograms.

use kymo_formats::histogram::FloatHistogram;

use crate::histogram::{Bucket, Kahan, Order, buckets, is_custom};

/// `histogram_count(v)`
pub(super) fn count(histogram: &FloatHistogram) -> f64 {
    histogram.count
}

/// `histogram_sum(v)`
pub(super) fn sum(histogram: &FloatHistogram) -> f64 {
    histogram.sum
}

/// `histogram_avg(v)`
pub(super) fn avg(histogram: &FloatHistogram) -> f64 {
    histogram.sum / histogram.count
}

/// `histogram_stddev(v)`
pub(super) fn stddev(histogram: &FloatHistogram) -> f64 {
    stdvar(histogram).sqrt()
}

/// `histogram_stdvar(v)`: every bucket counts with one value that stands for its observations.
pub(super) fn stdvar(histogram: &FloatHistogram) -> f64 {
    let mean = avg(histogram);
    let mut squares = Kahan::default();
    for bucket in buckets(histogram, Order::Ascending).filter(|bucket| bucket.count != 0.0) {
        let delta = typical_value(&bucket, is_custom(histogram.schema)) - mean;
        squares.add(bucket.count * delta * delta);
    }
    squares.total() / histogram.count
}

/// The arithmetic mean of custom bounds, the geometric mean of exponential ones, zero for the zero bucket.
fn typical_value(bucket: &Bucket, custom: bool) -> f64 {
    if custom {
        return (bucket.upper + bucket.lower) / 2.0;
    }
    if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
        return 0.0;
    }
    let magnitude = (bucket.upper * bucket.lower).sqrt();
    if bucket.upper < 0.0 { -magnitude } else { magnitude }
}
