//! How far a start has come, for whoever watches from another thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// The replay of the log while a store is opened; see [`crate::Engine::open_watched`].
#[derive(Debug, Default)]
pub struct ReplayProgress {
    first: AtomicU64,
    last: AtomicU64,
    current: AtomicU64,
}

/// Segments of the log that a start replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayedSegments {
    /// Number of the first one; 0 before it is known, and when there is none.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// Number of the one that is being replayed, or was replayed last; 0 before the first.
    pub current: u64,
}

impl ReplayProgress {
    /// Where the replay is. It stays at the last segment once it is done.
    #[must_use]
    pub fn segments(&self) -> ReplayedSegments {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        // In the reverse order of the writes, so that no current segment is seen without its range.
        let current = self.current.load(Ordering::Acquire);
        ReplayedSegments { first: load(&self.first), last: load(&self.last), current }
    }

    pub(super) fn begin(&self, (first, last): (u64, u64)) {
        self.first.store(first, Ordering::Relaxed);
        self.last.store(last, Ordering::Relaxed);
    }

    pub(super) fn at(&self, segment: u64) {
        self.current.store(segment, Ordering::Release);
    }
}
