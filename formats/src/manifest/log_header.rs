//! The header of a manifest file.
//!
//! | offset | width | field |
//! |---|---|---|
//! | 0 | 8 | magic `KYMO-MAN` |
//! | 8 | u32 | version, [`LOG_VERSION`]; a reader refuses one it does not know |
//! | 12 | u32 | reserved, 0 |
//! | 16 | u64 | number of the file, as in its name |
//! | 24 | u64 | end of the snapshot: the offset of the first batch |
//! | 32 | u32 | reserved, 0 |
//! | 36 | u32 | CRC-32 of the 36 bytes before |

use crate::{
    DecodeError,
    checksum::crc32,
    cursor::{Reader, Writer},
};

/// Length of the header; the first frame begins here.
pub const LOG_HEADER_BYTES: usize = 40;
/// The version this code writes, and the only one there is.
pub const LOG_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"KYMO-MAN";

/// What a manifest file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHeader {
    /// Version of the file. One above [`LOG_VERSION`] decodes as far as the header goes; the reader must refuse
    /// the rest.
    pub version: u32,
    /// Number of the file.
    pub number: u64,
    /// Where the snapshot ends. All before it was durable before the file got its name, so that a frame
    /// missing there is damage and never a torn write.
    pub snapshot_end: u64,
}

impl LogHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LOG_HEADER_BYTES] {
        let mut out = Vec::with_capacity(LOG_HEADER_BYTES);
        let mut writer = Writer::new(&mut out);
        writer.bytes(&MAGIC);
        writer.u32(self.version);
        writer.u32(0);
        writer.u64(self.number);
        writer.u64(self.snapshot_end);
        writer.u32(0);
        let checksum = crc32(&out);
        Writer::new(&mut out).u32(checksum);
        out.try_into().expect("the fields add up to the header's length")
    }

    /// The header at the front of `bytes`.
    ///
    /// # Errors
    /// When the bytes are short or damaged, or are no manifest's.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let covered = Reader::new(bytes).take(LOG_HEADER_BYTES - 4, "manifest header")?;
        if reader.array("manifest magic")? != MAGIC {
            return Err(DecodeError::new("manifest magic", 0));
        }
        let version = reader.u32("manifest version")?;
        reader.u32("manifest reserved")?;
        let number = reader.u64("manifest number")?;
        let snapshot_end = reader.u64("manifest snapshot end")?;
        reader.u32("manifest reserved")?;
        if reader.u32("manifest header checksum")? != crc32(covered) {
            return Err(DecodeError::new("manifest header checksum", LOG_HEADER_BYTES - 4));
        }
        Ok(Self { version, number, snapshot_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_detects_every_flipped_bit() {
        let header = LogHeader { version: LOG_VERSION, number: 7, snapshot_end: 1 << 40 };
        let bytes = header.encode();
        assert_eq!(LogHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(LogHeader::decode(&damaged).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|len| LogHeader::decode(&bytes[..len]).is_err()));
    }
}
