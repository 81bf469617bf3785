//! One shard of the head: its series, their open chunks, and what waits for the flush.

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use hashbrown::HashTable;

use super::{
    arena::ByteArena,
    histograms::OpenHistograms,
    labels::{LabelTable, label_ids},
    late::LateSamples,
    paged::Paged,
    pattern_cache::PatternCache,
    sealed::{Generation, NO_CHUNK, SealedChunks},
    series::Series,
    slab::Slab,
};
use crate::{
    model::{Fingerprint, Labels},
    wal::Lsn,
};

/// A shard. Everything in it is reached under its lock.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) series: Paged<Series>,
    by_fingerprint: HashTable<u32>,
    packed_labels: ByteArena,
    labels: LabelTable,
    /// Which labels match regular expressions.
    pub(super) patterns: PatternCache,
    pub(super) slab: Slab,
    /// What few series have.
    pub(super) extras: BTreeMap<u32, Extra>,
    /// Late samples since the last flush.
    pub(super) late: BTreeMap<u32, LateSamples>,
    /// Chunks sealed since the last flush.
    pub(super) sealed: SealedChunks,
    /// Counts the flushes: [`Series::sealed`] is meaningful in its own generation only.
    pub(super) generation: u32,
    /// What flushes took out and did not make durable yet, oldest first.
    pub(super) pending: Vec<Arc<Generation>>,
    /// The newest WAL frame that is applied here; none since the start.
    pub(super) applied: Option<Lsn>,
    /// Time of the newest sample, `i64::MIN` before the first.
    pub(super) newest_ts: i64,
    /// Number of late samples in `late`.
    pub(super) late_len: usize,
}

/// State that few series need.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Start timestamps of the open float chunk's samples; empty when none is known.
    pub(super) start_ts: Vec<i64>,
    /// The open histogram chunk.
    pub(super) histograms: Option<OpenHistograms>,
}

