//! Matchers and a range to series, each with the places that hold samples of it.

use std::sync::Arc;

use rayon::slice::ParallelSliceMut;

use super::{
    damage::Warnings,
    meter::{ReadCost, ReadMeter, Shared},
    series::{BlockPart, Part, SelectedSeries},
};
use crate::{
    block::{BlockError, BlockReader},
    engine::Inner,
    error::Error,
    head::HeadSeries,
    manifest::{BlockMeta, Tombstone, Version},
    model::{Labels, Matcher, MemoryBudget},
};

/// The series that a selection found, as of one moment: later writes do not show.
#[derive(Debug, Default)]
pub struct Selection {
    /// Sorted by labels, each label set once.
    pub series: Vec<SelectedSeries>,
    /// Damaged blocks that were left out.
    pub warnings: Warnings,
    /// Counts what reading them takes.
    pub meter: Arc<ReadMeter>,
}

/// The blocks of a version that may hold samples of a range, in the order in which they count: of two samples
/// with one timestamp the earlier block's counts.
pub(super) struct Blocks {
    pub(super) readers: Vec<(Arc<BlockMeta>, Arc<BlockReader>)>,
    /// Blocks that cannot be opened, and are left out.
    pub(super) warnings: Warnings,
    pub(super) version: Arc<Version>,
}

impl Inner {
    /// The series that satisfy all `matchers` and may have samples between `start` and `end`, both inclusive.
    ///
    /// # Errors
    /// When a block cannot be read, or `memory` is used up.
    pub(crate) fn select(
        &self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
        memory: &MemoryBudget,
    ) -> Result<Selection, Error> {
        if start > end {
            return Ok(Selection::default());
        }
        // The head first: what a flush moves to a block in between is then in both, and merged, not in neither.
        let head = self.head.select(matchers, start, end, memory)?;
        let mut blocks = self.blocks_in(start, end)?;
        let mut found: Vec<(Labels, Part)> = Vec::new();
        let mut cost = ReadCost::default();
        for (meta, reader) in &blocks.readers {
            let request =
                BlockRequest { meta, reader, tombstones: blocks.version.tombstones(), matchers, start, end };
            let before = found.len();
            let collected = collect_block(&request, memory, &mut found)
                .and_then(|()| Ok(prefetch(reader, &found[before..], &mut cost)?));
            if self.damage.isolate(meta.id, collected, &mut blocks.warnings)?.is_none() {
                found.truncate(before);
            }
            cost.files += u64::from(found.len() > before);
        }
        found.reserve(head.iter().map(Vec::len).sum());
        let head = head.into_iter().flatten();
        found.extend(head.map(|HeadSeries { labels, samples }| (labels, Part::Head(samples))));
        // Stable: the parts of one series stay in the order in which they count. In parallel only if there are many.
        found.par_sort_by(|(a, _), (b, _)| a.cmp(b));
        let shared = Arc::new(Shared { damage: Arc::clone(&self.damage), meter: Arc::default() });
        shared.meter.add(&cost);
        let mut series: Vec<SelectedSeries> = Vec::new();
        for (labels, part) in found {
            match series.last_mut() {
                Some(last) if *last.labels() == labels => last.push(part),
                _ => series.push(SelectedSeries::new(labels, start, end, part, &shared)),
            }
        }
        let meter = Arc::clone(&shared.meter);
        Ok(Selection { series, warnings: blocks.warnings, meter })
    }

    /// The blocks in range, without those that cannot be opened because they are damaged.
    ///
    /// # Errors
    /// When a block cannot be opened for another reason.
    pub(super) fn blocks_in(&self, start: i64, end: i64) -> Result<Blocks, Error> {
        loop {
            let version = self.manifest.current();
            let metas = version.blocks_in(start..end.saturating_add(1)).cloned();
            let opened: Vec<_> = metas.map(|meta| (self.blocks.get(meta.id), meta)).collect();
            if opened.iter().any(|(reader, _)| reader.is_err())
                && !Arc::ptr_eq(&version, &self.manifest.current())
            {
                // A compaction replaced it between the two looks.
                continue;
            }
            let (mut readers, mut warnings) = (Vec::with_capacity(opened.len()), Warnings::default());
            for (reader, meta) in opened {
                let reader = self.damage.isolate(meta.id, reader, &mut warnings)?;
                readers.extend(reader.map(|reader| (meta, reader)));
            }
            readers.sort_by_key(|(meta, _)| (meta.sequence, meta.id));
            return Ok(Blocks { readers, warnings, version });
        }
    }
}

/// What is asked of one block.
struct BlockRequest<'r> {
    meta: &'r BlockMeta,
    reader: &'r Arc<BlockReader>,
    tombstones: &'r [Arc<Tombstone>],
    matchers: &'r [Matcher],
    start: i64,
    end: i64,
}

fn collect_block(
    request: &BlockRequest<'_>,
    memory: &MemoryBudget,
    found: &mut Vec<(Labels, Part)>,
) -> Result<(), Error> {
    let BlockRequest { meta, reader, tombstones, matchers, start, end } = *request;
    let ranks = reader.select(matchers)?;
    if ranks.is_empty() {
        return Ok(());
    }
    let mut series = reader.series()?;
    for rank in ranks {
        let mut chunks = Vec::new();
        let first = series.chunks(rank, start..end.saturating_add(1), &mut chunks)?;
        if chunks.is_empty() {
            continue;
        }
        let labels = series.labels(rank)?;
        let deleted = deleted_ranges(tombstones, meta, &labels);
        memory.take(held_bytes(&labels) + size_of_val(&*chunks) + size_of_val(&*deleted))?;
        if !is_covered(&deleted, start.max(meta.range.start), end.min(meta.range.end - 1)) {
            let part = BlockPart { reader: Arc::clone(reader), rank, first, chunks, deleted };
            found.push((labels, Part::Block(part)));
        }
    }
    Ok(())
}

/// Reads what the series need of a block in object storage, all of it at once.
fn prefetch(reader: &BlockReader, found: &[(Labels, Part)], cost: &mut ReadCost) -> Result<(), BlockError> {
    if !reader.is_cold() {
        return Ok(());
    }
    let chunks = found.iter().flat_map(|(_, part)| match part {
        Part::Block(block) => &block.chunks[..],
        Part::Head(_) => &[],
    });
    let (requests, bytes) = reader.prefetch(chunks)?;
    cost.requests += requests;
    cost.fetched_bytes += bytes;
    Ok(())
}

/// What a selected series with one part holds beside its chunks.
fn held_bytes(labels: &Labels) -> usize {
    size_of::<SelectedSeries>() + size_of::<Part>() + labels.held_bytes()
}

/// Ranges of time, both ends inclusive, in which samples of the series in this block are deleted.
pub(super) fn deleted_ranges(
    tombstones: &[Arc<Tombstone>],
    block: &BlockMeta,
    labels: &Labels,
) -> Vec<(i64, i64)> {
    let concerns = |tombstone: &&Arc<Tombstone>| {
        let matches = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()));
        tombstone.id > block.id && tombstone.matchers.iter().all(matches)
    };
    let ranges = tombstones.iter().filter(concerns).map(|tombstone| &tombstone.range);
    ranges.map(|range| (range.start, range.end - 1)).collect()
}

/// Whether one of the ranges covers everything between `start` and `end`.
pub(super) fn is_covered(ranges: &[(i64, i64)], start: i64, end: i64) -> bool {
    ranges.iter().any(|(from, to)| *from <= start && *to >= end)
}
