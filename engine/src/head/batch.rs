//! One request: resolves series, collects rows, commits them.

use std::sync::atomic::Ordering;

use kymo_formats::wal::{KIND_METADATA, KIND_ROWS, rows::RowsEncoder};
use parking_lot::RwLockReadGuard;

use super::{
    Head, Pressure, SeriesPlace,
    append::{Bounds, FloatSample, HistogramSample},
    exemplars::{Added, Exemplar},
    metadata::Metadata,
    raw_table::RawHash,
    refusal::{Refusal, RefusedRow},
    shard::Shard,
};
use crate::{
    data_time::ArrivalTimes,
    error::ErrorKind,
    model::{HistogramValue, Labels, is_stale},
    wal::{Lsn, Wal, WalError, WalPin},
};

/// A histogram without buckets, integer or float.
const STALE_HISTOGRAM_BYTES_MAX: usize = 128;
/// Bound of the log bytes above which a batch counts as large.
const LARGE_BATCH_BYTES: usize = 8 << 20;
/// Refused rows that are reported one by one; further ones are only counted.
const REFUSED_ROWS_MAX: usize = 1_000;

/// Rows on their way in. Nothing is stored before [`Batch::commit`]; a dropped batch stores nothing.
///
/// A batch keeps series from being moved: do not keep one longer than it takes to fill it, and do not open two
/// in one thread.
#[derive(Debug)]
#[must_use = "rows are stored by `commit`"]
pub struct Batch<'a> {
    head: &'a Head,
    wal: &'a Wal,
    /// Tells it from the batches before and after it.
    number: u32,
    bounds: Bounds,
    shards: Vec<ShardRows>,
    metadata: Vec<(String, Metadata)>,
    /// Whether there was some that is known.
    metadata_repeated: bool,
    /// Bound of the bytes that the WAL needs.
    bytes_max: usize,
    refused: Refused,
    _series_stay: RwLockReadGuard<'a, ()>,
}

/// A series as the batch that it was asked of knows it: afterwards it may be forgotten, and another one take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesRef {
    place: SeriesPlace,
    /// Number of the batch.
    batch: u32,
}

/// Rows of one shard.
#[derive(Debug, Default)]
struct ShardRows {
    floats: Vec<FloatSample>,
    histograms: Vec<HistogramSample>,
    exemplars: Vec<(u32, Exemplar)>,
}

/// Why nothing of a batch is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Memory is used up: writes are welcome again once data has moved to blocks.
    #[error("memory budget of {budget_bytes} bytes used up")]
    MemoryBudget {
        /// The budget.
        budget_bytes: u64,
    },
    /// The log takes no rows now, or none any more.
    #[error(transparent)]
    Wal(#[from] WalError),
}

impl CommitError {
    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::MemoryBudget { .. } => ErrorKind::Unavailable,
            Self::Wal(error) => error.kind(),
        }
    }
}

/// What a commit stored. Everything counted here is durable as far as `wal.sync` promises.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AppendOutcome {
    /// Floats that are stored, repeats of stored ones included.
    pub floats: u64,
    /// Native histograms that are stored, repeats of stored ones included.
    pub histograms: u64,
    /// Exemplars that are stored, repeats of stored ones included.
    pub exemplars: u64,
    /// Rows that were refused, at most the first thousand.
    pub refused: Vec<RefusedRow>,
    /// Number of rows that were refused.
    pub refused_count: u64,
}

#[derive(Debug, Default)]
struct Refused {
    rows: Vec<RefusedRow>,
    count: u64,
}

impl Refused {
    fn push(&mut self, labels: impl FnOnce() -> Labels, ts: Option<i64>, reason: Refusal) {
        self.count += 1;
        if self.rows.len() < REFUSED_ROWS_MAX {
            self.rows.push(RefusedRow { labels: labels(), ts, reason });
        }
    }
}

impl Head {
    /// An empty batch.
    pub(crate) fn batch<'a>(&'a self, wal: &'a Wal, now_ms: i64, oldest_ts: i64) -> Batch<'a> {
        // The last moment of all has no end: no half-open range holds it.
        let newest_ts = now_ms.saturating_add(self.config.future_max_ms).min(i64::MAX - 1);
        Batch {
            head: self,
            wal,
            number: self.batches.fetch_add(1, Ordering::Relaxed),
            bounds: Bounds { oldest_ts, newest_ts, window_ms: self.window_ms },
            shards: self.shards.iter().map(|_| ShardRows::default()).collect(),
            metadata: Vec::new(),
            metadata_repeated: false,
            bytes_max: 0,
            refused: Refused::default(),
            // Fair, unlike those of readers: else batches that overlap for ever would keep out who waits to be alone.
            _series_stay: self.gate.read(),
        }
    }
}

