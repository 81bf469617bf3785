//! The first 64 bytes of a block file.

use crate::{
    DecodeError,
    checksum::crc32,
    cursor::{Reader, Writer},
};

/// The first bytes of every block file. The newline catches a transfer as text.
pub const MAGIC: [u8; 8] = *b"KYMOBLK\n";
/// Version of the file's frame: header, footer, and the rules between them.
pub const VERSION: u16 = 1;
/// Length of the header.
pub const HEADER_BYTES: usize = 64;
/// Magic, version, reserved, space and block id: what the checksum covers.
const CHECKED_BYTES: usize = 24;

/// What a block file says of itself at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Reserved for tenants; 0.
    pub space: u32,
    /// The block's id, as in its file name and in the manifest: a file under a wrong name is noticed.
    pub block_id: u64,
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        let mut writer = Writer::new(&mut out);
        writer.bytes(&MAGIC);
        writer.u16(VERSION);
        writer.u16(0);
        writer.u32(self.space);
        writer.u64(self.block_id);
        let crc = crc32(&out);
        Writer::new(&mut out).u32(crc);
        out.resize(HEADER_BYTES, 0);
        out
    }

    /// The header at the start of `file`.
    ///
    /// # Errors
    /// When the file is too short or not a block, the version is not known, or the checksum is wrong.
    pub fn decode(file: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(file);
        let mut header = Reader::new(reader.take(HEADER_BYTES, "block header")?);
        if header.array("block magic")? != MAGIC {
            return Err(DecodeError::new("block magic", 0));
        }
        if header.u16("block version")? != VERSION {
            return Err(DecodeError::new("block version", 8));
        }
        header.u16("block header")?;
        let space = header.u32("block space")?;
        let block_id = header.u64("block id")?;
        let crc = header.u32("block header checksum")?;
        let checked = file.get(..CHECKED_BYTES).unwrap_or_default();
        if crc != crc32(checked) || header.remaining().iter().any(|byte| *byte != 0) {
            return Err(DecodeError::new("block header checksum", CHECKED_BYTES));
        }
        Ok(Self { space, block_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_notices_every_flipped_bit() {
        let header = Header { space: 7, block_id: u64::MAX - 1 };
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Ok(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&damaged).is_err(), "bit {bit}");
        }
        assert!(Header::decode(&bytes[..HEADER_BYTES - 1]).is_err());
    }
}
