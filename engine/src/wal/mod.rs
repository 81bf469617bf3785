//! The write-ahead log: what was acknowledged and is not yet in a block.
//!
//! One log for all shards and signals, in segments of a fixed, preallocated size. A request pins the current
//! segment ([`Wal::enter`]), which guarantees room for its frames, appends them, applies them to the head, drops
//! the pin, and waits until they are durable ([`Wal::wait_durable`]). Many waiters share one sync.
//!
//! * `writer` - [`Wal`]: pins, acknowledgement, rotation, removal
//! * `shared` - what its users share: the buffer, group commit, how bytes move
//! * `segment` - names of segment files, their creation and recycling
//! * `replay` - [`Replay`]: frames back in order; torn tails and damage
//! * `check` - the segments as they lie on disk, read without mending them
//! * `config`, `stats`, `error`

mod check;
mod config;
mod error;
mod replay;
mod segment;
mod shared;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;

use kymo_formats::wal::lsn_at;
pub(crate) use {
    check::{CheckedSegment, check},
    segment::{path as segment_path, paths_from as segment_paths_from},
};
pub use {
    config::{WalConfig, WalSync},
    error::WalError,
    replay::{QuarantinedRange, Replay, ReplayReport, ReplayedFrame, TruncatedTail},
    stats::{SYNC_SECONDS_BOUNDS, WalStats},
    writer::{Wal, WalPin},
};

/// The place of a frame in the log. A later frame has a greater one, across segments and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The place at byte `offset` of `segment`.
    #[must_use]
    pub const fn new(segment: u64, offset: u32) -> Self {
        Self(lsn_at(segment, offset))
    }

    /// The place that a frame names itself.
    pub(crate) const fn from_raw(lsn: u64) -> Self {
        Self(lsn)
    }

    /// The segment it lies in.
    #[must_use]
    pub const fn segment(self) -> u64 {
        self.0 >> 32
    }

    /// Its first byte in the segment.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.0 & 0xffff_ffff
    }

    /// As it is written in the frame.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.segment(), self.offset())
    }
}
