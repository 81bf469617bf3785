//! Entries of the series of an index.

use super::{CHECKSUM_BYTES, IndexVersion, checked};
use crate::{DecodeError, cursor::Reader, varint::BYTES_MAX};

/// Most bytes of an entry: a series with a million chunks takes a tenth of it. More is taken for damage, so that a
/// wrong length costs no memory.
pub const SERIES_ENTRY_BYTES_MAX: usize = 64 << 20;

/// Entries begin at multiples of this.
#[must_use]
pub const fn series_alignment(version: IndexVersion) -> u64 {
    match version {
        IndexVersion::V1 => 1,
        IndexVersion::V2 => 16,
    }
}

/// Bytes of the entry that begins with `front`, of which ten are enough; `None` where there is padding.
///
/// # Errors
/// When the length does not end, or is above [`SERIES_ENTRY_BYTES_MAX`].
pub fn series_entry_bytes(front: &[u8]) -> Result<Option<usize>, DecodeError> {
    let mut reader = Reader::new(front.get(..BYTES_MAX).unwrap_or(front));
    match reader.varint_usize("series entry length")? {
        0 => Ok(None),
        len if len > SERIES_ENTRY_BYTES_MAX => Err(DecodeError::new("series entry length", 0)),
        len => Ok(Some(reader.position() + len + CHECKSUM_BYTES)),
    }
}

/// One series: labels as references to symbols, and where its chunks are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesEntry {
    /// Names and values, ascending by name.
    pub labels: Vec<(u64, u64)>,
    /// Ascending in time.
    pub chunks: Vec<ChunkPlace>,
}

/// Where a chunk is, and which time it spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Time of the first sample, milliseconds.
    pub min_ts: i64,
    /// Time of the last sample, milliseconds.
    pub max_ts: i64,
    /// Which of the chunk files, counted from 0 in the order of their names.
    pub file: u32,
    /// Where it begins in the file.
    pub offset: u32,
}

impl SeriesEntry {
    /// Decodes the entry that takes all of `bytes`; offsets of errors count from its start.
    ///
    /// # Errors
    /// When the checksum is wrong, or the content does not end where it should.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let len = reader.varint_usize("series entry length")?;
        let content = checked(bytes, reader.position(), "series checksum")?;
        let mut reader = Reader::new(content);
        reader.varint("series entry length")?;
        if len != reader.remaining().len() {
            return Err(DecodeError::new("series entry length", 0));
        }
        let mut entry = Self::default();
        let labels = reader.varint_usize("label count")?;
        // A label takes two bytes or more, and a chunk three, whatever the counts say.
        if labels > reader.remaining().len() / 2 {
            return Err(reader.error("label count"));
        }
        for _ in 0..labels {
            entry.labels.push((reader.varint("label name")?, reader.varint("label value")?));
        }
        let chunks = reader.varint_usize("chunk count")?;
        if chunks > reader.remaining().len() / 3 {
            return Err(reader.error("chunk count"));
        }
        entry.chunks.reserve_exact(chunks);
        let (mut max_ts, mut reference) = (0_i64, 0_u64);
        for number in 0..chunks {
            // The first one has all numbers in full, the others what they differ by.
            let min_ts = match number {
                0 => reader.varint_i64("chunk start")?,
                _ => max_ts.wrapping_add_unsigned(reader.varint("chunk start")?),
            };
            max_ts = min_ts.wrapping_add_unsigned(reader.varint("chunk end")?);
            reference = match number {
                0 => reader.varint("chunk reference")?,
                _ => reference.wrapping_add_signed(reader.varint_i64("chunk reference")?),
            };
            let [file, offset] = [reference >> 32, reference & u64::from(u32::MAX)]
                .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
            entry.chunks.push(ChunkPlace { min_ts, max_ts, file, offset });
        }
        reader.finish("series entry length")?;
        Ok(entry)
    }
}
