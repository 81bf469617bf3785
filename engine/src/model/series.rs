//! The identity of a series.

use xxhash_rust::xxh3::xxh3_128;

use super::Labels;

/// The 128-bit xxh3 of a series' canonical label bytes: its identity, without an allocator of ids, so that
/// replay is idempotent and blocks of different nodes merge.
///
/// Not collision-proof against somebody who searches for collisions: whoever finds a series by it compares
/// the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The identity of the series with these labels.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        Self(xxh3_128(labels.canonical()))
    }
}
