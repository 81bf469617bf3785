//! Sums that do not lose what is small beside what is large.

/// A sum of floats with its compensation: that of Kahan in Neumaier's form, as PromQL's sums are.
///
/// Sums of parts add up to the sum of the whole but for a last bit of the compensation, so that it hardly matters how
/// a row of windows was put together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// The sum of one value, or one that was rounded before.
    #[must_use]
    pub const fn of(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let total = self.high + value;
        self.low += if self.high.abs() >= value.abs() {
            (self.high - total) + value
        } else {
            (value - total) + self.high
        };
        self.high = total;
    }

    /// Adds all that `other` is the sum of.
    #[inline]
    pub fn append(&mut self, other: &Self) {
        self.add(other.high);
        self.low += other.low;
    }

    /// The sum, rounded once. An infinite one has no compensation that means something.
    #[must_use]
    pub fn total(&self) -> f64 {
        if self.high.is_infinite() { self.high } else { self.high + self.low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_not_lost_beside_large_ones() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.total(), 2.0);
    }

    #[test]
    fn infinity_stays() {
        let mut sum = Sum::of(1.0);
        sum.add(f64::INFINITY);
        sum.add(2.0);
        assert_eq!(sum.total(), f64::INFINITY);
        sum.append(&Sum::of(f64::NEG_INFINITY));
        assert!(sum.total().is_nan());
    }
}
