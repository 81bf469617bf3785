//! One shard of the head: its series, their open chunks, and what waits for the flush.

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use hashbrown::HashTable;

use super::{
    arena::ByteArena,
    bytes::HeadBytes,
    histograms::OpenHistograms,
    idle::Idleness,
    labels::{LabelTable, Transfer, label_ids},
    late::LateSamples,
    paged::Paged,
    pattern_cache::PatternCache,
    revised::Revised,
    sealed::{Generation, NO_CHUNK, SealedChunks},
    series::Series,
    slab::Slab,
};
use crate::{
    data_time::ArrivalTimes,
    model::{Fingerprint, Labels},
    wal::Lsn,
};

/// No series: what became of one that was dropped.
pub(super) const GONE: u32 = u32::MAX;

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
    /// Times of the samples that writers brought lately.
    pub(super) arrival_times: ArrivalTimes,
    /// Which windows have to be rolled up again.
    pub(super) revised: Revised,
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
            arrival_times: ArrivalTimes::default(),
            revised: Revised::default(),
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
        self.index_fingerprint(id, fingerprint);
        id
    }

    /// Ids of the labels of a series, packed.
    pub(super) fn packed_labels(&self, id: u32) -> &[u8] {
        self.packed_labels.get(self.series[id].packed_labels)
    }

    /// The labels of a series.
    pub(super) fn labels_of(&self, id: u32) -> Labels {
        self.labels_through(id, &mut Vec::with_capacity(512))
    }

    /// The labels of a series, put together in `scratch`: of many series without an allocation for each.
    pub(super) fn labels_through(&self, id: u32, scratch: &mut Vec<u8>) -> Labels {
        self.labels.unpack(self.packed_labels(id), scratch)
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

    /// Makes all tables anew without the series that have no sample in memory and none newer than `before`. Ids
    /// change: the answer has the new one of each series, [`GONE`] for those that were dropped. Nothing may be set
    /// aside for a flush.
    pub(super) fn rebuild_without_idle(&mut self, before: i64) -> Vec<u32> {
        assert!(self.pending.is_empty(), "what a flush set aside names series by their ids");
        let mut rebuilt = Self::new(self.labels.seed());
        let mut new_ids = vec![GONE; self.series.len()];
        let mut labels = self.labels.transfer();
        for (id, new_id) in (0_u32..).zip(&mut new_ids) {
            if self.idleness(id, before) != Idleness::Gone {
                *new_id = rebuilt.adopt(&self.series[id], self.packed_labels(id), &mut labels);
            }
        }
        let renamed = |id: u32| new_ids.get(id as usize).copied().filter(|id| *id != GONE);
        rebuilt.slab = std::mem::take(&mut self.slab);
        rebuilt.extras = rename(std::mem::take(&mut self.extras), renamed);
        rebuilt.late = rename(std::mem::take(&mut self.late), renamed);
        rebuilt.sealed = std::mem::take(&mut self.sealed);
        rebuilt.sealed.rename(renamed);
        rebuilt.generation = self.generation;
        rebuilt.applied = self.applied;
        rebuilt.newest_ts = self.newest_ts;
        rebuilt.late_len = self.late_len;
        rebuilt.arrival_times = std::mem::take(&mut self.arrival_times);
        rebuilt.revised = self.take_revised();
        *self = rebuilt;
        new_ids
    }

    /// Adds a series of another shard, which is not known here: by label ids, without a look at most strings.
    fn adopt(&mut self, series: &Series, packed: &[u8], labels: &mut Transfer<'_>) -> u32 {
        let id = self.series_len();
        let mut packed_here = Vec::with_capacity(64);
        self.labels.adopt_series(id, packed, labels, &mut packed_here);
        let packed_labels = self.packed_labels.push(&packed_here);
        self.series.push(Series { packed_labels, wal_segment: 0, ..*series });
        self.index_fingerprint(id, series.fingerprint);
        id
    }

    fn index_fingerprint(&mut self, id: u32, fingerprint: Fingerprint) {
        let series = &self.series;
        self.by_fingerprint.insert_unique(low_bits(fingerprint), id, |id| low_bits(series[*id].fingerprint));
    }

    /// Moves the open chunks of these series to the front of their pages; see [`Slab::tighten`].
    pub(super) fn tighten(&mut self, ids: std::ops::Range<u32>) {
        for id in ids.start..ids.end.min(self.series_len()) {
            let slot = self.slab.tighten(self.series[id].slot);
            self.series[id].slot = slot;
        }
    }

    /// Bytes of memory held, by component.
    pub(super) fn bytes(&self) -> HeadBytes {
        let extras = self.extras.values().map(|extra| size_of::<Extra>() + extra.heap_bytes()).sum::<usize>();
        HeadBytes {
            series: self.series.bytes(),
            fingerprints: self.by_fingerprint.allocation_size(),
            packed_labels: self.packed_labels.bytes(),
            label_strings: self.labels.string_bytes(),
            label_tables: self.labels.table_bytes(),
            postings: self.labels.postings_bytes(),
            patterns: self.patterns.heap_bytes(),
            open_chunks: self.slab.bytes() + extras,
            sealed_chunks: self.sealed.heap_bytes(),
            late_samples: self.late.values().map(LateSamples::heap_bytes).sum(),
            flushing: self.pending.iter().map(|generation| generation.heap_bytes()).sum(),
            ..HeadBytes::default()
        }
    }
}

fn rename<T>(map: BTreeMap<u32, T>, renamed: impl Fn(u32) -> Option<u32>) -> BTreeMap<u32, T> {
    map.into_iter().filter_map(|(id, value)| Some((renamed(id)?, value))).collect()
}

impl Extra {
    fn heap_bytes(&self) -> usize {
        self.start_ts.capacity() * 8 + self.histograms.as_ref().map_or(0, OpenHistograms::heap_bytes)
    }
}

/// The part of a fingerprint that hash tables use. Whoever can choose fingerprints makes a slow table, not a
/// wrong one.
fn low_bits(fingerprint: Fingerprint) -> u64 {
    let [low @ .., _, _, _, _, _, _, _, _] = fingerprint.0.to_le_bytes();
    u64::from_le_bytes(low)
}
