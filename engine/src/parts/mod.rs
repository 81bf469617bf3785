//! Parts of objects in memory, shared by all who read object storage.
//!
//! Objects do not change, so what was read once is right for ever. Parts are 64 KiB, as checksums are; what is kept here
//! was verified.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

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
}

impl PartCache {
    /// A cache of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let parts = usize::try_from(bytes_max / PART_BYTES as u64).unwrap_or(usize::MAX).max(16);
        Self {
            parts: quick_cache::sync::Cache::with_weighter(parts, bytes_max, PartWeight),
            bytes_max,
            requests: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        }
    }

    pub(crate) fn stats(&self) -> FetchStats {
        FetchStats {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.fetched_bytes.load(Ordering::Relaxed),
            hits: self.hits.load(Ordering::Relaxed),
            cached_bytes: self.parts.weight(),
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
        self.parts.get(&(Arc::clone(key), part))
    }

    /// Keeps a part, which was verified. It is copied: else all that was read at once would stay as long as one part of it
    /// does.
    pub(crate) fn insert(&self, key: &Arc<str>, part: usize, bytes: &Bytes) {
        self.parts.insert((Arc::clone(key), part), Bytes::copy_from_slice(bytes));
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
