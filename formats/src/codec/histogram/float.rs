//! Histograms with float counts: every count and bucket as XOR with its predecessor in time.

use super::super::xor_value::Window;
use super::form::{Coded, Last, Side, State};
use super::layout::Layout;
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter, Bits};
use crate::histogram::{FloatHistogram, ResetHint, STALE_NAN_BITS};

/// See [`State`].
#[derive(Debug, Clone)]
pub(super) struct FloatState {
    count: Field,
    zero_count: Field,
    sum: Field,
    positive: Vec<Field>,
    negative: Vec<Field>,
}

/// One float of the last histogram.
#[derive(Debug, Clone, Copy)]
struct Field {
    bits: u64,
    window: Window,
}

impl Field {
    fn begin(value: f64, out: &mut BitWriter) -> Self {
        out.put(Bits::low(value.to_bits(), 64));
        Self { bits: value.to_bits(), window: Window::default() }
    }

    fn push(&mut self, value: f64, out: &mut BitWriter) {
        out.put(self.window.encode(self.bits, value.to_bits()));
        self.bits = value.to_bits();
    }

    fn read_first(reader: &mut BitReader<'_>, what: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { bits: reader.read(64, what)?, window: Window::default() })
    }

    fn read_next(&mut self, reader: &mut BitReader<'_>, what: &'static str) -> Result<(), DecodeError> {
        self.bits = self.window.decode(reader, self.bits)?;
        reader.check(what)
    }

    const fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}

impl State<FloatHistogram> for FloatState {
    fn begin(histogram: &FloatHistogram, out: &mut BitWriter) -> Self {
        Self {
            count: Field::begin(histogram.count, out),
            zero_count: Field::begin(histogram.zero_count, out),
            sum: Field::begin(histogram.sum, out),
            positive: histogram.positive_buckets.iter().map(|&value| Field::begin(value, out)).collect(),
            negative: histogram.negative_buckets.iter().map(|&value| Field::begin(value, out)).collect(),
        }
    }

    fn push(&mut self, histogram: &FloatHistogram, out: &mut BitWriter) {
        if histogram.is_stale() {
            self.count.push(0.0, out);
            self.zero_count.push(0.0, out);
            self.sum.push(histogram.sum, out);
            return;
        }
        self.count.push(histogram.count, out);
        self.zero_count.push(histogram.zero_count, out);
        self.sum.push(histogram.sum, out);
        let positive = self.positive.iter_mut().zip(&histogram.positive_buckets);
        let negative = self.negative.iter_mut().zip(&histogram.negative_buckets);
        for (bucket, &value) in positive.chain(negative) {
            bucket.push(value, out);
        }
    }

    fn read_first(reader: &mut BitReader<'_>, positive: usize, negative: usize) -> Result<Self, DecodeError> {
        Ok(Self {
            count: Field::read_first(reader, "histogram count")?,
            zero_count: Field::read_first(reader, "histogram zero count")?,
            sum: Field::read_first(reader, "histogram sum")?,
            positive: (0..positive)
                .map(|_| Field::read_first(reader, "histogram bucket"))
                .collect::<Result<_, _>>()?,
            negative: (0..negative)
                .map(|_| Field::read_first(reader, "histogram bucket"))
                .collect::<Result<_, _>>()?,
        })
    }

    fn read_next(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        self.count.read_next(reader, "histogram count")?;
        self.zero_count.read_next(reader, "histogram zero count")?;
        self.sum.read_next(reader, "histogram sum")?;
        if self.sum.bits == STALE_NAN_BITS {
            return Ok(());
        }
        let mut buckets = self.positive.iter_mut().chain(&mut self.negative);
        buckets.try_for_each(|bucket| bucket.read_next(reader, "histogram bucket"))
    }

    fn histogram(&self, layout: &Layout, reset_hint: ResetHint) -> FloatHistogram {
        FloatHistogram {
            reset_hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: self.zero_count.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            positive_buckets: self.positive.iter().map(Field::value).collect(),
            negative_buckets: self.negative.iter().map(Field::value).collect(),
            custom_values: layout.custom_values.clone(),
        }
    }
}

impl Last<FloatHistogram> for FloatState {
    fn sum_bits(&self) -> u64 {
        self.sum.bits
    }

    fn count_declines(&self, next: &FloatHistogram) -> bool {
        next.count < self.count.value()
    }

    fn zero_count_declines(&self, next: &FloatHistogram) -> bool {
        next.zero_count < self.zero_count.value()
    }

    fn bucket_counts(&self, side: Side) -> impl Iterator<Item = f64> {
        let buckets = match side {
            Side::Positive => &self.positive,
            Side::Negative => &self.negative,
        };
        buckets.iter().map(Field::value)
    }
}

impl Last<Self> for FloatHistogram {
    fn sum_bits(&self) -> u64 {
        self.sum.to_bits()
    }

    fn count_declines(&self, next: &Self) -> bool {
        next.count < self.count
    }

    fn zero_count_declines(&self, next: &Self) -> bool {
        next.zero_count < self.zero_count
    }

    fn bucket_counts(&self, side: Side) -> impl Iterator<Item = f64> {
        <Self as Coded>::counts(match side {
            Side::Positive => &self.positive_buckets,
            Side::Negative => &self.negative_buckets,
        })
    }
}
