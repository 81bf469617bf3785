//! Histograms with integer counts: counts and buckets as deltas of deltas, the sum as XOR.

use super::super::varbit::{read_signed, read_unsigned, signed_bits, unsigned_bits};
use super::super::xor_value::Window;
use super::form::{Coded, Last, Side, State, running};
use super::layout::Layout;
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter, Bits};
use crate::histogram::{Histogram, ResetHint, STALE_NAN_BITS};

/// See [`State`].
#[derive(Debug, Clone)]
pub(super) struct IntegerState {
    count: u64,
    count_delta: i64,
    zero_count: u64,
    zero_delta: i64,
    sum_bits: u64,
    sum_window: Window,
    positive: Vec<Bucket>,
    negative: Vec<Bucket>,
}

/// A bucket of the last histogram (itself a delta to its neighbour), and how it moved since the one before.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    value: i64,
    delta: i64,
}

impl Bucket {
    fn push(&mut self, value: i64, out: &mut BitWriter) {
        let delta = value.wrapping_sub(self.value);
        out.put(signed_bits(delta.wrapping_sub(self.delta)));
        *self = Self { value, delta };
    }

    fn read(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        self.delta = self.delta.wrapping_add(read_signed(reader, "histogram bucket")?);
        self.value = self.value.wrapping_add(self.delta);
        Ok(())
    }
}

impl State<Histogram> for IntegerState {
    fn begin(histogram: &Histogram, out: &mut BitWriter) -> Self {
        out.put(unsigned_bits(histogram.count));
        out.put(unsigned_bits(histogram.zero_count));
        out.put(Bits::low(histogram.sum.to_bits(), 64));
        let mut begin = |buckets: &[i64]| -> Vec<Bucket> {
            buckets
                .iter()
                .map(|&value| {
                    out.put(signed_bits(value));
                    Bucket { value, delta: 0 }
                })
                .collect()
        };
        Self {
            count: histogram.count,
            count_delta: 0,
            zero_count: histogram.zero_count,
            zero_delta: 0,
            sum_bits: histogram.sum.to_bits(),
            sum_window: Window::default(),
            positive: begin(&histogram.positive_buckets),
            negative: begin(&histogram.negative_buckets),
        }
    }

    fn push(&mut self, histogram: &Histogram, out: &mut BitWriter) {
        if histogram.is_stale() {
            // No counts, no buckets; and nothing but stale markers can follow.
            out.put(Bits::low(0, 2));
            out.put(self.sum_window.encode(self.sum_bits, STALE_NAN_BITS));
            self.sum_bits = STALE_NAN_BITS;
            return;
        }
        push_count(&mut self.count, &mut self.count_delta, histogram.count, out);
        push_count(&mut self.zero_count, &mut self.zero_delta, histogram.zero_count, out);
        let sum_bits = histogram.sum.to_bits();
        out.put(self.sum_window.encode(self.sum_bits, sum_bits));
        self.sum_bits = sum_bits;
        let positive = self.positive.iter_mut().zip(&histogram.positive_buckets);
        let negative = self.negative.iter_mut().zip(&histogram.negative_buckets);
        for (bucket, &value) in positive.chain(negative) {
            bucket.push(value, out);
        }
    }

    fn read_first(reader: &mut BitReader<'_>, positive: usize, negative: usize) -> Result<Self, DecodeError> {
        let count = read_unsigned(reader, "histogram count")?;
        let zero_count = read_unsigned(reader, "histogram zero count")?;
        let sum_bits = reader.read(64, "histogram sum")?;
        let mut read = |count: usize| -> Result<Vec<Bucket>, DecodeError> {
            (0..count)
                .map(|_| Ok(Bucket { value: read_signed(reader, "histogram bucket")?, delta: 0 }))
                .collect()
        };
        Ok(Self {
            count,
            count_delta: 0,
            zero_count,
            zero_delta: 0,
            sum_bits,
            sum_window: Window::default(),
            positive: read(positive)?,
            negative: read(negative)?,
        })
    }

    fn read_next(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        self.count_delta = self.count_delta.wrapping_add(read_signed(reader, "histogram count")?);
        self.count = self.count.wrapping_add_signed(self.count_delta);
        self.zero_delta = self.zero_delta.wrapping_add(read_signed(reader, "histogram zero count")?);
        self.zero_count = self.zero_count.wrapping_add_signed(self.zero_delta);
        self.sum_bits = self.sum_window.decode(reader, self.sum_bits)?;
        reader.check("histogram sum")?;
        if self.sum_bits == STALE_NAN_BITS {
            return Ok(());
        }
        self.positive.iter_mut().chain(&mut self.negative).try_for_each(|bucket| bucket.read(reader))
    }

    fn histogram(&self, layout: &Layout, reset_hint: ResetHint) -> Histogram {
        Histogram {
            reset_hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: f64::from_bits(self.sum_bits),
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            positive_buckets: self.positive.iter().map(|bucket| bucket.value).collect(),
            negative_buckets: self.negative.iter().map(|bucket| bucket.value).collect(),
            custom_values: layout.custom_values.clone(),
        }
    }
}

impl Last<Histogram> for IntegerState {
    fn sum_bits(&self) -> u64 {
        self.sum_bits
    }

    fn count_declines(&self, next: &Histogram) -> bool {
        next.count < self.count
    }

    fn zero_count_declines(&self, next: &Histogram) -> bool {
        next.zero_count < self.zero_count
    }

    fn bucket_counts(&self, side: Side) -> impl Iterator<Item = i64> {
        let buckets = match side {
            Side::Positive => &self.positive,
            Side::Negative => &self.negative,
        };
        running(buckets.iter().map(|bucket| bucket.value))
    }
}

impl Last<Self> for Histogram {
    fn sum_bits(&self) -> u64 {
        self.sum.to_bits()
    }

    fn count_declines(&self, next: &Self) -> bool {
        next.count < self.count
    }

    fn zero_count_declines(&self, next: &Self) -> bool {
        next.zero_count < self.zero_count
    }

    fn bucket_counts(&self, side: Side) -> impl Iterator<Item = i64> {
        <Self as Coded>::counts(match side {
            Side::Positive => &self.positive_buckets,
            Side::Negative => &self.negative_buckets,
        })
    }
}

fn push_count(count: &mut u64, delta: &mut i64, next: u64, out: &mut BitWriter) {
    let moved = next.wrapping_sub(*count).cast_signed();
    out.put(signed_bits(moved.wrapping_sub(*delta)));
    (*count, *delta) = (next, moved);
}
