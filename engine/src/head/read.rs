//! Copies of what a query needs from the head, made under locks held for a moment.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use kymo_formats::index::chunk_directory::ChunkMeta;
use parking_lot::RwLock;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::{Head, SharedBytes, index::ShardIndex, late::LateSamples, order, shard::Shard};
use crate::{
    index,
    model::{Labels, Matcher, MemoryBudget, OverBudget},
};

/// Series copied before writers get their turn.
const SERIES_PER_LOCK: usize = 256;

/// Fewer groups than this are not worth waking other threads for.
const PARALLEL_GROUPS_MIN: usize = 8;

/// Fewer series than this are not worth waking other threads for to order them.
const PARALLEL_SERIES_MIN: u64 = 4_096;

/// A series with what the head holds of it in a range of time.
#[derive(Debug)]
pub(crate) struct HeadSeries {
    pub(crate) labels: Labels,
    pub(crate) samples: HeadSamples,
}

/// What the head holds of one series in a range of time.
#[derive(Debug)]
pub(crate) struct HeadSamples {
    /// Chunks of several series.
    bytes: SharedBytes,
    chunks: Vec<CopiedChunk>,
    late: Vec<LateSamples>,
}

/// A chunk, and where it lies in the common bytes.
#[derive(Debug)]
struct CopiedChunk {
    meta: ChunkMeta,
    range: Range<usize>,
}

impl HeadSeries {
    /// What the series holds beside the bytes of its chunks.
    fn held_bytes(&self) -> usize {
        let HeadSamples { chunks, late, .. } = &self.samples;
        let late: usize = late.iter().map(LateSamples::heap_bytes).sum();
        // Twice: it becomes a part of a selected series, which is not smaller.
        2 * size_of::<Self>() + self.labels.held_bytes() + size_of_val(&**chunks) + late
    }
}

impl HeadSamples {
    /// The chunks, ascending in time, not overlapping.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (ChunkMeta, &[u8])> {
        self.chunks.iter().map(|chunk| (chunk.meta, &self.bytes[chunk.range.clone()]))
    }

    /// Late samples, from the oldest flush that is not done to the newest sample. Where one has the time of a sample in
    /// the chunks, that one counts.
    pub(crate) fn late(&self) -> &[LateSamples] {
        &self.late
    }
}

impl Head {
    /// What the head holds of the series that satisfy all matchers between `start` and `end`, both inclusive.
    /// Series without samples there are left out. Those of a shard are in the order of their labels unless they are
    /// few, so that sorting all of them is little work. They come in groups.
    ///
    /// # Errors
    /// When `memory` is used up.
    pub(crate) fn select(
        &self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
        memory: &MemoryBudget,
    ) -> Result<Vec<Vec<HeadSeries>>, OverBudget> {
        let _ids_stay = self.gate.read_recursive();
        let selected: Vec<_> = self.shards.iter().map(|shard| select_ids(shard, matchers)).collect();
        let wanted = |shard: &Shard, id| shard.has_samples(id, start, end);
        let order = |(shard, ids): (_, &RoaringBitmap)| order::by_labels(shard, ids, wanted, memory);
        let ordered: Result<Vec<Vec<u32>>, _> =
            if selected.iter().map(RoaringBitmap::len).sum::<u64>() < PARALLEL_SERIES_MIN {
                self.shards.iter().zip(&selected).map(order).collect()
            } else {
                self.shards.par_iter().zip(&selected).map(order).collect()
            };
        let ordered = ordered?;
        let groups: Vec<(&RwLock<Shard>, &[u32])> = std::iter::zip(&self.shards, &ordered)
            .flat_map(|(shard, ids)| ids.chunks(SERIES_PER_LOCK).map(move |ids| (shard, ids)))
            .collect();
        let copy = |(shard, ids): &(&RwLock<Shard>, &[u32])| {
            let (series, bytes) = copy_series(&shard.read(), ids, start, end);
            memory.take(bytes + series.iter().map(HeadSeries::held_bytes).sum::<usize>())?;
            Ok(series)
        };
        if groups.len() < PARALLEL_GROUPS_MIN {
            groups.iter().map(copy).collect()
        } else {
            groups.par_iter().map(copy).collect()
        }
    }

    /// Names of the labels of the series that satisfy all matchers and have samples in the range; unsorted.
    pub(crate) fn label_names(&self, matchers: &[Matcher], start: i64, end: i64) -> Vec<Vec<u8>> {
        self.for_each_index(matchers, start, end, |index, ids| {
            index::LabelIndex::names(index, ids).unwrap_or_else(|never| match never {})
        })
    }

    /// Values of a label in the series that satisfy all matchers and have samples in the range; unsorted.
    pub(crate) fn label_values(
        &self,
        name: &[u8],
        matchers: &[Matcher],
        start: i64,
        end: i64,
    ) -> Vec<Vec<u8>> {
        self.for_each_index(matchers, start, end, |index, ids| {
            index::LabelIndex::values(index, name, ids).unwrap_or_else(|never| match never {})
        })
    }