impl Batch<'_> {
    /// The series that was resolved under this hash before. The usual way: senders repeat themselves.
    #[inline]
    pub fn known_series(&mut self, hash: RawHash, label_bytes: usize) -> Option<SeriesRef> {
        let place = self.head.raw.get(hash)?;
        self.make_room_for_labels(label_bytes);
        Some(self.series_ref(place))
    }

    /// Appends to `found`, for each of `hashes`, the series that was resolved under it before. For many at once this
    /// is much faster than one by one. Whoever adds rows to one of them calls [`Batch::expect_labels`] first.
    pub fn known_series_all(&self, hashes: &[RawHash], found: &mut Vec<Option<SeriesRef>>) {
        self.head.raw.get_all(hashes, |place| found.push(place.map(|place| self.series_ref(place))));
    }

    /// Reserves room in the log for the labels of a series that [`Batch::known_series_all`] found. `label_bytes` is
    /// the length of their canonical bytes, or more.
    #[inline]
    pub fn expect_labels(&mut self, label_bytes: usize) {
        self.make_room_for_labels(label_bytes);
    }

    /// The series with these labels, and remembers it under `hash`, if given, for [`Batch::known_series`].
    ///
    /// # Errors
    /// When the series is new and a limit is reached, or its labels are too many or too long.
    pub fn series(&mut self, labels: &Labels, hash: Option<RawHash>) -> Result<SeriesRef, Refusal> {
        let place = self.head.resolve(labels)?;
        if let Some(hash) = hash {
            self.head.raw.insert(hash, place);
        }
        self.make_room_for_labels(labels.canonical().len());
        Ok(self.series_ref(place))
    }

    const fn series_ref(&self, place: SeriesPlace) -> SeriesRef {
        SeriesRef { place, batch: self.number }
    }

    /// Shard and id of a series.
    #[inline]
    fn split_ref(&self, series: SeriesRef) -> (usize, u32) {
        assert!(
            series.batch == self.number,
            "a series is known to the batch that it was asked of, and to no other"
        );
        self.head.split_place(series.place)
    }

    /// A described label takes its canonical bytes and an id, a series the ids of its labels again. A label takes
    /// at least four canonical bytes and an id at most five, so this bounds them all.
    fn make_room_for_labels(&mut self, label_bytes: usize) {
        self.bytes_max += RowsEncoder::SERIES_BYTES_MAX + 4 * label_bytes;
    }

    /// Adds a float. Times are milliseconds; `start_ts` 0 = unknown.
    ///
    /// # Panics
    /// When another batch was asked for the series.
    #[inline]
    pub fn float(&mut self, series: SeriesRef, ts: i64, start_ts: i64, value: f64) {
        let (shard, id) = self.split_ref(series);
        self.shards[shard].floats.push(FloatSample { id, ts, start_ts, value });
        self.bytes_max += RowsEncoder::FLOAT_BYTES_MAX;
        if is_stale(value) {
            // In a histogram series it becomes a histogram.
            self.bytes_max += STALE_HISTOGRAM_BYTES_MAX;
        }
    }

    /// Adds a native histogram. Times are milliseconds; `start_ts` 0 = unknown.
    ///
    /// # Panics
    /// When another batch was asked for the series.
    pub fn histogram(&mut self, series: SeriesRef, ts: i64, start_ts: i64, value: HistogramValue) {
        let (shard, id) = self.split_ref(series);
        self.bytes_max += RowsEncoder::histogram_bytes_max(&value);
        self.shards[shard].histograms.push(HistogramSample { id, ts, start_ts, value });
    }

    /// Adds an exemplar.
    ///
    /// # Panics
    /// When another batch was asked for the series.
    pub fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) {
        let (shard, id) = self.split_ref(series);
        self.bytes_max += RowsEncoder::SERIES_BYTES_MAX + exemplar.labels.canonical().len();
        self.shards[shard].exemplars.push((id, exemplar));
    }

    /// Tells about a metric family. What is known already costs nothing.
    pub fn metadata(&mut self, family: &str, metadata: Metadata) {
        if self.head.metadata.read().is_news(family, &metadata) {
            self.bytes_max += metadata.record(family).bytes_max();
            self.metadata.push((family.to_owned(), metadata));
        } else {
            self.metadata_repeated = true;
        }
    }

    /// Whether the batch has grown so much that it should be committed and another one be begun. A batch that
    /// outgrows a segment of the log cannot be committed.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.bytes_max >= LARGE_BATCH_BYTES
    }

    /// Counts a row as refused that the caller will not add.
    pub fn refuse(&mut self, labels: Labels, ts: Option<i64>, reason: Refusal) {
        self.refused.push(|| labels, ts, reason);
    }

    /// Stores the rows and waits until they are durable as far as `wal.sync` promises. Rows that cannot be
    /// stored are left out and reported.
    ///
    /// # Errors
    /// When nothing could be stored (no room on disk, memory used up), or when the log failed: then the rows may
    /// be stored or not, and the engine takes no more writes.
    pub fn commit(mut self) -> Result<AppendOutcome, CommitError> {
        if self.head.pressure() >= Pressure::NoWrites {
            return Err(CommitError::MemoryBudget { budget_bytes: self.head.config.budget_bytes });
        }
        let mut outcome = AppendOutcome::default();
        if let Some(lsn) = self.append(&mut outcome)? {
            self.wal.wait_durable(lsn)?;
        }
        self.head.samples.fetch_add(outcome.floats + outcome.histograms, Ordering::Relaxed);
        outcome.refused = self.refused.rows;
        outcome.refused_count = self.refused.count;
        Ok(outcome)
    }

    /// Puts all rows into the log's buffer and the head.
    pub(super) fn append(&mut self, outcome: &mut AppendOutcome) -> Result<Option<Lsn>, WalError> {
        // One frame for each shard, and one for metadata.
        let frames = self.shards.len() as u64 + 1;
        let frame_bytes = Wal::frame_bytes(RowsEncoder::HEADERS_BYTES_MAX);
        let pin = self.wal.enter(self.bytes_max as u64 + frames * frame_bytes)?;
        let mut last = None;
        let mut frame = Frame::default();
        for (index, rows) in std::mem::take(&mut self.shards).into_iter().enumerate() {
            if !rows.is_empty() {
                let lsn = self.append_to_shard(index, rows, &pin, &mut frame, outcome)?;
                last = lsn.max(last);
            }
        }
        Ok(self.append_metadata(&pin)?.max(last))
    }

    fn append_to_shard(
        &mut self,
        index: usize,
        rows: ShardRows,
        pin: &WalPin<'_>,
        frame: &mut Frame,
        outcome: &mut AppendOutcome,
    ) -> Result<Option<Lsn>, WalError> {
        // The low half of the number tells segments of the same shard apart.
        let segment = low_bits(pin.segment());
        let shard = &mut *self.head.shards[index].write();
        frame.rows.clear();
        shard.touch(rows.floats.iter().map(|sample| sample.id));
        rows.note_times(&mut shard.arrival_times);
        for sample in rows.floats {
            match shard.append_float(sample, &self.bounds, segment, &mut frame.rows) {
                Ok(()) => outcome.floats += 1,
                Err(reason) => self.refused.push(|| shard.labels_of(sample.id), Some(sample.ts), reason),
            }
        }
        for sample in rows.histograms {
            let (id, ts) = (sample.id, sample.ts);
            match shard.append_histogram(sample, &self.bounds, segment, &mut frame.rows) {
                Ok(()) => outcome.histograms += 1,
                Err(reason) => self.refused.push(|| shard.labels_of(id), Some(ts), reason),
            }
        }
        for (id, exemplar) in rows.exemplars {
            let ts = exemplar.ts;
            match self.head.append_exemplar(shard, id, exemplar, segment, &mut frame.rows) {
                Ok(()) => outcome.exemplars += 1,
                Err(reason) => self.refused.push(|| shard.labels_of(id), Some(ts), reason),
            }
        }
        if frame.rows.is_empty() {
            // Repeats of rows that another request may still be waiting for to be durable.
            return Ok(shard.applied);
        }
        frame.payload.clear();
        frame.rows.finish(&mut frame.payload);
        let number = u16::try_from(index).expect("there are at most 1024 shards");
        let lsn = pin.append(number, KIND_ROWS, &frame.payload)?;
        shard.applied = Some(lsn);
        Ok(Some(lsn))
    }

    fn append_metadata(&self, pin: &WalPin<'_>) -> Result<Option<Lsn>, WalError> {
        if self.metadata.is_empty() {
            // What another request has told and may still be waiting for.
            return Ok(self.metadata_repeated.then(|| self.head.metadata.read().applied).flatten());
        }
        let mut payload = Vec::new();
        let mut table = self.head.metadata.write();
        for (family, metadata) in &self.metadata {
            metadata.record(family).encode(&mut payload);
            table.set(family, metadata.clone());
        }
        table.applied = Some(pin.append(0, KIND_METADATA, &payload)?);
        Ok(table.applied)
    }
}

