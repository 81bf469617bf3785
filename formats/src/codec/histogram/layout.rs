//! What all histograms of a chunk have in common: schema, zero threshold, spans and custom bounds.

use super::super::varbit::{read_signed, read_unsigned, signed_bits, unsigned_bits};
use super::form::{Form, Parts};
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter, Bits};
use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, Span, is_known_schema};

/// The byte that announces a zero threshold of eight bytes.
const RAW_THRESHOLD: u8 = 255;
/// A threshold of `2^n` is stored as the byte `n + THRESHOLD_BIAS` if that is between 1 and 254.
const THRESHOLD_BIAS: i32 = 244;
/// The largest custom bound, in thousandths, that is stored as an integer.
const BOUND_MAX: f64 = 33_554_430.0;

/// The part of a histogram that is stored once per chunk.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layout {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) positive_spans: Vec<Span>,
    pub(super) negative_spans: Vec<Span>,
    pub(super) custom_values: Vec<f64>,
}

impl Layout {
    pub(super) fn of<H: Form>(histogram: &H) -> Self {
        let Parts { schema, zero_threshold, positive_spans, negative_spans, custom_values, .. } =
            histogram.parts();
        let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { custom_values } else { &[] };
        Self {
            schema,
            zero_threshold,
            positive_spans: positive_spans.to_vec(),
            negative_spans: negative_spans.to_vec(),
            custom_values: custom_values.to_vec(),
        }
    }

    /// Spans, buckets and bounds of one histogram: what it takes to hold it decoded, in words of eight bytes.
    pub(super) fn words(&self) -> usize {
        let buckets = bucket_count(&self.positive_spans).saturating_add(bucket_count(&self.negative_spans));
        buckets
            .saturating_add(self.positive_spans.len())
            .saturating_add(self.negative_spans.len())
            .saturating_add(self.custom_values.len())
    }

    pub(super) fn write(&self, out: &mut BitWriter) {
        write_threshold(out, self.zero_threshold);
        out.put(signed_bits(i64::from(self.schema)));
        for spans in [&self.positive_spans, &self.negative_spans] {
            out.put(unsigned_bits(spans.len() as u64));
            for span in spans {
                out.put(unsigned_bits(u64::from(span.length)));
                out.put(signed_bits(i64::from(span.offset)));
            }
        }
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            out.put(unsigned_bits(self.custom_values.len() as u64));
            for &bound in &self.custom_values {
                write_bound(out, bound);
            }
        }
    }

    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let zero_threshold = read_threshold(reader)?;
        let schema = read_signed(reader, "histogram schema")?;
        let schema = i32::try_from(schema).map_err(|_| reader.error("histogram schema"))?;
        let positive_spans = read_spans(reader)?;
        let negative_spans = read_spans(reader)?;
        let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { read_bounds(reader)? } else { Vec::new() };
        if !is_known_schema(schema) {
            return Err(reader.error("histogram schema"));
        }
        Ok(Self { schema, zero_threshold, positive_spans, negative_spans, custom_values })
    }
}

/// Buckets that `spans` cover.
pub(super) fn bucket_count(spans: &[Span]) -> usize {
    spans.iter().fold(0, |count, span| count.saturating_add(span.length as usize))
}

/// What [`Layout::words`] would be for a chunk that begins with `histogram`.
pub(super) fn words<H: Form>(histogram: &H) -> usize {
    let parts = histogram.parts();
    parts.positive_spans.len()
        + parts.negative_spans.len()
        + parts.positive_buckets.len()
        + parts.negative_buckets.len()
        + parts.custom_values.len()
}

/// A chunk stores the spans once and trusts every histogram to have as many buckets.
pub(super) fn assert_consistent<H: Form>(histogram: &H) {
    let parts = histogram.parts();
    assert_eq!(bucket_count(parts.positive_spans), parts.positive_buckets.len(), "validated histogram");
    assert_eq!(bucket_count(parts.negative_spans), parts.negative_buckets.len(), "validated histogram");
}

