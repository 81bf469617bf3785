//! Verified parts of objects.
//!
//! Objects do not change, so what was read once is right for ever. Parts are 64 KiB, as checksums are: what a reader asks
//! for is rounded to them, and parts that lie side by side are one request.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kymo_formats::{
    checksum::crc32,
    rollup::table::{DataChecksums, PART_BYTES},
};
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

use super::TierError;
use crate::{
    env::ObjectStore,
    parts::{PartCache, runs},
};

/// An object whose parts can be verified.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedObject {
    store: Arc<dyn ObjectStore>,
    cache: Arc<PartCache>,
    key: Arc<str>,
    checksums: Arc<DataChecksums>,
    /// Requests that were made of this object, and bytes that they brought.
    fetched: Arc<(AtomicU64, AtomicU64)>,
}

impl VerifiedObject {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        cache: Arc<PartCache>,
        key: String,
        checksums: DataChecksums,
    ) -> Self {
        Self { store, cache, key: key.into(), checksums: Arc::new(checksums), fetched: Arc::default() }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Requests that were made of this object, and bytes that they brought.
    pub(crate) fn fetched(&self) -> (u64, u64) {
        (self.fetched.0.load(Ordering::Relaxed), self.fetched.1.load(Ordering::Relaxed))
    }

    fn note_request(&self, bytes: u64) {
        self.cache.note_request(bytes);
        self.fetched.0.fetch_add(1, Ordering::Relaxed);
        self.fetched.1.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Reads what of `ranges` is not there yet, with as few requests as possible: how many these are, and what they bring.
    ///
    /// # Errors
    /// Errors of the place, and when the object is damaged.
    pub(crate) fn prefetch(&self, ranges: &[Range<u64>]) -> Result<(u64, u64), TierError> {
        let mut wanted: Vec<usize> = ranges.iter().flat_map(|range| self.parts_of(range)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let (there, missing): (Vec<usize>, Vec<usize>) =
            wanted.into_iter().partition(|part| self.cache.get(&self.key, *part).is_some());
        self.cache.note_hits(there.len() as u64);
        let runs = runs(missing);
        if runs.is_empty() {
            return Ok((0, 0));
        }
        let bounds: Vec<Range<u64>> = runs.iter().map(|run| self.bytes_of(run)).collect();
        let fetched = self.store.get_ranges(&self.key, &bounds)?;
        let cost = (fetched.len() as u64, fetched.iter().map(|bytes| bytes.len() as u64).sum());
        for (run, bytes) in runs.into_iter().zip(fetched) {
            self.note_request(bytes.len() as u64);
            self.keep(run, &bytes)?;
        }
        Ok(cost)
    }

    /// Verifies the parts of `run` and keeps them.
    fn keep(&self, run: Range<usize>, bytes: &Bytes) -> Result<(), TierError> {
        let first = run.start;
        for part in run {
            let from = (part - first) * PART_BYTES;
            let piece = bytes.slice(from.min(bytes.len())..(from + PART_BYTES).min(bytes.len()));
            let expected = self.checksums.parts.get(part).copied();
            let found = crc32(&piece);
            if expected != Some(found) {
                let problem = format!(
                    "checksum of the bytes from {}: expected {:08x}, found {found:08x}",
                    part * PART_BYTES,
                    expected.unwrap_or_default(),
                );
                return Err(TierError::Damaged { key: self.key.to_string(), problem });
            }
            self.cache.insert(&self.key, part, &piece);
        }
        Ok(())
    }

    fn parts_of(&self, range: &Range<u64>) -> Range<usize> {
        let end = range.end.min(self.checksums.data_bytes);
        if range.start >= end {
            return 0..0;
        }
        let part = |byte: u64| usize::try_from(byte / PART_BYTES as u64).unwrap_or(usize::MAX);
        part(range.start)..part(end - 1) + 1
    }

    fn bytes_of(&self, parts: &Range<usize>) -> Range<u64> {
        let byte = |part: usize| (part as u64 * PART_BYTES as u64).min(self.checksums.data_bytes);
        byte(parts.start)..byte(parts.end)
    }

    /// A part, from the cache or the place.
    fn part(&self, part: usize) -> Result<Bytes, TierError> {
        if let Some(bytes) = self.cache.get(&self.key, part) {
            return Ok(bytes);
        }
        let bounds = self.bytes_of(&(part..part + 1));
        let fetched = self.store.get_ranges(&self.key, &[bounds])?;
        let bytes = fetched.into_iter().next().unwrap_or_default();
        self.note_request(bytes.len() as u64);
        self.keep(part..part + 1, &bytes)?;
        Ok(bytes)
    }

    fn read(&self, start: u64, length: usize) -> Result<Bytes, TierError> {
        let end = start.saturating_add(length as u64);
        if end > self.checksums.data_bytes {
            let problem = format!("bytes {start} to {end} of {} were asked for", self.checksums.data_bytes);
            return Err(TierError::Damaged { key: self.key.to_string(), problem });
        }
        let parts = self.parts_of(&(start..end));
        let into = |byte: u64, part: usize| {
            usize::try_from(byte.saturating_sub(part as u64 * PART_BYTES as u64)).unwrap_or(usize::MAX)
        };
        if parts.len() == 1 {
            let part = self.part(parts.start)?;
            return Ok(part.slice(into(start, parts.start)..into(end, parts.start)));
        }
        let mut bytes = Vec::with_capacity(length);
        for number in parts {
            let part = self.part(number)?;
            bytes.extend_from_slice(&part[into(start, number)..into(end, number).min(part.len())]);
        }
        Ok(bytes.into())
    }
}

impl Length for VerifiedObject {
    fn len(&self) -> u64 {
        self.checksums.data_bytes
    }
}

impl ChunkReader for VerifiedObject {
    type T = Box<dyn std::io::Read>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let rest = usize::try_from(self.len().saturating_sub(start)).unwrap_or(usize::MAX);
        Ok(Box::new(std::io::Cursor::new(self.get_bytes(start, rest)?)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}
