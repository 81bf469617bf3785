//! Columns through the crate `pco`: the densest form of long columns, for twice to four times the time of the others.
//!
//! Layout: that of a wrapped pco file: header, the metadata of one chunk, one page. Of what the format offers we take
//! what can be read within the memory of the column itself; a file that claims more is refused before memory is taken.

use ::pco::{
    ChunkConfig, DeltaSpec, PagingSpec,
    data_types::Number,
    metadata::{ChunkMeta, DeltaEncoding},
    wrapped::{FileCompressor, FileDecompressor},
};

use crate::DecodeError;
use crate::cursor::Reader;

/// The number of pco's mode with a dictionary, in the low four bits of a chunk.
const MODE_DICTIONARY: u8 = 4;
/// The low bits of a chunk's first byte, which are its mode.
const MODE_MASK: u8 = 0xf;

/// How hard the encoder tries; twelve is the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For data that will be rewritten.
    Fast = 4,
    /// For data that stays.
    Dense = 8,
}

/// Appends the column of `values` to `out`, and says whether there is one: not for none, and not for those that pco
/// fails on.
pub fn encode<T: Number>(values: &[T], level: Level, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let encoded = !values.is_empty()
        && [DeltaSpec::Auto, DeltaSpec::TryConsecutive(1), DeltaSpec::NoOp].into_iter().any(|delta| {
            out.truncate(before);
            try_encode(values, level, delta, out).is_some()
        });
    if !encoded {
        out.truncate(before);
    }
    encoded
}

/// `None` when pco fails, or chose what is not readable within bounds.
fn try_encode<T: Number>(values: &[T], level: Level, delta: DeltaSpec, out: &mut Vec<u8>) -> Option<()> {
    let config = ChunkConfig::default()
        .with_compression_level(level as usize)
        .with_delta_spec(delta)
        .with_paging_spec(PagingSpec::Exact(vec![values.len()]));
    let file = FileCompressor::default();
    let mut chunk = file.chunk_compressor(values, &config).ok()?;
    if !is_bounded(chunk.meta()) {
        return None;
    }
    file.write_header(&mut *out).ok()?;
    chunk.write_meta(&mut *out).ok()?;
    chunk.write_page(0, &mut *out).ok().map(|_| ())
}

/// Reads a column into `out`, which has one slot for each of its values.
///
/// # Errors
/// When the bytes are no column of that many; what is in `out` is then undefined.
pub fn decode<T: Number>(reader: &mut Reader<'_>, out: &mut [T]) -> Result<(), DecodeError> {
    let bytes = reader.remaining();
    let rest = try_decode(bytes, out).ok_or(reader.error("pco column"))?;
    reader.take(bytes.len() - rest, "pco column").map(|_| ())
}

/// The bytes that are left; `None` when they do not decode.
fn try_decode<T: Number>(bytes: &[u8], out: &mut [T]) -> Option<usize> {
    let (file, chunk) = FileDecompressor::new(bytes).ok()?;
    // pco takes memory for a dictionary of the claimed size before it looks whether it is there.
    if chunk.first()? & MODE_MASK == MODE_DICTIONARY {
        return None;
    }
    let (mut chunk, page) = file.chunk_decompressor::<T, _>(chunk).ok()?;
    if !is_bounded(chunk.meta()) {
        return None;
    }
    let mut page = chunk.page_decompressor(page, out.len()).ok()?;
    let progress = page.read(out).ok()?;
    (progress.finished && progress.n_processed == out.len()).then(|| page.into_src().len())
}

/// Whether reading takes no memory beyond the column and a few tables. A look-back has a window of its own, of the
/// size that it claims.
fn is_bounded(meta: &ChunkMeta) -> bool {
    matches!(meta.delta_encoding, DeltaEncoding::NoOp | DeltaEncoding::Consecutive { .. })
}

/// Appends the `count` values of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode_column(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let before = out.len();
    out.resize(before + count, 0.0);
    let mut reader = Reader::new(bytes);
    decode(&mut reader, out.get_mut(before..).unwrap_or_default())
        .and_then(|()| reader.finish("end of pco column"))
        .inspect_err(|_| out.truncate(before))
}
