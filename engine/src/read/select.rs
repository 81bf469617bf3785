//! Matchers and a range to series, each with the places that hold samples of it.

use std::sync::Arc;

use super::series::{Part, SelectedSeries};
use crate::{
    block::BlockReader,
    engine::Inner,
    error::Error,
    head::HeadSeries,
    manifest::{BlockMeta, Tombstone},
    model::{Labels, Matcher},
};

/// The series that a selection found, as of one moment: later writes do not show.
#[derive(Debug, Default)]
pub struct Selection {
    /// Sorted by labels, each label set once.
    pub series: Vec<SelectedSeries>,
    /// Facts that the user must know, such as a damaged block that was left out.
    pub warnings: Vec<String>,
}

/// The blocks of a version that may hold samples of a range, in the order in which they count: of two samples
/// with one timestamp the earlier block's counts.
pub(super) struct Blocks {
    pub(super) readers: Vec<(BlockMeta, Arc<BlockReader>)>,
    pub(super) tombstones: Vec<Tombstone>,
}

impl Inner {
    /// The series that satisfy all `matchers` and may have samples between `start` and `end`, both inclusive.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub(crate) fn select(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<Selection, Error> {
        // The head first: what a flush moves to a block in between is then in both, and merged, not in neither.
        let head = self.head.select(matchers, start, end);
        let blocks = self.blocks_in(start, end)?;
        let mut found: Vec<(Labels, Part)> = Vec::new();
        for (meta, reader) in &blocks.readers {
            collect_block(meta, reader, &blocks.tombstones, matchers, start, end, &mut found)?;
        }
        for HeadSeries { labels, chunks, late } in head {
            found.push((labels, Part::Head { chunks, late }));
        }
        // Stable: the parts of one series stay in the order in which they count.
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut series: Vec<SelectedSeries> = Vec::new();
        for (labels, part) in found {
            match series.last_mut() {
                Some(last) if *last.labels() == labels => last.push(part),
                _ => series.push(SelectedSeries::new(labels, start, end, part)),
            }
        }
        Ok(Selection { series, warnings: Vec::new() })
    }

    pub(super) fn blocks_in(&self, start: i64, end: i64) -> Result<Blocks, Error> {
        loop {
            let version = self.manifest.current();
            let metas: Vec<BlockMeta> = version
                .blocks()
                .filter(|block| block.min_ts <= end && block.max_ts > start)
                .cloned()
                .collect();
            let opened: Result<Vec<_>, _> =
                metas.into_iter().map(|meta| Ok((meta.clone(), self.blocks.get(meta.id)?))).collect();
            let mut readers: Vec<(BlockMeta, Arc<BlockReader>)> = match opened {
                Ok(readers) => readers,
                // A compaction replaced it between the two looks.
                Err(error) if Arc::ptr_eq(&version, &self.manifest.current()) => return Err(error),
                Err(_) => continue,
            };
            readers.sort_by_key(|(_, reader)| (reader.info().summary.sequence, reader.info().id));
            return Ok(Blocks { readers, tombstones: version.tombstones().cloned().collect() });
        }
    }
}

fn collect_block(
    meta: &BlockMeta,
    reader: &Arc<BlockReader>,
    tombstones: &[Tombstone],
    matchers: &[Matcher],
    start: i64,
    end: i64,
    found: &mut Vec<(Labels, Part)>,
) -> Result<(), Error> {
    let ranks = reader.select(matchers)?;
    if ranks.is_empty() {
        return Ok(());
    }
    let mut series = reader.series()?;
    for rank in ranks {
        let mut chunks = Vec::new();
        series.chunks(rank, start..end.saturating_add(1), &mut chunks)?;
        if chunks.is_empty() {
            continue;
        }
        let labels = series.labels(rank)?;
        let deleted = deleted_ranges(tombstones, meta, &labels);
        if !is_covered(&deleted, start.max(meta.min_ts), end.min(meta.max_ts - 1)) {
            found.push((labels, Part::Block { reader: Arc::clone(reader), chunks, deleted }));
        }
    }
    Ok(())
}

/// Ranges of time, both ends inclusive, in which samples of the series in this block are deleted.
pub(super) fn deleted_ranges(tombstones: &[Tombstone], block: &BlockMeta, labels: &Labels) -> Vec<(i64, i64)> {
    let apply = |tombstone: &&Tombstone| tombstone.applies_to(block.id) && tombstone.matches(labels);
    tombstones.iter().filter(apply).map(|tombstone| (tombstone.min_ts, tombstone.max_ts)).collect()
}

/// Whether one of the ranges covers everything between `start` and `end`.
pub(super) fn is_covered(ranges: &[(i64, i64)], start: i64, end: i64) -> bool {
    ranges.iter().any(|(from, to)| *from <= start && *to >= end)
}
