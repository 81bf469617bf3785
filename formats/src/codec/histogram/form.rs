//! The two forms of a histogram behind one trait, so that chunks of both are appended to and read by the same code.

use std::fmt;

use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use crate::histogram::{FloatHistogram, Histogram, ResetHint, STALE_NAN_BITS, Span};

use super::columns::Cell;
use super::float::FloatState;
use super::integer::IntegerState;
use super::layout::Layout;

/// The fields that both forms have, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a, B> {
    pub(super) reset_hint: ResetHint,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) sum: f64,
    pub(super) positive_spans: &'a [Span],
    pub(super) negative_spans: &'a [Span],
    pub(super) positive_buckets: &'a [B],
    pub(super) negative_buckets: &'a [B],
    pub(super) custom_values: &'a [f64],
}

/// A form of native histogram that chunks hold: [`Histogram`] or [`FloatHistogram`].
#[expect(private_bounds, reason = "sealed: the coding is of no use outside")]
pub trait Form: Coded {}

impl Form for Histogram {}
impl Form for FloatHistogram {}

/// How a form is taken apart and coded.
pub(super) trait Coded: Last<Self> + Clone + Default + fmt::Debug {
    /// A bucket as the form keeps it.
    type Bucket: Copy + fmt::Debug;
    /// The absolute count of a bucket.
    type Count: Cell + PartialOrd + fmt::Debug;
    /// The coder's state after a histogram.
    type State: State<Self>;
    /// Whether a chunk that is cut with no reset detected says "no reset" in its header. Upstream's integer chunks
    /// do and its float chunks leave it open.
    const CUT_KEEPS_NOT_RESET: bool;
    /// The fewest bits a bucket of a chunk's first histogram takes.
    const BUCKET_BITS_MIN: usize;
    /// The form in columns; on disk.
    const NUMBER: u8;

    /// The fields that both forms have.
    fn parts(&self) -> Parts<'_, Self::Bucket>;
    /// Replaces spans and buckets of one side.
    fn set_buckets(&mut self, side: Side, spans: Vec<Span>, buckets: Vec<Self::Bucket>);
    /// A histogram that is nothing but a sum: a stale marker.
    fn stale(sum: f64) -> Self;
    /// A histogram of `layout` without counts.
    fn of_layout(layout: &Layout, reset_hint: ResetHint) -> Self;
    /// Count and zero count.
    fn totals(&self) -> (Self::Count, Self::Count);
    /// Replaces count, zero count and sum.
    fn set_totals(&mut self, count: Self::Count, zero_count: Self::Count, sum: f64);
    /// Replaces the buckets of one side, given their absolute counts.
    fn set_counts(&mut self, side: Side, counts: impl Iterator<Item = Self::Count>);
    /// The absolute counts of `buckets`.
    fn counts(buckets: &[Self::Bucket]) -> impl Iterator<Item = Self::Count>;
    /// The inverse of [`Coded::counts`].
    fn buckets(counts: impl Iterator<Item = Self::Count>) -> Vec<Self::Bucket>;
    /// Merges buckets until the schema is one that can be computed with.
    fn reduce_reserved_schema(&mut self) -> Result<(), crate::histogram::HistogramError>;

    /// Whether the sum is the stale marker.
    fn is_stale(&self) -> bool {
        self.parts().sum.to_bits() == STALE_NAN_BITS
    }
}

/// The side of zero that buckets are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Positive,
    Negative,
}

