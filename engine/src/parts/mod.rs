//! Parts of objects that were read, shared by all who read object storage.
//!
//! Objects do not change, so what was read once is right for ever. Parts are 64 KiB, as checksums are; what is kept here
//! was verified.
//!
//! * `disk` - those for which memory has no room

mod disk;

use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::env::Fs;
use disk::DiskParts;

/// Length of a part; the last one of an object may be shorter.
pub(crate) const PART_BYTES: usize = 64 << 10;
/// Parts that are missing between two that are wanted are read along if they are no more than this: a request costs more
/// than they do.
const GAP_PARTS: usize = 1;

const _: () = assert!(PART_BYTES == kymo_formats::rollup::table::PART_BYTES);
const _: () = assert!(PART_BYTES == kymo_formats::block::PAGE_BYTES);

/// What is kept of objects, least recently used first out.
#[derive(Debug)]
pub(crate) struct PartCache {
    parts: quick_cache::sync::Cache<(Arc<str>, usize), Bytes, PartWeight>,
    disk: Option<DiskParts>,
    bytes_max: u64,
    requests: AtomicU64,
    fetched_bytes: AtomicU64,
    hits: AtomicU64,
}

#[derive(Debug, Clone)]
struct PartWeight;

impl quick_cache::Weighter<(Arc<str>, usize), Bytes> for PartWeight {
    fn weight(&self, _: &(Arc<str>, usize), part: &Bytes) -> u64 {
        part.len() as u64 + 128
    }
}

/// What reading objects cost since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchStats {
    /// Requests to places.
    pub requests: u64,
    /// Bytes that they brought.
    pub bytes: u64,
    /// Parts that were there already.
    pub hits: u64,
    /// Bytes that are kept.
    pub cached_bytes: u64,
    /// Parts that were there on disk.
    pub disk_hits: u64,
    /// Bytes that the cache on disk takes.
    pub disk_bytes: u64,
}

impl FetchStats {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
            hits: self.hits + other.hits,
            cached_bytes: self.cached_bytes + other.cached_bytes,
            disk_hits: self.disk_hits + other.disk_hits,
            disk_bytes: self.disk_bytes + other.disk_bytes,
        }
    }
}

impl PartCache {
    /// A cache of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let parts = usize::try_from(bytes_max / PART_BYTES as u64).unwrap_or(usize::MAX).max(16);
        Self {
            parts: quick_cache::sync::Cache::with_weighter(parts, bytes_max, PartWeight),
            disk: None,
            bytes_max,
            requests: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        }
    }

    /// The same, and on disk at most `bytes_max` bytes in the data directory `dir`, as far as that is possible.
    pub(crate) fn with_disk(mut self, fs: &Arc<dyn Fs>, dir: &Path, bytes_max: u64) -> Self {
        self.disk = DiskParts::open(fs, dir, bytes_max);
        self
    }

    /// Leaves so many bytes of the disk to others.
    pub(crate) fn leave_free(&self, bytes: u64) {
        if let Some(disk) = &self.disk {
            disk.leave_free(bytes);
        }
    }

    pub(crate) fn stats(&self) -> FetchStats {
        FetchStats {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.fetched_bytes.load(Ordering::Relaxed),
            hits: self.hits.load(Ordering::Relaxed),
            cached_bytes: self.parts.weight(),
            disk_hits: self.disk.as_ref().map_or(0, |disk| disk.hits.load(Ordering::Relaxed)),
            disk_bytes: self.disk.as_ref().map_or(0, DiskParts::bytes),
        }
    }

    /// Parts that may be read ahead of their use without pushing each other out.
    pub(crate) fn parts_ahead_max(&self) -> usize {
        usize::try_from(self.bytes_max / 2 / PART_BYTES as u64).unwrap_or(usize::MAX)
    }

    /// Takes note of a request.
    pub(crate) fn note_request(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes note of parts that were there already.
    pub(crate) fn note_hits(&self, parts: u64) {
        self.hits.fetch_add(parts, Ordering::Relaxed);
    }

    /// A part of the object `key`, if it is there.
    pub(crate) fn get(&self, key: &Arc<str>, part: usize) -> Option<Bytes> {
        if let Some(bytes) = self.parts.get(&(Arc::clone(key), part)) {
            return Some(bytes);
        }
        let bytes = self.disk.as_ref()?.get(key, part)?;
        self.parts.insert((Arc::clone(key), part), bytes.clone());
        Some(bytes)
    }

    /// Keeps a part, which was verified. It is copied: else all that was read at once would stay as long as one part of it
    /// does.
    pub(crate) fn insert(&self, key: &Arc<str>, part: usize, bytes: &Bytes) {
        self.parts.insert((Arc::clone(key), part), Bytes::copy_from_slice(bytes));
        if let Some(disk) = &self.disk {
            disk.insert(key, part, bytes);
        }
    }

    /// `len` bytes that were kept by [`Self::insert_whole`], if all of them are on disk.
    pub(crate) fn get_whole(&self, key: &Arc<str>, len: usize) -> Option<Bytes> {
        let disk = self.disk.as_ref()?;
        let mut bytes = Vec::with_capacity(len);
        for part in 0..len.div_ceil(PART_BYTES) {
            bytes.extend_from_slice(&disk.get(key, part)?);
        }
        (bytes.len() == len).then(|| bytes.into())
    }

    /// Keeps bytes of any length on disk only: whoever uses them has them in memory.
    pub(crate) fn insert_whole(&self, key: &Arc<str>, bytes: &[u8]) {
        let Some(disk) = &self.disk else { return };
        for (part, bytes) in bytes.chunks(PART_BYTES).enumerate() {
            disk.insert(key, part, bytes);
        }
    }
}

/// Parts, ascending, as ranges that are worth one request each.
pub(crate) fn runs(parts: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match runs.last_mut() {
            Some(run) if part <= run.end + GAP_PARTS => run.end = part + 1,
            _ => runs.push(part..part + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_request() {
        assert_eq!(runs([1, 2, 4, 7, 8]), [1..5, 7..9]);
        assert!(runs([]).is_empty());
    }
}
