//! The strings of an index.

use super::{IndexVersion, checked};
use crate::{DecodeError, cursor::Reader};

/// Length and number in front of the strings.
const HEADER_BYTES: usize = 8;

/// The table of symbols, in memory: labels refer to it all the time.
#[derive(Debug, Clone)]
pub struct Symbols {
    section: Vec<u8>,
    /// Where the section lies in the file: version 1 refers to places in the file.
    section_start: u64,
    /// Where each symbol begins in the section, in version 2.
    starts: Vec<u32>,
    version: IndexVersion,
}

impl Symbols {
    /// Bytes of the whole section that begins with these four.
    ///
    /// # Errors
    /// When fewer are there.
    pub fn section_bytes(front: &[u8]) -> Result<u64, DecodeError> {
        let len = u32::from_be_bytes(Reader::new(front).array("symbols length")?);
        Ok(u64::from(len) + 8)
    }

    /// Checks and takes the `section` that lies at `section_start` of the file.
    ///
    /// # Errors
    /// When the checksum is wrong, or strings and their number do not fit.
    pub fn decode(version: IndexVersion, section: Vec<u8>, section_start: u64) -> Result<Self, DecodeError> {
        if Self::section_bytes(&section)? != section.len() as u64 {
            return Err(DecodeError::new("symbols length", 0));
        }
        let content = checked(&section, 4, "symbols checksum")?;
        let mut reader = Reader::new(content);
        reader.take(4, "symbols length")?;
        let count = u32::from_be_bytes(reader.array("symbol count")?);
        let mut starts = Vec::new();
        for _ in 0..count {
            let start = reader.position();
            reader.prefixed("symbol")?;
            if version == IndexVersion::V2 {
                starts.push(u32::try_from(start).map_err(|_| DecodeError::new("symbol", start))?);
            }
        }
        reader.finish("symbol count")?;
        Ok(Self { section, section_start, starts, version })
    }

    /// The symbol that `reference` leads to.
    #[must_use]
    pub fn get(&self, reference: u64) -> Option<&[u8]> {
        let start = match self.version {
            IndexVersion::V1 => usize::try_from(reference.checked_sub(self.section_start)?).ok()?,
            IndexVersion::V2 => *self.starts.get(usize::try_from(reference).ok()?)? as usize,
        };
        if start < HEADER_BYTES {
            return None;
        }
        let content = self.section.get(start..self.section.len().checked_sub(4)?)?;
        Reader::new(content).prefixed("symbol").ok()
    }
}
