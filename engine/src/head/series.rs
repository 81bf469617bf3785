//! What the head knows of one series.

use kymo_formats::codec::xor::XorAppender;

use super::{arena::ByteSpan, sealed::NO_CHUNK, slab::Slot};
use crate::model::Fingerprint;

/// One series of a shard. There are millions: no field that most series do not need, and no allocation.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) fingerprint: Fingerprint,
    /// Ids of its labels, packed; see [`super::labels::LabelTable`].
    pub(super) packed_labels: ByteSpan,
    /// The WAL segment that last described the series, in its low 32 bits.
    pub(super) wal_segment: u32,
    /// The shard's generation that `sealed` belongs to.
    pub(super) generation: u32,
    /// Newest sealed chunk in that generation.
    pub(super) sealed: u32,
    /// The open float chunk, if there is one.
    pub(super) slot: Slot,
    pub(super) appender: XorAppender,
    /// Time of the first sample of the open chunk, floats or histograms.
    pub(super) open_since: i64,
    /// Time of the newest sample; `i64::MIN` before the first.
    pub(super) newest_ts: i64,
    /// Bits of the newest in-order float.
    pub(super) newest_value: u64,
    /// What the newest sample is.
    pub(super) newest_kind: Kind,
}

/// What a series' newest sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is none.
    Nothing,
    Float,
    Histogram,
}

impl Series {
    pub(super) fn new(fingerprint: Fingerprint, packed_labels: ByteSpan) -> Self {
        Self {
            fingerprint,
            packed_labels,
            wal_segment: 0,
            generation: 0,
            sealed: NO_CHUNK,
            slot: Slot::NONE,
            appender: XorAppender::default(),
            open_since: 0,
            newest_ts: i64::MIN,
            newest_value: 0,
            newest_kind: Kind::Nothing,
        }
    }
}
