//! Native histograms inside rows: every field, bit-exact, counts as variable-length integers.

use crate::{
    DecodeError,
    cursor::Reader,
    histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
    varint,
};

const INTEGER: u8 = 0;
const FLOAT: u8 = 1;

/// Appends `value` to `out`.
pub(super) fn encode(out: &mut Vec<u8>, value: &HistogramValue) {
    match value {
        HistogramValue::Integer(histogram) => encode_integer(out, histogram),
        HistogramValue::Float(histogram) => encode_float(out, histogram),
    }
}

/// Upper bound of the bytes that `value` takes.
pub(super) fn bytes_max(value: &HistogramValue) -> usize {
    let (spans, buckets, custom) = match value {
        HistogramValue::Integer(h) => (
            h.positive_spans.len() + h.negative_spans.len(),
            h.positive_buckets.len() + h.negative_buckets.len(),
            h.custom_values.len(),
        ),
        HistogramValue::Float(h) => (
            h.positive_spans.len() + h.negative_spans.len(),
            h.positive_buckets.len() + h.negative_buckets.len(),
            h.custom_values.len(),
        ),
    };
    (10 + 2 * spans + buckets + custom) * varint::LEN_MAX
}

fn encode_integer(out: &mut Vec<u8>, h: &Histogram) {
    out.push(INTEGER);
    encode_head(out, h.reset_hint, h.schema, h.zero_threshold, h.sum);
    varint::put_u64(out, h.zero_count);
    varint::put_u64(out, h.count);
    for (spans, buckets) in
        [(&h.positive_spans, &h.positive_buckets), (&h.negative_spans, &h.negative_buckets)]
    {
        encode_spans(out, spans);
        varint::put_u64(out, buckets.len() as u64);
        buckets.iter().for_each(|delta| varint::put_i64(out, *delta));
    }
    encode_floats(out, &h.custom_values);
}

fn encode_float(out: &mut Vec<u8>, h: &FloatHistogram) {
    out.push(FLOAT);
    encode_head(out, h.reset_hint, h.schema, h.zero_threshold, h.sum);
    put_f64(out, h.zero_count);
    put_f64(out, h.count);
    for (spans, buckets) in
        [(&h.positive_spans, &h.positive_buckets), (&h.negative_spans, &h.negative_buckets)]
    {
        encode_spans(out, spans);
        encode_floats(out, buckets);
    }
    encode_floats(out, &h.custom_values);
}

fn encode_head(out: &mut Vec<u8>, hint: ResetHint, schema: i32, zero_threshold: f64, sum: f64) {
    out.push(match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    });
    varint::put_i64(out, i64::from(schema));
    put_f64(out, zero_threshold);
    put_f64(out, sum);
}

fn encode_spans(out: &mut Vec<u8>, spans: &[Span]) {
    varint::put_u64(out, spans.len() as u64);
    for span in spans {
        varint::put_i64(out, i64::from(span.offset));
        varint::put_u64(out, u64::from(span.length));
    }
}

fn encode_floats(out: &mut Vec<u8>, values: &[f64]) {
    varint::put_u64(out, values.len() as u64);
    values.iter().for_each(|value| put_f64(out, *value));
}

fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Takes one histogram off `reader`.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<HistogramValue, DecodeError> {
    let offset = reader.position();
    match reader.u8("histogram kind")? {
        INTEGER => decode_integer(reader).map(HistogramValue::Integer),
        FLOAT => decode_float(reader).map(HistogramValue::Float),
        _ => Err(DecodeError::new("histogram kind", offset)),
    }
}

fn decode_integer(reader: &mut Reader<'_>) -> Result<Histogram, DecodeError> {
    let (reset_hint, schema, zero_threshold, sum) = decode_head(reader)?;
    let zero_count = reader.uvarint("histogram zero count")?;
    let count = reader.uvarint("histogram count")?;
    let positive_spans = decode_spans(reader)?;
    let positive_buckets = list(reader, 1, |reader| reader.zigzag("histogram bucket"))?;
    let negative_spans = decode_spans(reader)?;
    let negative_buckets = list(reader, 1, |reader| reader.zigzag("histogram bucket"))?;
    let custom_values = decode_floats(reader)?;
    Ok(Histogram {
        reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values,
    })
}

fn decode_float(reader: &mut Reader<'_>) -> Result<FloatHistogram, DecodeError> {
    let (reset_hint, schema, zero_threshold, sum) = decode_head(reader)?;
    let zero_count = reader.f64("histogram zero count")?;
    let count = reader.f64("histogram count")?;
    let positive_spans = decode_spans(reader)?;
    let positive_buckets = decode_floats(reader)?;
    let negative_spans = decode_spans(reader)?;
    let negative_buckets = decode_floats(reader)?;
    let custom_values = decode_floats(reader)?;
    Ok(FloatHistogram {
        reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values,
    })
}

fn decode_head(reader: &mut Reader<'_>) -> Result<(ResetHint, i32, f64, f64), DecodeError> {
    let offset = reader.position();
    let hint = match reader.u8("histogram reset hint")? {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => return Err(DecodeError::new("histogram reset hint", offset)),
    };
    let offset = reader.position();
    let schema = i32::try_from(reader.zigzag("histogram schema")?)
        .map_err(|_| DecodeError::new("histogram schema", offset))?;
    Ok((hint, schema, reader.f64("histogram zero threshold")?, reader.f64("histogram sum")?))
}

fn decode_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, DecodeError> {
    list(reader, 2, |reader| {
        let at = reader.position();
        let offset = i32::try_from(reader.zigzag("histogram span offset")?);
        let length = u32::try_from(reader.uvarint("histogram span length")?);
        match (offset, length) {
            (Ok(offset), Ok(length)) => Ok(Span { offset, length }),
            _ => Err(DecodeError::new("histogram span", at)),
        }
    })
}

fn decode_floats(reader: &mut Reader<'_>) -> Result<Vec<f64>, DecodeError> {
    list(reader, 8, |reader| reader.f64("histogram value"))
}

/// A counted list whose items take at least `item_bytes_min` bytes, so that a count that lies is found before
/// memory is taken for it.
fn list<T>(
    reader: &mut Reader<'_>,
    item_bytes_min: usize,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let offset = reader.position();
    let count = usize::try_from(reader.uvarint("histogram list")?).unwrap_or(usize::MAX);
    if count > reader.remaining() / item_bytes_min {
        return Err(DecodeError::new("histogram list", offset));
    }
    (0..count).map(|_| item(reader)).collect()
}