impl ShardRows {
    /// Counts the samples at the time of the first: those of one request are nearly always of the same minute.
    fn note_times(&self, times: &mut ArrivalTimes) {
        if let Some(first) = self.floats.first() {
            times.add(first.ts, self.floats.len() as u64);
        }
        if let Some(first) = self.histograms.first() {
            times.add(first.ts, self.histograms.len() as u64);
        }
    }

    const fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty() && self.exemplars.is_empty()
    }
}

/// Buffers of one frame, used again for each shard.
#[derive(Debug, Default)]
struct Frame {
    rows: RowsEncoder,
    payload: Vec<u8>,
}

impl Head {
    fn append_exemplar(
        &self,
        shard: &mut Shard,
        id: u32,
        exemplar: Exemplar,
        segment: u32,
        rows: &mut RowsEncoder,
    ) -> Result<(), Refusal> {
        let fingerprint = shard.series[id].fingerprint;
        let (ts, value, labels) = (exemplar.ts, exemplar.value, exemplar.labels.clone());
        let added = self.exemplars.lock().add(fingerprint, || shard.labels_of(id), exemplar)?;
        if added == Added::Stored {
            if shard.series[id].wal_segment != segment {
                shard.describe(id, segment, rows);
            }
            rows.exemplar(id, ts, value, labels.canonical());
        }
        Ok(())
    }
}

/// The part of a segment's number that a series remembers: enough to tell it from the few others that exist.
fn low_bits(segment: u64) -> u32 {
    let [a, b, c, d, ..] = segment.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
