//! Histograms by column, which is how they are stored from level 1 on.

use std::borrow::Cow;

use kymo_formats::{
    DecodeError,
    codec::{
        Encoding,
        column_chunk::{ColumnChunk, ColumnEncoding},
        histogram::columns,
        start_ts,
        values::Density,
    },
    histogram::{FloatHistogram, Histogram, HistogramValue},
    index::chunk_directory::ChunkMeta,
};

use super::{
    chunks::MergedChunk,
    samples::{Kind, Sample, Value, reset_header},
};
use crate::block::{ChunkBody, ChunkColumns};

/// Buckets, spans and bounds in all histograms of a chunk, in words of eight bytes, to aim at where histograms are
/// wide: a chunk is decoded as a whole, however few of its samples are asked for.
pub(super) const CHUNK_WORDS: usize = 1 << 18;

/// A chunk of histograms, all of one kind and in order of time; `None` when they are too wide to share one.
pub(super) fn encode_histogram_columns(samples: &[Sample], density: Density) -> Option<MergedChunk<'static>> {
    let (first, last) = (samples.first()?, samples.last()?);
    let mut column = Vec::new();
    let encoded = match Kind::of(&first.value) {
        Kind::Histogram => columns::encode(&integers(samples), density, &mut column),
        Kind::FloatHistogram => columns::encode(&floats(samples), density, &mut column),
        Kind::Float => false,
    };
    let meta = ChunkMeta {
        encoding: ColumnEncoding::Histograms.as_u8(),
        count: u32::try_from(samples.len()).ok()?,
        min_ts: first.ts,
        max_ts: last.ts,
    };
    let ts: Vec<i64> = samples.iter().map(|sample| sample.ts).collect();
    let starts = samples.iter().any(|sample| sample.start_ts != 0).then(|| {
        let start_ts: Vec<i64> = samples.iter().map(|sample| sample.start_ts).collect();
        let mut starts = Vec::new();
        start_ts::encode(&start_ts, &ts, &mut starts);
        Cow::Owned(starts)
    });
    let columns = ChunkColumns { ts, starts, values: Cow::Owned(column) };
    encoded.then_some(MergedChunk { meta, body: ChunkBody::Columns(columns), summary: None })
}

fn integers(samples: &[Sample]) -> Vec<&Histogram> {
    let integers = samples.iter().filter_map(histogram).filter_map(|value| match value {
        HistogramValue::Integer(histogram) => Some(histogram),
        HistogramValue::Float(_) => None,
    });
    integers.collect()
}

fn floats(samples: &[Sample]) -> Vec<&FloatHistogram> {
    let floats = samples.iter().filter_map(histogram).filter_map(|value| match value {
        HistogramValue::Integer(_) => None,
        HistogramValue::Float(histogram) => Some(histogram),
    });
    floats.collect()
}

fn histogram(sample: &Sample) -> Option<&HistogramValue> {
    match &sample.value {
        Value::Float(_) => None,
        Value::Histogram(histogram) => Some(histogram),
    }
}

/// Whether chunks of the encoding with this number have histograms.
pub(crate) fn is_histogram(encoding: u8) -> bool {
    ColumnEncoding::from_u8(encoding) == Some(ColumnEncoding::Histograms)
        || Encoding::from_u8(encoding).is_some_and(Encoding::is_histogram)
}

/// What a chunk has in [`CHUNK_WORDS`], where it tells; 0 where it does not.
pub(crate) fn words(meta: &ChunkMeta, chunk: &[u8]) -> usize {
    if ColumnEncoding::from_u8(meta.encoding) != Some(ColumnEncoding::Histograms) {
        return 0;
    }
    // A damaged one is found out where it is decoded.
    let outline =
        ColumnChunk::parse(chunk).and_then(|parts| columns::outline(parts.values, meta.count as usize));
    outline.map_or(0, |outline| outline.words)
}

/// The indexes of the histograms of a chunk that are known to be counter resets.
///
/// Readers are not told, since they compare with the histogram before anyway. A sender may have said so where comparing
/// shows nothing, so it must be passed on when a chunk is rewritten.
///
/// # Errors
/// When the chunk's beginning does not decode.
pub(crate) fn resets(meta: &ChunkMeta, chunk: &[u8]) -> Result<Vec<usize>, DecodeError> {
    if ColumnEncoding::from_u8(meta.encoding) == Some(ColumnEncoding::Histograms) {
        return columns::resets(ColumnChunk::parse(chunk)?.values, meta.count as usize);
    }
    match Encoding::from_u8(meta.encoding).filter(|encoding| encoding.is_histogram()) {
        Some(encoding) if reset_header(encoding, chunk)? => Ok(vec![0]),
        _ => Ok(Vec::new()),
    }
}
