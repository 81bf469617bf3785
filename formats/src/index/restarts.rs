//! The table that makes a sequence of entries of varying length searchable.
//!
//! `count: u32`, then for every 16th entry its offset as `u32` from the end of the table, then the entries.

use super::{RESTART_INTERVAL, TooLarge};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

/// Collects entries and notes where every 16th starts.
#[derive(Debug, Default)]
pub(super) struct RestartBuilder {
    offsets: Vec<u32>,
    pub(super) entries: Vec<u8>,
    count: u32,
}

impl RestartBuilder {
    /// Counts one more entry, whose bytes the caller appends to `entries` next; whether it is a restart.
    pub(super) fn start_entry(&mut self, what: &'static str) -> Result<bool, TooLarge> {
        let restart = self.count.is_multiple_of(RESTART_INTERVAL);
        if restart {
            self.offsets.push(u32::try_from(self.entries.len()).map_err(|_| TooLarge { what })?);
        }
        self.count = self.count.checked_add(1).ok_or(TooLarge { what })?;
        Ok(restart)
    }

    /// Entries so far.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Appends table and entries to `out`.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u32(self.count);
        for offset in &self.offsets {
            writer.u32(*offset);
        }
        writer.bytes(&self.entries);
    }
}

/// The table and entries of a [`RestartBuilder`], borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restarts<'a> {
    count: u32,
    offsets: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Restarts<'a> {
    pub(super) fn parse(bytes: &'a [u8], what: &'static str) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u32(what)?;
        let table = usize::try_from(count.div_ceil(RESTART_INTERVAL)).ok().and_then(|n| n.checked_mul(4));
        let offsets = reader.take(table.ok_or_else(|| reader.error(what))?, what)?;
        Ok(Self { count, offsets, entries: reader.remaining() })
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Number of restarts.
    pub(super) const fn groups(&self) -> u32 {
        self.count.div_ceil(RESTART_INTERVAL)
    }

    /// A reader at the first entry.
    pub(super) const fn start(&self) -> Reader<'a> {
        Reader::new(self.entries)
    }

    /// A reader at the first entry of group `group`.
    pub(super) fn group(&self, group: u32, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        let at = usize::try_from(group).ok().and_then(|group| group.checked_mul(4));
        let offset = at
            .and_then(|at| self.offsets.get(at..)?.first_chunk::<4>())
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or(DecodeError::new(what, 4))?;
        let mut reader = Reader::new(self.entries);
        reader.take(usize::try_from(offset).map_err(|_| DecodeError::new(what, 4))?, what)?;
        Ok(reader)
    }
}
