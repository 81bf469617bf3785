//! What was deleted of a block, and is still in its chunks.

use super::checked;
use crate::{DecodeError, cursor::Reader};

const TOMBSTONES_MAGIC: u32 = 0x0130_ba30;
const TOMBSTONES_VERSION: u8 = 1;
/// Magic and version, which the checksum does not cover.
const HEADER_BYTES: usize = 5;

/// Samples of a series that count no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeletedRange {
    /// The series: its place in the index, divided by the alignment of series there.
    pub series: u64,
    /// First time, milliseconds, included.
    pub min_ts: i64,
    /// Last time, milliseconds, included.
    pub max_ts: i64,
}

/// All ranges in the file `bytes`, sorted.
///
/// # Errors
/// When it is no such file, or damaged.
pub fn decode_tombstones(bytes: &[u8]) -> Result<Vec<DeletedRange>, DecodeError> {
    let mut reader = Reader::new(bytes);
    if u32::from_be_bytes(reader.array("tombstones magic")?) != TOMBSTONES_MAGIC {
        return Err(DecodeError::new("tombstones magic", 0));
    }
    let at = reader.position();
    if reader.u8("tombstones version")? != TOMBSTONES_VERSION {
        return Err(DecodeError::new("tombstones version", at));
    }
    let mut reader = Reader::new(checked(bytes, HEADER_BYTES, "tombstones checksum")?);
    reader.take(HEADER_BYTES, "tombstones magic")?;
    let mut ranges = Vec::new();
    while !reader.is_empty() {
        ranges.push(DeletedRange {
            series: reader.varint("tombstone series")?,
            min_ts: reader.varint_i64("tombstone start")?,
            max_ts: reader.varint_i64("tombstone end")?,
        });
    }
    ranges.sort_unstable();
    Ok(ranges)
}