fn read_spans(reader: &mut BitReader<'_>) -> Result<Vec<Span>, DecodeError> {
    let count = read_unsigned(reader, "span count")?;
    // Two bits at least for each, whatever the count says.
    if count > reader.remaining() as u64 / 2 {
        return Err(reader.error("span count"));
    }
    (0..count)
        .map(|_| {
            let length = read_unsigned(reader, "span length")?;
            let offset = read_signed(reader, "span offset")?;
            Ok(Span {
                length: u32::try_from(length).map_err(|_| reader.error("span length"))?,
                offset: i32::try_from(offset).map_err(|_| reader.error("span offset"))?,
            })
        })
        .collect()
}

fn read_bounds(reader: &mut BitReader<'_>) -> Result<Vec<f64>, DecodeError> {
    let count = read_unsigned(reader, "custom bound count")?;
    // The smallest class above zero has five bits.
    if count > reader.remaining() as u64 / 5 {
        return Err(reader.error("custom bound count"));
    }
    (0..count).map(|_| read_bound(reader)).collect()
}

/// One byte for powers of two from `2^-243` to `2^10`, which all usual thresholds are.
fn write_threshold(out: &mut BitWriter, threshold: f64) {
    let byte =
        if threshold.to_bits() == 0 { Some(0) } else { power_of_two(threshold).and_then(threshold_byte) };
    if let Some(byte) = byte {
        out.put(Bits::low(u64::from(byte), 8));
    } else {
        out.put(Bits::low(u64::from(RAW_THRESHOLD), 8));
        out.put(Bits::low(threshold.to_bits(), 64));
    }
}

fn threshold_byte(power: i32) -> Option<u8> {
    u8::try_from(power + THRESHOLD_BIAS).ok().filter(|&byte| byte != 0 && byte != RAW_THRESHOLD)
}

fn read_threshold(reader: &mut BitReader<'_>) -> Result<f64, DecodeError> {
    match reader.read(8, "zero threshold")? {
        0 => Ok(0.0),
        255 => reader.read(64, "zero threshold").map(f64::from_bits),
        // All of 2^-243 to 2^10 are normal numbers: the exponent's bits alone.
        byte => Ok(f64::from_bits((byte + 1023 - THRESHOLD_BIAS.cast_unsigned() as u64) << 52)),
    }
}

/// `n` when `value` is exactly `2^n` and a normal number.
fn power_of_two(value: f64) -> Option<i32> {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52).ok()?;
    let is_power = bits.trailing_zeros() >= 52 && (1..0x7ff).contains(&exponent);
    is_power.then_some(exponent - 1023)
}

/// Bounds from 0 to 33,554.43 with at most three decimals are integers of thousandths, plus one; 0 announces
/// the raw bits.
fn write_bound(out: &mut BitWriter, bound: f64) {
    match thousandths(bound) {
        Some(integer) => out.put(unsigned_bits(integer + 1)),
        None => {
            out.put(Bits::low(0, 1));
            out.put(Bits::low(bound.to_bits(), 64));
        }
    }
}

fn thousandths(bound: f64) -> Option<u64> {
    if !(0.0..=BOUND_MAX).contains(&(bound * 1000.0)) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between 0 and BOUND_MAX"
    )]
    let integer = (bound * 1000.0).round() as u64;
    // By bits, so that -0.0 stays what it is. Upstream loses its sign.
    ((integer as f64 / 1000.0).to_bits() == bound.to_bits()).then_some(integer)
}

fn read_bound(reader: &mut BitReader<'_>) -> Result<f64, DecodeError> {
    match read_unsigned(reader, "custom bound")? {
        0 => reader.read(64, "custom bound").map(f64::from_bits),
        integer => Ok((integer - 1) as f64 / 1000.0),
    }
}
