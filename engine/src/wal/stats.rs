//! What the write-ahead log counts.

/// Upper bounds of the sync latency histogram in seconds; one more bucket holds what is above the last.
pub const SYNC_SECONDS_BOUNDS: [f64; 11] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0];

/// The log's counters and gauges at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalStats {
    /// Frames appended since the log was opened.
    pub frames_total: u64,
    /// Bytes appended since the log was opened, frame headers included.
    pub bytes_total: u64,
    /// Writes handed to the kernel.
    pub writes_total: u64,
    /// Syncs of segments that succeeded.
    pub syncs_total: u64,
    /// Time spent in them.
    pub sync_nanos_total: u64,
    /// Syncs by latency, not cumulated: see [`SYNC_SECONDS_BOUNDS`].
    pub sync_buckets: [u64; SYNC_SECONDS_BOUNDS.len() + 1],
    /// Segments begun because the one before was full or a flush asked for it.
    pub rotations_total: u64,
    /// Number of the current segment.
    pub segment: u64,
    /// Segment files, the current one included.
    pub segments: u64,
    /// Recycled files that wait to become segments.
    pub spares: u64,
    /// Bytes in memory that the kernel does not have yet.
    pub buffered_bytes: u64,
    /// Bytes of the current segment that a power loss may take.
    pub unsynced_bytes: u64,
    /// Requests that hold a pin.
    pub pins: u64,
    /// Requests that wait for their bytes to be safe.
    pub waiting: u64,
    /// Whether the log takes no more writes.
    pub failed: bool,
}

impl WalStats {
    pub(super) fn count_sync(&mut self, nanos: u64) {
        self.syncs_total += 1;
        self.sync_nanos_total = self.sync_nanos_total.saturating_add(nanos);
        let seconds = nanos as f64 / 1e9;
        let bucket = SYNC_SECONDS_BOUNDS.partition_point(|bound| *bound < seconds);
        self.sync_buckets[bucket] += 1;
    }
}
