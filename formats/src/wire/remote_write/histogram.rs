//! Native histograms of remote write, alike in both versions.

use crate::{
    DecodeError,
    histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
    wire::protobuf::{
        Field, Reader, put_double, put_message, put_signed, put_unsigned, put_varint, put_zigzag, zigzag,
    },
};

/// Longest message of one histogram. Decoded buckets take up to eight times as much memory, so without a
/// bound one hostile message of an allowed size could cost hundreds of megabytes; a histogram with 10,000
/// buckets takes a tenth of this.
const HISTOGRAM_BYTES_MAX: usize = 1 << 20;

/// One native histogram of a series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample {
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    /// When the counts began, in milliseconds since the Unix epoch; 0 = not sent.
    pub start_ts: i64,
    /// The histogram. That it means something (spans that fit the buckets, ascending bounds, a schema that
    /// exists) is not checked here.
    pub value: HistogramValue,
}

/// All fields as they are sent: which of the two kinds it is shows only at the end.
#[derive(Default)]
struct Parts {
    ts: i64,
    start_ts: i64,
    hint: u64,
    schema: i32,
    sum: f64,
    zero_threshold: f64,
    count: Count,
    zero_count: Count,
    positive: Buckets,
    negative: Buckets,
    custom_values: Vec<f64>,
}

/// A count, of which only one of the two forms is sent.
enum Count {
    Integer(u64),
    Float(f64),
}

impl Default for Count {
    fn default() -> Self {
        Self::Integer(0)
    }
}

#[derive(Default)]
struct Buckets {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl HistogramSample {
    /// Checks the message that `reader` stands before without keeping anything of it.
    pub(super) fn check(reader: Reader<'_>) -> Result<(), DecodeError> {
        // Histograms are few and short next to what storing one costs, so checking is decoding.
        Self::decode(reader).map(drop)
    }

    /// Decodes the message that `reader` stands before.
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        if reader.rest().len() > HISTOGRAM_BYTES_MAX {
            return Err(reader.error("histogram length"));
        }
        let mut parts = Parts::default();
        while let Some(field) = reader.field()? {
            parts.take(&field)?;
        }
        Ok(parts.build())
    }

    /// Decodes a message of its own, as [`HistogramSample::to_message`] makes it.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn from_message(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(Reader::new(bytes))
    }

    /// The message `prometheus.Histogram`: every bit of the histogram, for formats that keep it whole.
    #[must_use]
    pub fn to_message(&self) -> Vec<u8> {
        let mut buf = Vec::new();
        self.put_fields(&mut buf);
        buf
    }

    /// Appends the histogram as field `number`.
    pub(super) fn encode(&self, buf: &mut Vec<u8>, number: u32) {
        put_message(buf, number, |buf| self.put_fields(buf));
    }

    fn put_fields(&self, buf: &mut Vec<u8>) {
        match &self.value {
            HistogramValue::Integer(histogram) => put_integer(buf, histogram),
            HistogramValue::Float(histogram) => put_float(buf, histogram),
        }
        put_signed(buf, 15, self.ts);
        put_signed(buf, 17, self.start_ts);
    }
}

impl Parts {
    fn take(&mut self, field: &Field<'_>) -> Result<(), DecodeError> {
        match field.number {
            1 => self.count = Count::Integer(field.varint("histogram count")?),
            2 => self.count = Count::Float(field.double("histogram count")?),
            3 => self.sum = field.double("histogram sum")?,
            4 => self.schema = low_zigzag(field.varint("histogram schema")?),
            5 => self.zero_threshold = field.double("histogram zero threshold")?,
            6 => self.zero_count = Count::Integer(field.varint("histogram zero count")?),
            7 => self.zero_count = Count::Float(field.double("histogram zero count")?),
            8..=10 => self.negative.take(field, 8)?,
            11..=13 => self.positive.take(field, 11)?,
            14 => self.hint = field.varint("histogram reset hint")?,
            15 => self.ts = field.signed("histogram timestamp")?,
            16 => field.each_double("histogram custom value", |value| self.custom_values.push(value))?,
            17 => self.start_ts = field.signed("histogram start timestamp")?,
            _ => {}
        }
        Ok(())
    }

