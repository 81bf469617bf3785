//! Blocks of Prometheus's TSDB, read only: what moves years of samples from there to here.
//!
//! * `toc`: header and table of contents of an index
//! * `symbols`: the strings of an index
//! * `series`: entries of its series, each with labels and places of chunks
//! * `chunk`: chunk files and the samples in a chunk
//! * `tombstones`: what was deleted
//!
//! Nothing here asks for a whole file: an index is read section by section, its series entry by entry, and a chunk at
//! a time. Integers are big endian, checksums CRC-32C.
//! Format: <https://github.com/prometheus/prometheus/tree/main/tsdb/docs/format>.

mod chunk;
mod series;
mod symbols;
#[cfg(test)]
mod tests;
mod toc;
mod tombstones;

pub use chunk::{
    CHUNK_FILE_HEADER_BYTES, CHUNK_RECORD_BYTES_MAX, ChunkRecord, check_chunk_file_header, chunk_record_bytes,
};
pub use series::{ChunkPlace, SERIES_ENTRY_BYTES_MAX, SeriesEntry, series_alignment, series_entry_bytes};
pub use symbols::Symbols;
pub use toc::{INDEX_HEADER_BYTES, IndexVersion, TOC_BYTES, Toc, index_version};
pub use tombstones::{DeletedRange, decode_tombstones};

use crate::{DecodeError, checksum::crc32c};

/// Bytes of every checksum of the format.
const CHECKSUM_BYTES: usize = 4;

/// `bytes` without the checksum at their end, which must be that of the bytes from `start` on.
fn checked<'a>(bytes: &'a [u8], start: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
    let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(DecodeError::new(what, bytes.len()))?;
    let error = DecodeError::new(what, split);
    let (content, checksum) = bytes.split_at_checked(split).ok_or(error)?;
    let covered = content.get(start..).ok_or(error)?;
    if crc32c(covered).to_be_bytes() == *checksum { Ok(content) } else { Err(error) }
}
