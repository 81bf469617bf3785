//! Where the dictionary of values and the postings of each label lie.
//!
//! For each label name, in the order of their ids: `values_offset: u64`, `values_len: u64`,
//! `postings_offset: u64`, `postings_len: u64`, offsets from the start of the values and postings sections.

use std::ops::Range;

use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "label directory";
const ENTRY_BYTES: usize = 32;

/// Where the data of one label lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelEntry {
    /// Its dictionary, in bytes from the start of the values section.
    pub values: Range<u64>,
    /// Its postings, in bytes from the start of the postings section.
    pub postings: Range<u64>,
}

impl LabelEntry {
    /// Appends the entry to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        for range in [&self.values, &self.postings] {
            writer.u64(range.start);
            writer.u64(range.end.saturating_sub(range.start));
        }
    }
}

/// The directory in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct LabelDirectory<'a> {
    bytes: &'a [u8],
}

impl<'a> LabelDirectory<'a> {
    /// The directory in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The entry of the label name `id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: u32) -> Result<LabelEntry, DecodeError> {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_mul(ENTRY_BYTES));
        let mut reader = Reader::new(self.bytes);
        reader.take(at.ok_or(DecodeError::new(WHAT, 0))?, WHAT)?;
        let mut range = || -> Result<Range<u64>, DecodeError> {
            let start = reader.u64(WHAT)?;
            let end = start.checked_add(reader.u64(WHAT)?).ok_or_else(|| reader.error(WHAT))?;
            Ok(start..end)
        };
        Ok(LabelEntry { values: range()?, postings: range()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_id() {
        let entries = [
            LabelEntry { values: 0..10, postings: 0..u64::MAX },
            LabelEntry { values: 10..10, postings: 5..6 },
        ];
        let mut bytes = Vec::new();
        for entry in &entries {
            entry.encode(&mut bytes);
        }
        let directory = LabelDirectory::new(&bytes);
        assert_eq!(directory.get(0), Ok(entries[0].clone()));
        assert_eq!(directory.get(1), Ok(entries[1].clone()));
        assert!(directory.get(2).is_err() && directory.get(u32::MAX).is_err());
    }

    #[test]
    fn a_range_past_the_end_of_numbers_is_an_error() {
        assert!(LabelDirectory::new(&[0xff; 32]).get(0).is_err());
    }
}