    /// The labels of the series that satisfy all matchers and have samples in the range.
    pub(crate) fn series(&self, matchers: &[Matcher], start: i64, end: i64) -> Vec<Labels> {
        let _ids_stay = self.gate.read_recursive();
        let mut found = Vec::new();
        for shard in &self.shards {
            let ids: Vec<u32> = select_ids(shard, matchers).iter().collect();
            for ids in ids.chunks(SERIES_PER_LOCK) {
                let shard = shard.read();
                let alive = ids.iter().filter(|id| shard.has_samples(**id, start, end));
                found.extend(alive.map(|id| shard.labels_of(*id)));
            }
        }
        found
    }

    fn for_each_index(
        &self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
        ask: impl Fn(&ShardIndex<'_>, Option<&RoaringBitmap>) -> Vec<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let _ids_stay = self.gate.read_recursive();
        let mut found = Vec::new();
        for shard in &self.shards {
            let ids = alive(shard, &select_ids(shard, matchers), start, end);
            found.extend(ask(&ShardIndex::new(shard), Some(&ids)));
        }
        found
    }
}

pub(super) fn select_ids(shard: &RwLock<Shard>, matchers: &[Matcher]) -> RoaringBitmap {
    index::select(&ShardIndex::new(shard), matchers).unwrap_or_else(|never| match never {})
}

fn alive(shard: &RwLock<Shard>, ids: &RoaringBitmap, start: i64, end: i64) -> RoaringBitmap {
    let ids: Vec<u32> = ids.iter().collect();
    let mut alive = RoaringBitmap::new();
    for ids in ids.chunks(SERIES_PER_LOCK) {
        let shard = shard.read();
        alive.extend(ids.iter().copied().filter(|id| shard.has_samples(*id, start, end)));
    }
    alive
}

/// Copies the chunks of several series into one allocation, and says how large that is.
fn copy_series(shard: &Shard, ids: &[u32], start: i64, end: i64) -> (Vec<HeadSeries>, usize) {
    let mut buffer = Vec::new();
    let mut copies: Vec<(u32, Vec<CopiedChunk>, Vec<LateSamples>)> = Vec::with_capacity(ids.len());
    for id in ids {
        let mut chunks = Vec::new();
        shard.visit_chunks(*id, |meta, bytes| {
            if meta.max_ts >= start && meta.min_ts <= end {
                let from = buffer.len();
                buffer.extend_from_slice(bytes);
                chunks.push(CopiedChunk { meta, range: from..buffer.len() });
            }
        });
        let late = shard.late_of(*id).filter_map(|late| late.in_range(start, end)).collect::<Vec<_>>();
        if !chunks.is_empty() || !late.is_empty() {
            copies.push((*id, chunks, late));
        }
    }
    let len = buffer.len();
    let bytes: SharedBytes = buffer.into();
    let mut scratch = Vec::new();
    let series = |(id, chunks, late)| HeadSeries {
        labels: shard.labels_through(id, &mut scratch),
        samples: HeadSamples { bytes: Arc::clone(&bytes), chunks, late },
    };
    (copies.into_iter().map(series).collect(), len)
}

impl Shard {
    /// Calls `visit` with every chunk of the series, ascending in time.
    pub(super) fn visit_chunks(&self, id: u32, mut visit: impl FnMut(ChunkMeta, &[u8])) {
        for generation in &self.pending {
            let newest_first: Vec<_> = generation.chunks(id).collect();
            newest_first.into_iter().rev().for_each(|(meta, bytes)| visit(meta, bytes));
        }
        let newest_first: Vec<_> = self.sealed.of_series(self.sealed_of(id)).collect();
        newest_first.into_iter().rev().for_each(|(meta, bytes)| visit(meta, bytes));
        if let Some((meta, bytes)) = self.open_chunk(id) {
            visit(meta, &bytes);
        }
    }

    /// Late samples of the series, the oldest flush first.
    pub(super) fn late_of(&self, id: u32) -> impl Iterator<Item = &LateSamples> {
        let pending = self.pending.iter().filter_map(move |generation| generation.late.get(&id));
        pending.chain(self.late.get(&id))
    }

    /// Whether the series may have a sample between `start` and `end`, both inclusive.
    fn has_samples(&self, id: u32, start: i64, end: i64) -> bool {
        let mut found = false;
        self.visit_meta(id, |meta| found |= meta.max_ts >= start && meta.min_ts <= end);
        found || self.late_of(id).any(|late| late.in_range(start, end).is_some())
    }

    fn visit_meta(&self, id: u32, mut visit: impl FnMut(ChunkMeta)) {
        for generation in &self.pending {
            generation.chunks(id).for_each(|(meta, _)| visit(meta));
        }
        self.sealed.of_series(self.sealed_of(id)).for_each(|(meta, _)| visit(meta));
        if let Some(meta) = self.open_meta(id) {
            visit(meta);
        }
    }
}

impl LateSamples {
    /// The samples between `start` and `end`, both inclusive, if there is any.
    pub(crate) fn in_range(&self, start: i64, end: i64) -> Option<Self> {
        // A tree would not take a range that ends before it starts.
        if start > end {
            return None;
        }
        let floats: BTreeMap<_, _> = self.floats.range(start..=end).map(|(ts, late)| (*ts, *late)).collect();
        let histograms: BTreeMap<_, _> =
            self.histograms.range(start..=end).map(|(ts, late)| (*ts, late.clone())).collect();
        if floats.is_empty() && histograms.is_empty() { None } else { Some(Self { floats, histograms }) }
    }
}
