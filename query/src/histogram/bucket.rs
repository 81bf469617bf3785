//! One bucket with its bounds.

use std::fmt;

use crate::exec::format::format_g;

/// A bucket of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether observations equal to the lower bound are in the bucket.
    pub lower_inclusive: bool,
    /// Whether observations equal to the upper bound are in the bucket.
    pub upper_inclusive: bool,
    /// Observations in the bucket.
    pub count: f64,
}

/// How observations are taken to be spread over a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Evenly: custom buckets and the zero bucket.
    Linear,
    /// Evenly on a logarithmic scale: exponential buckets.
    Exponential,
}

impl Bucket {
    /// Share of the bucket's observations at or below `value`, which must lie strictly between two finite
    /// bounds.
    pub(crate) fn fraction_below(&self, value: f64, spread: Spread) -> f64 {
        if spread == Spread::Linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let lower = self.lower.abs().log2();
        let upper = self.upper.abs().log2();
        let value_log = value.abs().log2();
        if value > 0.0 {
            (value_log - lower) / (upper - lower)
        } else {
            1.0 - (value_log - upper) / (lower - upper)
        }
    }
}

/// In interval notation with the count: `(1,2]:3`.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let (lower, upper, count) = (format_g(self.lower), format_g(self.upper), format_g(self.count));
        write!(f, "{open}{lower},{upper}{close}:{count}")
    }
}