    /// The kind is that of the count, as in Prometheus; buckets of the other kind do not count.
    fn build(self) -> HistogramSample {
        let value = match self.count {
            Count::Integer(count) => HistogramValue::Integer(Histogram {
                reset_hint: reset_hint(self.hint),
                schema: self.schema,
                zero_threshold: self.zero_threshold,
                zero_count: if let Count::Integer(count) = self.zero_count { count } else { 0 },
                count,
                sum: self.sum,
                positive_spans: self.positive.spans,
                negative_spans: self.negative.spans,
                positive_buckets: self.positive.deltas,
                negative_buckets: self.negative.deltas,
                custom_values: self.custom_values,
            }),
            Count::Float(count) => HistogramValue::Float(FloatHistogram {
                reset_hint: reset_hint(self.hint),
                schema: self.schema,
                zero_threshold: self.zero_threshold,
                zero_count: if let Count::Float(count) = self.zero_count { count } else { 0.0 },
                count,
                sum: self.sum,
                positive_spans: self.positive.spans,
                negative_spans: self.negative.spans,
                positive_buckets: self.positive.counts,
                negative_buckets: self.negative.counts,
                custom_values: self.custom_values,
            }),
        };
        HistogramSample { ts: self.ts, start_ts: self.start_ts, value }
    }
}

impl Buckets {
    /// Takes the field of one side; its spans, deltas and counts are numbered from `first`.
    fn take(&mut self, field: &Field<'_>, first: u32) -> Result<(), DecodeError> {
        match field.number - first {
            0 => self.spans.push(span(field.message("histogram span")?)?),
            1 => field.each_varint("histogram bucket", |delta| self.deltas.push(unzigzag(delta)))?,
            _ => field.each_double("histogram bucket", |count| self.counts.push(count))?,
        }
        Ok(())
    }
}

fn span(mut reader: Reader<'_>) -> Result<Span, DecodeError> {
    let mut span = Span::default();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => span.offset = low_zigzag(field.varint("span offset")?),
            2 => span.length = low(field.varint("span length")?),
            _ => {}
        }
    }
    Ok(span)
}

fn put_integer(buf: &mut Vec<u8>, histogram: &Histogram) {
    // The member of a oneof is sent even when it is zero: its presence says which kind this is.
    buf.push(1 << 3);
    put_varint(buf, histogram.count);
    put_shape(buf, histogram.sum, histogram.schema, histogram.zero_threshold);
    put_unsigned(buf, 6, histogram.zero_count);
    put_spans(buf, 8, &histogram.negative_spans);
    put_deltas(buf, 9, &histogram.negative_buckets);
    put_spans(buf, 11, &histogram.positive_spans);
    put_deltas(buf, 12, &histogram.positive_buckets);
    put_unsigned(buf, 14, hint_number(histogram.reset_hint));
    put_doubles(buf, 16, &histogram.custom_values);
}

fn put_float(buf: &mut Vec<u8>, histogram: &FloatHistogram) {
    buf.push(2 << 3 | 1);
    buf.extend_from_slice(&histogram.count.to_le_bytes());
    put_shape(buf, histogram.sum, histogram.schema, histogram.zero_threshold);
    buf.push(7 << 3 | 1);
    buf.extend_from_slice(&histogram.zero_count.to_le_bytes());
    put_spans(buf, 8, &histogram.negative_spans);
    put_doubles(buf, 10, &histogram.negative_buckets);
    put_spans(buf, 11, &histogram.positive_spans);
    put_doubles(buf, 13, &histogram.positive_buckets);
    put_unsigned(buf, 14, hint_number(histogram.reset_hint));
    put_doubles(buf, 16, &histogram.custom_values);
}

fn put_shape(buf: &mut Vec<u8>, sum: f64, schema: i32, zero_threshold: f64) {
    put_double(buf, 3, sum);
    put_zigzag(buf, 4, i64::from(schema));
    put_double(buf, 5, zero_threshold);
}

pub(in crate::wire) fn put_spans(buf: &mut Vec<u8>, number: u32, spans: &[Span]) {
    for span in spans {
        put_message(buf, number, |buf| {
            put_zigzag(buf, 1, i64::from(span.offset));
            put_unsigned(buf, 2, u64::from(span.length));
        });
    }
}

fn put_deltas(buf: &mut Vec<u8>, number: u32, deltas: &[i64]) {
    if !deltas.is_empty() {
        put_message(buf, number, |buf| deltas.iter().for_each(|delta| put_varint(buf, zigzag(*delta))));
    }
}

pub(in crate::wire) fn put_doubles(buf: &mut Vec<u8>, number: u32, values: &[f64]) {
    if !values.is_empty() {
        put_message(buf, number, |buf| {
            values.iter().for_each(|value| buf.extend_from_slice(&value.to_le_bytes()));
        });
    }
}

/// A hint that came after this code says nothing.
const fn reset_hint(number: u64) -> ResetHint {
    match number {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

const fn hint_number(hint: ResetHint) -> u64 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// The low half: what the protobuf specification says of a 32-bit number sent with more bits.
#[expect(clippy::cast_possible_truncation, reason = "the specification asks for the low 32 bits")]
const fn low(value: u64) -> u32 {
    value as u32
}

const fn low_zigzag(value: u64) -> i32 {
    let value = low(value);
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
