//! Compensated summation (Kahan-Babuska, Neumaier's form), as upstream sums.

/// A running sum and what rounding took from it.
///
/// The two are kept apart until the end because upstream does: some results use only the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Kahan {
    /// The sum as rounded so far.
    pub sum: f64,
    /// What must be added to the sum to undo its rounding.
    pub compensation: f64,
}

impl Kahan {
    /// A sum that starts at `sum` without an error.
    #[must_use]
    pub const fn new(sum: f64) -> Self {
        Self { sum, compensation: 0.0 }
    }

    /// Adds `value`. Once the sum is infinite the compensation is meaningless and stays zero.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.compensation += (self.sum - total) + value;
        } else {
            self.compensation += (value - total) + self.sum;
        }
        self.sum = total;
    }

    /// The compensated sum.
    #[must_use]
    pub fn total(self) -> f64 {
        self.sum + self.compensation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Kahan {
        let mut sum = Kahan::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    #[test]
    fn small_terms_survive_a_large_one() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]).total(), 2.0);
    }

    #[test]
    fn an_overflow_is_infinite_and_not_nan() {
        let sum = sum(&[f64::MAX, f64::MAX, 1.0]);
        assert_eq!((sum.sum, sum.compensation), (f64::INFINITY, 0.0));
    }

    #[test]
    fn nan_stays() {
        assert!(sum(&[1.0, f64::NAN, 2.0]).total().is_nan());
    }
}
