//! The distinct columns of timestamps of a block, each kept once for all chunks that refer to it.
//!
//! `count: u32`, then for each column `length: u32`, the number of its timestamps, and `end: u64`, where its
//! bytes end, counted from the end of this table; then the columns, each as [`crate::codec::integers`] writes
//! it.

use crate::{
    DecodeError,
    codec::integers,
    cursor::{Reader, Writer},
};

/// Most timestamps in one column: a few bytes can stand for any number of them, so there is a limit.
pub const COLUMN_LEN_MAX: usize = 1 << 20;

const ENTRY_BYTES: usize = 12;

/// Appends the section with these columns to `out`.
///
/// # Panics
/// When there are more than `u32::MAX` columns, or one is longer than [`COLUMN_LEN_MAX`].
pub fn encode<C: AsRef<[i64]>>(columns: &[C], out: &mut Vec<u8>) {
    let mut data = Vec::new();
    let mut writer = Writer::new(out);
    writer.u32(
        u32::try_from(columns.len()).expect("as many columns as chunks at most, which are counted in u32"),
    );
    for column in columns {
        let column = column.as_ref();
        assert!(column.len() <= COLUMN_LEN_MAX, "a column of {} timestamps is too long", column.len());
        integers::encode(column, &mut data);
        writer.u32(u32::try_from(column.len()).expect("below the limit"));
        writer.u64(data.len() as u64);
    }
    writer.bytes(&data);
}

/// The section in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct TimestampColumns<'a> {
    table: &'a [u8],
    data: &'a [u8],
}

impl<'a> TimestampColumns<'a> {
    /// The section in `bytes`.
    ///
    /// # Errors
    /// When the table is cut off.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u32("timestamp columns")? as usize;
        let len = count.checked_mul(ENTRY_BYTES).ok_or_else(|| reader.error("timestamp columns"))?;
        Ok(Self { table: reader.take(len, "timestamp columns")?, data: reader.remaining() })
    }

    /// Number of columns.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len() / ENTRY_BYTES
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The timestamps of column `idx`, milliseconds.
    ///
    /// # Errors
    /// When there is no such column, or it does not decode.
    pub fn get(&self, idx: u32) -> Result<Vec<i64>, DecodeError> {
        let error = || DecodeError::new("timestamp column", idx as usize);
        let (len, end) = self.entry(idx as usize).ok_or_else(error)?;
        let start = match (idx as usize).checked_sub(1) {
            Some(before) => self.entry(before).ok_or_else(error)?.1,
            None => 0,
        };
        if len > COLUMN_LEN_MAX {
            return Err(error());
        }
        let mut column = Vec::new();
        integers::decode(self.data.get(start..end).ok_or_else(error)?, len, &mut column)?;
        Ok(column)
    }

    /// Length and end of a column.
    fn entry(&self, idx: usize) -> Option<(usize, usize)> {
        let start = idx.checked_mul(ENTRY_BYTES)?;
        let mut reader = Reader::new(self.table.get(start..start.checked_add(ENTRY_BYTES)?)?);
        let len = reader.u32("length").ok()?;
        let end = reader.u64("end").ok()?;
        Some((usize::try_from(len).ok()?, usize::try_from(end).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::test_config::config;

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/timestamps.txt")))]

        #[test]
        fn columns_come_back(columns in vec(vec(any::<i64>(), 1..60), 0..20), at: prop::sample::Index, byte: u8) {
            let mut bytes = Vec::new();
            encode(&columns, &mut bytes);
            let parsed = TimestampColumns::parse(&bytes).unwrap();
            prop_assert_eq!(parsed.len(), columns.len());
            for (idx, column) in (0..).zip(&columns) {
                prop_assert_eq!(&parsed.get(idx).unwrap(), column);
            }
            prop_assert!(parsed.get(u32::try_from(columns.len()).unwrap()).is_err());
            // Damage is an error or other timestamps, never a panic or memory without end.
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(parsed) = TimestampColumns::parse(&bytes) {
                for (idx, _) in (0..30).zip(0..parsed.len()) {
                    if let Ok(column) = parsed.get(idx) {
                        prop_assert!(column.len() <= COLUMN_LEN_MAX);
                    }
                }
            }
        }
    }
}
