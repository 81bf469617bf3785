//! What the native histograms of a series in one window amount to.

use std::sync::Arc;

use crate::histogram::{
    FloatHistogram, ResetHint,
    algebra::{HistogramSum, compact, is_compact, same_data},
    is_custom_schema,
};

/// What a run of native histograms of one series amounts to, without stale markers: enough for every function of PromQL
/// over a range that does not look at single samples. At least one sample.
///
/// Runs that follow each other can be put together ([`Self::append`]), in any grouping: count, ends, resets, changes and
/// traits are then what the samples have, and the sums but for the last bit. Layouts are brought to the coarsest that
/// occurs, as everywhere in PromQL; where zero buckets end inside buckets of others, which buckets they swallow depends
/// on the order, as it does there.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramRun {
    /// Number of samples.
    pub count: u32,
    /// Time of the first sample, milliseconds.
    pub first_ts: i64,
    /// Time of the last sample, milliseconds.
    pub last_ts: i64,
    /// The first state, without empty buckets.
    pub first: Arc<FloatHistogram>,
    /// The last state, without empty buckets.
    pub last: Arc<FloatHistogram>,
    /// All states; none where their layouts have nothing in common, or where it was not read.
    pub sum: Option<HistogramSum>,
    /// The states before resets, but for the first one: what a counter would have more, had it not been reset. None if
    /// there are none.
    ///
    /// The first state is not in it even where it was reset ([`Self::first_reset`]): then nothing of it is left in the
    /// increase, so that its layout must not be in the way.
    pub correction: Option<HistogramSum>,
    /// Whether the second state is a reset of the first.
    pub first_reset: bool,
    /// How many states are resets of the one before.
    pub resets: u32,
    /// How many states hold other data than the one before.
    pub changes: u32,
    /// What else is to be known of the states.
    pub traits: Traits,
}

/// Facts about the histograms of a run, as a set of bits that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traits(u8);

impl Traits {
    /// Some have no hint about resets.
    pub const UNKNOWN: Self = Self(1);
    /// Some say that they are a reset.
    pub const RESET: Self = Self(1 << 1);
    /// Some say that they are not.
    pub const NOT_RESET: Self = Self(1 << 2);
    /// Some are gauges.
    pub const GAUGE: Self = Self(1 << 3);
    /// Custom bounds differ.
    pub const BOUNDS_DIFFER: Self = Self(1 << 4);
    /// Custom bounds of the states in the correction differ.
    pub const CORRECTION_BOUNDS_DIFFER: Self = Self(1 << 5);
    /// Exponential and custom buckets occur: there is no sum.
    pub const MIXED: Self = Self(1 << 6);
    /// They do without the first state, too: there is no correction.
    pub const REST_MIXED: Self = Self(1 << 7);

    /// The set of these bits.
    #[must_use]
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The hint of a histogram.
    #[must_use]
    pub const fn of_hint(hint: ResetHint) -> Self {
        match hint {
            ResetHint::Unknown => Self::UNKNOWN,
            ResetHint::Reset => Self::RESET,
            ResetHint::NotReset => Self::NOT_RESET,
            ResetHint::Gauge => Self::GAUGE,
        }
    }

    /// The hint that the sum of histograms with these hints has.
    #[must_use]
    pub const fn hint(self) -> ResetHint {
        const HINTS: u8 = 0b1111;
        match self.0 & HINTS {
            hints if hints & Self::GAUGE.0 != 0 => ResetHint::Gauge,
            hints if hints == Self::RESET.0 => ResetHint::Reset,
            hints if hints == Self::NOT_RESET.0 => ResetHint::NotReset,
            _ => ResetHint::Unknown,
        }
    }

    const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    const fn set(&mut self, other: Self, is_set: bool) {
        self.0 = if is_set { self.0 | other.0 } else { self.0 & !other.0 };
    }
}

impl HistogramRun {
    /// A run of one sample.
    #[must_use]
    pub fn of(ts: i64, state: &Arc<FloatHistogram>) -> Self {
        let state = apart(state);
        Self {
            count: 1,
            first_ts: ts,
            last_ts: ts,
            sum: Some(HistogramSum::new(&state)),
            correction: None,
            first_reset: false,
            resets: 0,
            changes: 0,
            traits: Traits::of_hint(state.reset_hint),
            first: Arc::clone(&state),
            last: state,
        }
    }

