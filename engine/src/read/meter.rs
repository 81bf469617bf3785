//! What reading took, counted per selection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::damage::DamageLog;

/// What reading the series of a selection took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCost {
    /// Blocks, or data files of a tier, that hold series of the selection.
    pub files: u64,
    /// Chunks that were decoded, in blocks and in the head.
    pub chunks: u64,
    /// Chunks whose summaries stood for them.
    pub summaries: u64,
    /// Rows of a tier that were read.
    pub rows: u64,
    /// Bytes of the chunks, or of the parts of data files that hold the rows.
    pub bytes: u64,
    /// Requests to the place of a tier. What is cached takes none.
    pub requests: u64,
    /// Bytes that these brought.
    pub fetched_bytes: u64,
}

impl ReadCost {
    /// Adds another cost to this one.
    pub const fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.chunks += other.chunks;
        self.summaries += other.summaries;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.fetched_bytes += other.fetched_bytes;
    }
}

/// Counts while the series of a selection are read, by several threads.
#[derive(Debug, Default)]
pub struct ReadMeter {
    files: AtomicU64,
    chunks: AtomicU64,
    summaries: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
    fetched_bytes: AtomicU64,
}

impl ReadMeter {
    /// What was read so far.
    #[must_use]
    pub fn cost(&self) -> ReadCost {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReadCost {
            files: load(&self.files),
            chunks: load(&self.chunks),
            summaries: load(&self.summaries),
            rows: load(&self.rows),
            bytes: load(&self.bytes),
            requests: load(&self.requests),
            fetched_bytes: load(&self.fetched_bytes),
        }
    }

    pub(crate) fn add(&self, cost: &ReadCost) {
        let counts = [
            (&self.files, cost.files),
            (&self.chunks, cost.chunks),
            (&self.summaries, cost.summaries),
            (&self.rows, cost.rows),
            (&self.bytes, cost.bytes),
            (&self.requests, cost.requests),
            (&self.fetched_bytes, cost.fetched_bytes),
        ];
        for (count, more) in counts.into_iter().filter(|(_, more)| *more > 0) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }
}

/// What the series of a selection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) damage: Arc<DamageLog>,
    pub(super) meter: Arc<ReadMeter>,
}