/// The state behind the last histogram of a chunk, the same for the one who writes and the one who reads.
pub(super) trait State<H: Coded>: Last<H> + Clone + fmt::Debug {
    /// Writes the first histogram of a chunk.
    fn begin(histogram: &H, out: &mut BitWriter) -> Self;
    /// Writes the next one.
    fn push(&mut self, histogram: &H, out: &mut BitWriter);
    /// Reads the first histogram, which has as many buckets as said, all of them known to fit what is left.
    fn read_first(reader: &mut BitReader<'_>, positive: usize, negative: usize) -> Result<Self, DecodeError>;
    /// Reads the next one.
    fn read_next(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError>;
    /// The histogram as a value; not for a stale one.
    fn histogram(&self, layout: &Layout, reset_hint: ResetHint) -> H;
}

/// What of the last histogram decides about the next one.
pub(super) trait Last<H: Coded> {
    /// Bits of the sum.
    fn sum_bits(&self) -> u64;
    /// Whether `next` has fewer observations.
    fn count_declines(&self, next: &H) -> bool;
    /// Whether `next` has fewer observations in the zero bucket.
    fn zero_count_declines(&self, next: &H) -> bool;
    /// Absolute counts of the buckets of one side.
    fn bucket_counts(&self, side: Side) -> impl Iterator<Item = H::Count>;
}

impl Coded for Histogram {
    type Bucket = i64;
    type Count = i64;
    type State = IntegerState;
    const CUT_KEEPS_NOT_RESET: bool = true;
    const BUCKET_BITS_MIN: usize = 1;
    const NUMBER: u8 = 0;

    fn parts(&self) -> Parts<'_, i64> {
        Parts {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: &self.positive_spans,
            negative_spans: &self.negative_spans,
            positive_buckets: &self.positive_buckets,
            negative_buckets: &self.negative_buckets,
            custom_values: &self.custom_values,
        }
    }

    fn set_buckets(&mut self, side: Side, spans: Vec<Span>, buckets: Vec<i64>) {
        match side {
            Side::Positive => (self.positive_spans, self.positive_buckets) = (spans, buckets),
            Side::Negative => (self.negative_spans, self.negative_buckets) = (spans, buckets),
        }
    }

    fn stale(sum: f64) -> Self {
        Self { sum, ..Self::default() }
    }

    fn of_layout(layout: &Layout, reset_hint: ResetHint) -> Self {
        Self {
            reset_hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            custom_values: layout.custom_values.clone(),
            ..Self::default()
        }
    }

    fn totals(&self) -> (i64, i64) {
        (self.count.cast_signed(), self.zero_count.cast_signed())
    }

    fn set_totals(&mut self, count: i64, zero_count: i64, sum: f64) {
        (self.count, self.zero_count, self.sum) = (count.cast_unsigned(), zero_count.cast_unsigned(), sum);
    }

    fn set_counts(&mut self, side: Side, counts: impl Iterator<Item = i64>) {
        let buckets = Self::buckets(counts);
        match side {
            Side::Positive => self.positive_buckets = buckets,
            Side::Negative => self.negative_buckets = buckets,
        }
    }

    fn counts(buckets: &[i64]) -> impl Iterator<Item = i64> {
        running(buckets.iter().copied())
    }

    fn buckets(counts: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut previous = 0_i64;
        counts.map(|count| count.wrapping_sub(std::mem::replace(&mut previous, count))).collect()
    }

    fn reduce_reserved_schema(&mut self) -> Result<(), crate::histogram::HistogramError> {
        self.reduce_reserved_schema()
    }
}

impl Coded for FloatHistogram {
    type Bucket = f64;
    type Count = f64;
    type State = FloatState;
    const CUT_KEEPS_NOT_RESET: bool = false;
    const BUCKET_BITS_MIN: usize = 64;
    const NUMBER: u8 = 1;

    fn parts(&self) -> Parts<'_, f64> {
        Parts {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: &self.positive_spans,
            negative_spans: &self.negative_spans,
            positive_buckets: &self.positive_buckets,
            negative_buckets: &self.negative_buckets,
            custom_values: &self.custom_values,
        }
    }

    fn set_buckets(&mut self, side: Side, spans: Vec<Span>, buckets: Vec<f64>) {
        match side {
            Side::Positive => (self.positive_spans, self.positive_buckets) = (spans, buckets),
            Side::Negative => (self.negative_spans, self.negative_buckets) = (spans, buckets),
        }
    }

    fn stale(sum: f64) -> Self {
        Self { sum, ..Self::default() }
    }

    fn of_layout(layout: &Layout, reset_hint: ResetHint) -> Self {
        Self {
            reset_hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            custom_values: layout.custom_values.clone(),
            ..Self::default()
        }
    }

    fn totals(&self) -> (f64, f64) {
        (self.count, self.zero_count)
    }

    fn set_totals(&mut self, count: f64, zero_count: f64, sum: f64) {
        (self.count, self.zero_count, self.sum) = (count, zero_count, sum);
    }

    fn set_counts(&mut self, side: Side, counts: impl Iterator<Item = f64>) {
        let buckets = Self::buckets(counts);
        match side {
            Side::Positive => self.positive_buckets = buckets,
            Side::Negative => self.negative_buckets = buckets,
        }
    }

    fn counts(buckets: &[f64]) -> impl Iterator<Item = f64> {
        buckets.iter().copied()
    }

    fn buckets(counts: impl Iterator<Item = f64>) -> Vec<f64> {
        counts.collect()
    }

    fn reduce_reserved_schema(&mut self) -> Result<(), crate::histogram::HistogramError> {
        self.reduce_reserved_schema()
    }
}

/// The running sums of `deltas`; wrapping, since bytes of others may hold anything.
pub(super) fn running(deltas: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    deltas.scan(0_i64, |count, delta| {
        *count = count.wrapping_add(delta);
        Some(*count)
    })
}