    /// About the memory that it takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        // Sums have as many buckets as any of the ends, or more, and twice the width.
        let ends = self.first.size_bytes() + self.last.size_bytes();
        let sums = usize::from(self.sum.is_some()) + usize::from(self.correction.is_some());
        size_of::<Self>() + ends + sums * ends
    }

    /// Appends a sample, which must be later than those of the run.
    pub fn push(&mut self, ts: i64, state: &Arc<FloatHistogram>) {
        debug_assert!(self.last_ts < ts, "samples come in the order of time");
        let state = apart(state);
        self.join(&state, Traits::default());
        if let Some(sum) = &mut self.sum {
            // Layouts that have nothing in common are a trait, and then there is no sum.
            let _combined = sum.add(&state);
        }
        self.traits.add(Traits::of_hint(state.reset_hint));
        self.count = self.count.saturating_add(1);
        (self.last_ts, self.last) = (ts, state);
    }

    /// Appends the samples of a run that must be later.
    pub fn append(&mut self, next: &Self) {
        debug_assert!(self.last_ts < next.first_ts, "runs are put together in the order of time");
        self.join(&next.first, next.traits);
        if next.first_reset {
            self.correct(&next.first);
        }
        if let Some(correction) = &next.correction {
            self.correct(&correction.total());
        }
        match (&mut self.sum, &next.sum) {
            (Some(sum), Some(next)) => drop(sum.add(&next.total())),
            _ => self.sum = None,
        }
        let mut others = next.traits;
        others.set(Traits::REST_MIXED, false);
        self.traits.add(others);
        self.drop_mixed_correction();
        self.resets = self.resets.saturating_add(next.resets);
        self.changes = self.changes.saturating_add(next.changes);
        self.count = self.count.saturating_add(next.count);
        (self.last_ts, self.last) = (next.last_ts, Arc::clone(&next.last));
    }

    /// Counts what happens between the last state and `next`, of whose run `others` are the traits.
    fn join(&mut self, next: &FloatHistogram, others: Traits) {
        let is_reset = next.detect_reset(&self.last);
        self.resets = self.resets.saturating_add(u32::from(is_reset));
        self.changes = self.changes.saturating_add(u32::from(!same_data(next, &self.last)));
        let mixes = others.contains(Traits::MIXED)
            || is_custom_schema(next.schema) != is_custom_schema(self.last.schema);
        self.traits.set(Traits::BOUNDS_DIFFER, {
            self.traits.contains(Traits::BOUNDS_DIFFER) || next.custom_values != self.last.custom_values
        });
        if self.count == 1 {
            self.first_reset = is_reset;
            self.traits.set(Traits::REST_MIXED, others.contains(Traits::MIXED));
        } else if mixes {
            self.traits.add(Traits::REST_MIXED);
        }
        if mixes {
            self.traits.add(Traits::MIXED);
            self.sum = None;
        }
        if is_reset && self.count > 1 {
            let last = Arc::clone(&self.last);
            self.correct(&last);
        }
        self.drop_mixed_correction();
    }

    /// Where there can be no correction nothing is said of it.
    fn drop_mixed_correction(&mut self) {
        if self.traits.contains(Traits::REST_MIXED) {
            self.correction = None;
            self.traits.set(Traits::CORRECTION_BOUNDS_DIFFER, false);
        }
    }

    /// Adds what was before resets to the correction, unless there can be none.
    fn correct(&mut self, before: &FloatHistogram) {
        if self.traits.contains(Traits::REST_MIXED) {
            return;
        }
        let Some(correction) = &mut self.correction else {
            self.correction = Some(HistogramSum::new(before));
            return;
        };
        if correction.add(before).is_ok_and(|combined| combined.bounds_reconciled) {
            self.traits.add(Traits::CORRECTION_BOUNDS_DIFFER);
        }
    }
}

/// The histogram without what depends on the chunk that it was in: empty buckets, and that it is no reset, which is said
/// of all but the first of a chunk and is found out by comparing as well. So rows are the same whenever they are made.
fn apart(histogram: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    let is_hinted = histogram.reset_hint == ResetHint::NotReset;
    if !is_hinted && is_compact(histogram, 0) {
        return Arc::clone(histogram);
    }
    let mut apart = FloatHistogram::clone(histogram);
    if is_hinted {
        apart.reset_hint = ResetHint::Unknown;
    }
    compact(&mut apart, 0);
    Arc::new(apart)
}
