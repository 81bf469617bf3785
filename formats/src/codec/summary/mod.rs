//! What a chunk of floats amounts to, so that a window that contains all of it needs not decode it.
//!
//! * `coding`: a summary as bytes
//! * `number`: a float as a decimal integer, which is mostly shorter
//!
//! A summary tells of the samples that PromQL's functions over ranges see: stale markers are left out. Everything in
//! it is exact, bit for bit, but the sum, which is rounded once. A chunk has none where it could mislead:
//!
//! * when a value is NaN or infinite: neither adds up, and NaN loses against any number without being one;
//! * when a value is as large as [`MAGNITUDE_MAX`]: whether a sum overflows depends on the order of its terms;
//! * when all samples are stale markers;
//! * when it holds native histograms.
//!
//! Start timestamps are not covered: what asks for them has to decode the chunk.

mod coding;
mod number;
#[cfg(test)]
mod tests;

use crate::{histogram::STALE_NAN_BITS, rollup::FloatRun};

pub use coding::{decode, encode, skip};

/// Of so many resets at most the values before them are kept: a counter seldom has more, and for a gauge they mean
/// nothing.
pub const LISTED_RESETS_MAX: usize = 4;

/// No value is as large as this, 2^880. A chunk that is summed before others then cannot be what makes a sum overflow:
/// its sum is below half of the last bit of the largest float.
pub const MAGNITUDE_MAX: f64 = f64::from_bits((1023 + 880) << 52);

/// What a chunk of floats amounts to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChunkSummary {
    /// Number of samples without stale markers; at least 1.
    pub count: u32,
    /// Time of the first of them, milliseconds.
    pub first_ts: i64,
    /// Time of the last of them, milliseconds.
    pub last_ts: i64,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The smallest value; of equal ones (-0.0 and 0.0) the first.
    pub min: f64,
    /// The largest value; of equal ones the first.
    pub max: f64,
    /// The sum of all values, rounded once.
    pub sum: f64,
    /// How many values are smaller than the one before.
    pub resets: u32,
    /// How many values are not equal to the one before.
    pub changes: u32,
    /// The values before the resets, then zeros; only zeros if there are too many resets.
    before_resets: [f64; LISTED_RESETS_MAX],
    /// What the values before all resets add up to, where it is known without them: in a summary that comes from rollups.
    correction: Option<f64>,
}

impl ChunkSummary {
    /// The summary of a run of floats that was read from rollups; `sum` is what stands for its sum.
    #[must_use]
    pub fn of_run(run: &FloatRun, sum: f64) -> Self {
        Self {
            count: run.count,
            first_ts: run.first_ts,
            last_ts: run.last_ts,
            first: run.first,
            last: run.last,
            min: run.min,
            max: run.max,
            sum,
            resets: run.resets,
            changes: run.changes,
            before_resets: [0.0; LISTED_RESETS_MAX],
            correction: Some(run.correction.total()),
        }
    }

    /// What the values before all resets add up to, in a summary that comes from rollups.
    #[must_use]
    pub const fn correction(&self) -> Option<f64> {
        self.correction
    }

    /// The summary of these samples, if they have one: see the module.
    #[must_use]
    pub fn of(ts: &[i64], values: &[f64]) -> Option<Self> {
        let samples = ts.iter().copied().zip(values.iter().copied());
        let mut samples = samples.filter(|(_, value)| value.to_bits() != STALE_NAN_BITS);
        let (ts, value) = samples.next()?;
        let mut run = Run::start(ts, value)?;
        for (ts, value) in samples {
            run.add(ts, value)?;
        }
        Some(run.finish())
    }

    /// The values before the resets in order, if all of them are known.
    #[must_use]
    pub fn before_resets(&self) -> Option<&[f64]> {
        if self.correction.is_some() {
            return None;
        }
        self.before_resets.get(..self.resets as usize)
    }

    /// Whether all facts are the same, bit for bit.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let floats = |summary: &Self| {
            let Self { first, last, min, max, sum, before_resets: [a, b, c, d], .. } = *summary;
            [first, last, min, max, sum, a, b, c, d].map(f64::to_bits)
        };
        // Equal but for zeros of another sign: those are told apart by their bits.
        self == other && floats(self) == floats(other)
    }
}

/// A summary that is being made. The sum is that of Kahan in Neumaier's form, as PromQL's is.
struct Run {
    summary: ChunkSummary,
    sum: f64,
    compensation: f64,
}

impl Run {
    fn start(ts: i64, value: f64) -> Option<Self> {
        let summary = ChunkSummary {
            count: 1,
            first_ts: ts,
            last_ts: ts,
            first: value,
            last: value,
            min: value,
            max: value,
            sum: 0.0,
            resets: 0,
            changes: 0,
            before_resets: [0.0; LISTED_RESETS_MAX],
            correction: None,
        };
        is_summable(value).then_some(Self { summary, sum: value, compensation: 0.0 })
    }

    /// Adds the next sample; `None` when there is no summary with it.
    fn add(&mut self, ts: i64, value: f64) -> Option<()> {
        if !is_summable(value) {
            return None;
        }
        let summary = &mut self.summary;
        if value < summary.last {
            if let Some(before) = summary.before_resets.get_mut(summary.resets as usize) {
                *before = summary.last;
            }
            summary.resets += 1;
        }
        summary.changes += u32::from(value != summary.last);
        if value < summary.min {
            summary.min = value;
        }
        if value > summary.max {
            summary.max = value;
        }
        summary.count = summary.count.checked_add(1)?;
        (summary.last_ts, summary.last) = (ts, value);
        let total = self.sum + value;
        self.compensation += if self.sum.abs() >= value.abs() {
            (self.sum - total) + value
        } else {
            (value - total) + self.sum
        };
        self.sum = total;
        Some(())
    }

    fn finish(self) -> ChunkSummary {
        let mut summary = ChunkSummary { sum: self.sum + self.compensation, ..self.summary };
        if summary.before_resets().is_none() {
            summary.before_resets = [0.0; LISTED_RESETS_MAX];
        }
        summary
    }
}

/// Whether the value may be part of a summary. NaN is not below anything.
fn is_summable(value: f64) -> bool {
    value.abs() < MAGNITUDE_MAX
}
