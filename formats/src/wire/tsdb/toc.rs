//! Header and table of contents of an index.

use super::checked;
use crate::{DecodeError, cursor::Reader};

/// Bytes of the header of an index.
pub const INDEX_HEADER_BYTES: usize = 5;
/// Bytes of the table of contents, at the end of an index.
pub const TOC_BYTES: usize = 6 * 8 + 4;

const INDEX_MAGIC: u32 = 0xbaaa_d700;

/// How an index refers to its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexVersion {
    /// Symbols and series by their place in the file.
    V1,
    /// Symbols by their number, series by a sixteenth of their place.
    V2,
}

/// The version in the header `bytes` of an index.
///
/// # Errors
/// When it is no index, or of another version.
pub fn index_version(bytes: &[u8]) -> Result<IndexVersion, DecodeError> {
    let mut reader = Reader::new(bytes);
    if u32::from_be_bytes(reader.array("index magic")?) != INDEX_MAGIC {
        return Err(DecodeError::new("index magic", 0));
    }
    let at = reader.position();
    match reader.u8("index version")? {
        1 => Ok(IndexVersion::V1),
        2 => Ok(IndexVersion::V2),
        _ => Err(DecodeError::new("index version", at)),
    }
}

/// Where the sections that are read lie, in bytes from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toc {
    /// Start of the symbols.
    pub symbols: u64,
    /// Start of the series.
    pub series: u64,
    /// Where the next section begins behind the series.
    pub series_end: u64,
}

impl Toc {
    /// Decodes the last [`TOC_BYTES`] of an index of `file_bytes`.
    ///
    /// # Errors
    /// When the checksum is wrong, or a section lies outside of the file.
    pub fn decode(bytes: &[u8], file_bytes: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(checked(bytes, 0, "table of contents checksum")?);
        let mut place = |what| reader.array(what).map(u64::from_be_bytes);
        let symbols = place("symbols offset")?;
        let series = place("series offset")?;
        let end = file_bytes.saturating_sub(TOC_BYTES as u64);
        let mut series_end = end;
        // Releases differ in which of the sections behind the series they write; one that is not has no place.
        for _ in 0..4 {
            let start = place("section offset")?;
            if start > series {
                series_end = series_end.min(start);
            }
        }
        if symbols < INDEX_HEADER_BYTES as u64 || symbols >= end {
            return Err(DecodeError::new("symbols offset", 0));
        }
        if series <= symbols || series > end {
            return Err(DecodeError::new("series offset", 8));
        }
        Ok(Self { symbols, series, series_end })
    }
}
