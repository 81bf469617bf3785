//! What the floats of a series in one window amount to.

use super::Sum;

/// What a run of floats of one series amounts to, without stale markers: enough for every function of PromQL over a
/// range that does not look at single samples. At least one sample.
///
/// Runs that follow each other can be put together ([`Self::append`]): the whole has then the same count, ends,
/// extremes, resets and changes, bit for bit, as if it had been made from the samples, and the same sums but for the
/// last bit of a compensated sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatRun {
    /// Number of samples.
    pub count: u32,
    /// Time of the first sample, milliseconds.
    pub first_ts: i64,
    /// Time of the last sample, milliseconds.
    pub last_ts: i64,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The smallest value; NaN only if all are.
    pub min: f64,
    /// The largest value; NaN only if all are.
    pub max: f64,
    /// All values; none where a part was read from a table that does not keep it.
    pub sum: Option<Sum>,
    /// The values before resets: what a counter would have more, had it not been reset.
    pub correction: Sum,
    /// How many values are smaller than the one before.
    pub resets: u32,
    /// How many values are not equal to the one before. NaN is equal to NaN here.
    pub changes: u32,
}

impl FloatRun {
    /// A run of one sample.
    #[inline]
    #[must_use]
    pub const fn of(ts: i64, value: f64) -> Self {
        Self {
            count: 1,
            first_ts: ts,
            last_ts: ts,
            first: value,
            last: value,
            min: value,
            max: value,
            sum: Some(Sum::of(value)),
            correction: Sum::of(0.0),
            resets: 0,
            changes: 0,
        }
    }

    /// Appends a sample, which must be later than those of the run.
    #[inline]
    pub fn push(&mut self, ts: i64, value: f64) {
        self.append(&Self::of(ts, value));
    }

    /// Appends the samples of a run that must be later.
    #[inline]
    pub fn append(&mut self, next: &Self) {
        debug_assert!(self.last_ts < next.first_ts, "runs are put together in the order of time");
        if next.first < self.last {
            self.resets = self.resets.saturating_add(1);
            self.correction.add(self.last);
        }
        let changed = next.first != self.last && !(next.first.is_nan() && self.last.is_nan());
        self.changes = self.changes.saturating_add(u32::from(changed)).saturating_add(next.changes);
        self.resets = self.resets.saturating_add(next.resets);
        if next.resets > 0 {
            self.correction.append(&next.correction);
        }
        if next.min < self.min || self.min.is_nan() {
            self.min = next.min;
        }
        if next.max > self.max || self.max.is_nan() {
            self.max = next.max;
        }
        match (&mut self.sum, &next.sum) {
            (Some(sum), Some(next)) => sum.append(next),
            _ => self.sum = None,
        }
        self.count = self.count.saturating_add(next.count);
        (self.last_ts, self.last) = (next.last_ts, next.last);
    }

    /// The run without its sum, which of a counter nobody asks for, if it is that of a counter which was not reset. What
    /// is only said to be a counter, and goes down, keeps it.
    #[must_use]
    pub fn lean(self, is_counter: bool) -> Self {
        let left_out = is_counter && self.resets == 0 && self.ends_are_extremes();
        Self { sum: self.sum.filter(|_| !left_out), ..self }
    }

    /// Whether nothing is lost if smallest and largest value are not kept: they are the first and the last one. So it
    /// is of a counter that was not reset.
    #[must_use]
    pub fn ends_are_extremes(&self) -> bool {
        self.min.to_bits() == self.first.to_bits() && self.max.to_bits() == self.last.to_bits()
    }
}