impl Shard {
    /// An empty shard; `seed` makes its hash tables unpredictable.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            series: Paged::default(),
            by_fingerprint: HashTable::new(),
            packed_labels: ByteArena::default(),
            labels: LabelTable::new(seed),
            patterns: PatternCache::default(),
            slab: Slab::default(),
            extras: BTreeMap::new(),
            late: BTreeMap::new(),
            sealed: SealedChunks::default(),
            generation: 0,
            pending: Vec::new(),
            applied: None,
            newest_ts: i64::MIN,
            late_len: 0,
        }
    }

    pub(super) const fn labels(&self) -> &LabelTable {
        &self.labels
    }

    /// Number of series.
    pub(super) fn series_len(&self) -> u32 {
        u32::try_from(self.series.len()).expect("limits keep a shard's series below 2^32")
    }

    /// The series with these labels, if it is known.
    pub(super) fn find(&self, fingerprint: Fingerprint, labels: &Labels) -> Option<u32> {
        let equal = |series: &Series| {
            series.fingerprint == fingerprint
                && self.labels.equals(self.packed_labels.get(series.packed_labels), labels)
        };
        self.by_fingerprint.find(low_bits(fingerprint), |id| equal(&self.series[*id])).copied()
    }

    /// Adds a series that is not known yet.
    pub(super) fn add(&mut self, fingerprint: Fingerprint, labels: &Labels) -> u32 {
        let id = self.series_len();
        let mut packed = Vec::with_capacity(64);
        self.labels.add_series(id, labels, &mut packed);
        let packed = self.packed_labels.push(&packed);
        self.series.push(Series::new(fingerprint, packed));
        let series = &self.series;
        self.by_fingerprint.insert_unique(low_bits(fingerprint), id, |id| low_bits(series[*id].fingerprint));
        id
    }

    /// Ids of the labels of a series, packed.
    pub(super) fn packed_labels(&self, id: u32) -> &[u8] {
        self.packed_labels.get(self.series[id].packed_labels)
    }

    /// The labels of a series.
    pub(super) fn labels_of(&self, id: u32) -> Labels {
        self.labels.unpack(self.packed_labels(id))
    }

    /// The metric name of a series; empty when it has none.
    pub(super) fn metric_name(&self, id: u32) -> &[u8] {
        let mut labels = label_ids(self.packed_labels(id)).map(|label| self.labels.strings(label));
        labels.find(|(name, _)| *name == b"__name__").map_or(&[], |(_, value)| value)
    }

    /// Looks at what an append to each of these series is going to need.
    ///
    /// Series lie all over memory, and an append waits for several places, one after the other. Looking at those of
    /// many series in loops that need nothing else makes the processor wait for many at a time.
    pub(super) fn touch(&self, ids: impl Iterator<Item = u32> + Clone) {
        let series = ids.map(|id| &self.series[id]);
        // A record is longer than a cache line: fields from both ends.
        let records = series.clone().map(|series| series.newest_ts ^ i64::from(series.newest_kind as u8));
        black_box(records.fold(0, i64::wrapping_add));
        let chunks = series.map(|series| self.slab.touch(series.slot, series.appender.byte_len()));
        black_box(chunks.fold(0, u8::wrapping_add));
    }

    /// Describes the series, and those of its labels that are not known in the segment, to the WAL.
    pub(super) fn describe(
        &mut self,
        id: u32,
        segment: u32,
        rows: &mut kymo_formats::wal::rows::RowsEncoder,
    ) {
        let series = &mut self.series[id];
        series.wal_segment = segment;
        let packed = self.packed_labels.get(series.packed_labels);
        for label in label_ids(packed) {
            if self.labels.describe(label, segment) {
                let (name, value) = self.labels.strings(label);
                rows.label(label, name, value);
            }
        }
        rows.series(id, series.newest_value, packed);
    }

    /// Newest sealed chunk of a series since the last flush.
    pub(super) fn sealed_of(&self, id: u32) -> u32 {
        let series = &self.series[id];
        if series.generation == self.generation { series.sealed } else { NO_CHUNK }
    }

    /// Takes out everything that is sealed or late, for the flush to write.
    pub(super) fn take_generation(&mut self) {
        let sealed = std::mem::take(&mut self.sealed);
        let late = std::mem::take(&mut self.late);
        self.late_len = 0;
        self.generation = self.generation.wrapping_add(1);
        if sealed.len() > 0 || !late.is_empty() {
            self.pending.push(Generation::new(sealed, late));
        }
    }

    /// Whether samples of a series are in memory, those aside that are set aside for a flush.
    pub(super) fn is_in_memory(&self, id: u32) -> bool {
        self.open_meta(id).is_some() || self.sealed_of(id) != NO_CHUNK || self.late.contains_key(&id)
    }

    /// Whether a series has no sample in memory and none newer than `before`.
    fn is_idle(&self, id: u32, before: i64) -> bool {
        self.series[id].newest_ts < before && !self.is_in_memory(id)
    }

    /// Number of series that [`Shard::rebuild_without_idle`] would drop.
    pub(super) fn count_idle(&self, before: i64) -> u32 {
        let idle = (0..self.series_len()).filter(|id| self.is_idle(*id, before)).count();
        u32::try_from(idle).unwrap_or(u32::MAX)
    }

    /// Makes all tables anew without the series that have no sample in memory and none newer than `before`. Ids
    /// change. Nothing may be set aside for a flush.
    pub(super) fn rebuild_without_idle(&mut self, before: i64) {
        assert!(self.pending.is_empty(), "what a flush set aside names series by their ids");
        let mut rebuilt = Self::new(self.labels.seed());
        let mut new_ids = BTreeMap::new();
        for id in (0..self.series_len()).filter(|id| !self.is_idle(*id, before)) {
            let labels = self.labels_of(id);
            let old = &self.series[id];
            let new = rebuilt.add(old.fingerprint, &labels);
            let packed_labels = rebuilt.series[new].packed_labels;
            rebuilt.series[new] = Series { packed_labels, wal_segment: 0, ..*old };
            new_ids.insert(id, new);
        }
        let renamed = |id: &u32| new_ids.get(id).copied();
        rebuilt.slab = std::mem::take(&mut self.slab);
        rebuilt.extras = rename(std::mem::take(&mut self.extras), renamed);
        rebuilt.late = rename(std::mem::take(&mut self.late), renamed);
        rebuilt.sealed = std::mem::take(&mut self.sealed);
        rebuilt.sealed.rename(renamed);
        rebuilt.generation = self.generation;
        rebuilt.applied = self.applied;
        rebuilt.newest_ts = self.newest_ts;
        rebuilt.late_len = self.late_len;
        *self = rebuilt;
    }

    /// Bytes of memory held, by component.
    pub(super) fn bytes(&self) -> ShardBytes {
        ShardBytes {
            series: self.series.bytes() + self.by_fingerprint.allocation_size() + self.packed_labels.bytes(),
            labels: self.labels.table_bytes() + self.patterns.heap_bytes(),
            postings: self.labels.postings_bytes(),
            open_chunks: self.slab.bytes()
                + self.extras.values().map(|extra| size_of::<Extra>() + extra.heap_bytes()).sum::<usize>(),
            sealed_chunks: self.sealed.heap_bytes()
                + self.pending.iter().map(|generation| generation.heap_bytes()).sum::<usize>(),
            late_samples: self.late.values().map(LateSamples::heap_bytes).sum(),
        }
    }
}

fn rename<T>(map: BTreeMap<u32, T>, renamed: impl Fn(&u32) -> Option<u32>) -> BTreeMap<u32, T> {
    map.into_iter().filter_map(|(id, value)| Some((renamed(&id)?, value))).collect()
}

impl Extra {
    fn heap_bytes(&self) -> usize {
        self.start_ts.capacity() * 8 + self.histograms.as_ref().map_or(0, OpenHistograms::heap_bytes)
    }
}

/// Memory of a shard or of the whole head in bytes, by component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardBytes {
    /// Series table, fingerprints, packed label ids.
    pub series: usize,
    /// Label strings and tables, and which of them match regular expressions.
    pub labels: usize,
    /// Inverted index.
    pub postings: usize,
    /// Open chunks.
    pub open_chunks: usize,
    /// Sealed chunks that wait for the flush.
    pub sealed_chunks: usize,
    /// Late samples that wait for the flush.
    pub late_samples: usize,
}

impl ShardBytes {
    /// The sum of all components.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.series + self.labels + self.postings + self.open_chunks + self.sealed_chunks + self.late_samples
    }
}

impl std::ops::Add for ShardBytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            series: self.series + other.series,
            labels: self.labels + other.labels,
            postings: self.postings + other.postings,
            open_chunks: self.open_chunks + other.open_chunks,
            sealed_chunks: self.sealed_chunks + other.sealed_chunks,
            late_samples: self.late_samples + other.late_samples,
        }
    }
}

/// The part of a fingerprint that hash tables use. Whoever can choose fingerprints makes a slow table, not a
/// wrong one.
fn low_bits(fingerprint: Fingerprint) -> u64 {
    let [low @ .., _, _, _, _, _, _, _, _] = fingerprint.0.to_le_bytes();
    u64::from_le_bytes(low)
}
