//! What a bucket's count is kept in while histograms are added up.

use super::kahan::Kahan;

/// A running count: plain, or with compensation for rounding. The same algorithms work on both.
pub(super) trait Cell: Copy + Default {
    /// A count without a rounding error.
    fn new(count: f64) -> Self;
    /// The count as rounded so far.
    fn count(self) -> f64;
    /// Adds another cell.
    fn merge(&mut self, other: Self);
    /// Multiplies by -1.
    fn negated(self) -> Self;
}

impl Cell for f64 {
    fn new(count: f64) -> Self {
        count
    }

    fn count(self) -> f64 {
        self
    }

    fn merge(&mut self, other: Self) {
        *self += other;
    }

    fn negated(self) -> Self {
        -self
    }
}

impl Cell for Kahan {
    fn new(count: f64) -> Self {
        Self::new(count)
    }

    fn count(self) -> f64 {
        self.sum
    }

    fn merge(&mut self, other: Self) {
        self.add(other.sum);
        if other.compensation != 0.0 {
            self.add(other.compensation);
        }
    }

    fn negated(self) -> Self {
        Self { sum: -self.sum, compensation: -self.compensation }
    }
}
