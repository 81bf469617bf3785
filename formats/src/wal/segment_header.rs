//! The header of a write-ahead log segment.
//!
//! | offset | width | field |
//! |---|---|---|
//! | 0 | 8 | magic `KYMO-WAL` |
//! | 8 | u32 | version, [`SEGMENT_VERSION`]; a reader refuses one it does not know |
//! | 12 | u32 | space, 0 until one log serves several tenants |
//! | 16 | u64 | number of the segment, as in its file name |
//! | 24 | u32 | reserved, 0 |
//! | 28 | u32 | CRC-32 of the 28 bytes before |

use crate::{
    DecodeError,
    checksum::crc32,
    cursor::{Reader, Writer},
};

/// Length of the header; the first frame begins here.
pub const SEGMENT_HEADER_BYTES: usize = 32;
/// The version this code writes, and the only one there is.
pub const SEGMENT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"KYMO-WAL";

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Version of the segment. One above [`SEGMENT_VERSION`] decodes as far as the header goes; the reader must
    /// refuse the rest.
    pub version: u32,
    /// Number of the segment. Another one than the file's name says: the file was recycled, and the crash came
    /// before the new header was written, so that it holds nothing.
    pub segment: u64,
    /// Reserved for tenants, 0.
    pub space: u32,
}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        let mut writer = Writer::new(&mut out);
        writer.bytes(&MAGIC);
        writer.u32(self.version);
        writer.u32(self.space);
        writer.u64(self.segment);
        writer.u32(0);
        let checksum = crc32(&out);
        Writer::new(&mut out).u32(checksum);
        out.try_into().expect("the fields add up to the header's length")
    }

    /// The header at the front of `bytes`.
    ///
    /// # Errors
    /// When the bytes are short or damaged, or are no segment's.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let covered = Reader::new(bytes).take(SEGMENT_HEADER_BYTES - 4, "segment header")?;
        if reader.array("segment magic")? != MAGIC {
            return Err(DecodeError::new("segment magic", 0));
        }
        let version = reader.u32("segment version")?;
        let space = reader.u32("segment space")?;
        let segment = reader.u64("segment number")?;
        reader.u32("segment reserved")?;
        if reader.u32("segment header checksum")? != crc32(covered) {
            return Err(DecodeError::new("segment header checksum", SEGMENT_HEADER_BYTES - 4));
        }
        Ok(Self { version, segment, space })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_detects_every_flipped_bit() {
        let header = SegmentHeader { version: SEGMENT_VERSION, segment: 0x0102_0304_0506_0708, space: 9 };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&damaged).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(SegmentHeader::decode(&bytes[..len]).is_err());
        }
    }
}
