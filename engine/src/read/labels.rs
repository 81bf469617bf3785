//! Label names, label values and label sets, over the head and all blocks.

use std::collections::BTreeSet;

use crate::{
    block::{BlockError, BlockReader},
    engine::Inner,
    error::Error,
    manifest::BlockMeta,
    model::{Labels, Matcher},
};

use super::{
    damage::Warnings,
    select::{Blocks, deleted_ranges, is_covered},
};

/// What a look-up of labels found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// Sorted, each once.
    pub items: Vec<T>,
    /// Damaged blocks that were left out.
    pub warnings: Warnings,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { items: Vec::new(), warnings: Warnings::default() }
    }
}

/// Conditions and a range of time, both ends inclusive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookUp<'a> {
    pub(crate) matchers: &'a [Matcher],
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Inner {
    /// See [`crate::Engine::label_names`].
    pub(crate) fn label_names(&self, of: LookUp<'_>) -> Result<Found<Vec<u8>>, Error> {
        let LookUp { matchers, start, end } = of;
        let head = || self.head.label_names(matchers, start, end);
        self.look_up(of, head, |blocks, meta, reader| {
            if is_exact(blocks, meta, of) {
                return reader.label_names(matchers);
            }
            let names = |labels: &Labels| labels.iter().map(|label| label.name.to_vec()).collect::<Vec<_>>();
            Ok(alive(blocks, meta, reader, of)?.iter().flat_map(names).collect())
        })
    }

    /// See [`crate::Engine::label_values`].
    pub(crate) fn label_values(&self, name: &[u8], of: LookUp<'_>) -> Result<Found<Vec<u8>>, Error> {
        let LookUp { matchers, start, end } = of;
        let head = || self.head.label_values(name, matchers, start, end);
        let mut found = self.look_up(of, head, |blocks, meta, reader| {
            if is_exact(blocks, meta, of) {
                return reader.label_values(name, matchers);
            }
            Ok(alive(blocks, meta, reader, of)?.iter().map(|labels| labels.get(name).to_vec()).collect())
        })?;
        found.items.retain(|value| !value.is_empty());
        Ok(found)
    }

    /// See [`crate::Engine::series`].
    pub(crate) fn series(&self, of: LookUp<'_>) -> Result<Found<Labels>, Error> {
        let head = || self.head.series(of.matchers, of.start, of.end);
        self.look_up(of, head, |blocks, meta, reader| alive(blocks, meta, reader, of))
    }

    /// What the head and each block in range have, without what damaged blocks have.
    fn look_up<T: Ord>(
        &self,
        of: LookUp<'_>,
        head: impl FnOnce() -> Vec<T>,
        in_block: impl Fn(&Blocks, &BlockMeta, &BlockReader) -> Result<Vec<T>, BlockError>,
    ) -> Result<Found<T>, Error> {
        if of.start > of.end {
            return Ok(Found::default());
        }
        // The head first, as for samples.
        let mut found: BTreeSet<T> = head().into_iter().collect();
        let blocks = self.blocks_in(of.start, of.end)?;
        let mut warnings = blocks.warnings.clone();
        for (meta, reader) in &blocks.readers {
            let items = self.damage.isolate(meta.id, in_block(&blocks, meta, reader), &mut warnings)?;
            found.extend(items.into_iter().flatten());
        }
        Ok(Found { items: found.into_iter().collect(), warnings })
    }
}

/// Whether the block's index alone tells which series have samples in the range: the whole block is in it, and
/// nothing in the block is deleted.
fn is_exact(blocks: &Blocks, meta: &BlockMeta, LookUp { start, end, .. }: LookUp<'_>) -> bool {
    start <= meta.range.start
        && meta.range.end <= end.saturating_add(1)
        && !blocks.version.tombstones().iter().any(|tombstone| tombstone.id > meta.id)
}

/// The series of a block with chunks in the range that are not deleted as a whole.
fn alive(
    blocks: &Blocks,
    meta: &BlockMeta,
    reader: &BlockReader,
    LookUp { matchers, start, end }: LookUp<'_>,
) -> Result<Vec<Labels>, BlockError> {
    let mut series = reader.series()?;
    let mut found = Vec::new();
    let mut chunks = Vec::new();
    for rank in reader.select(matchers)? {
        chunks.clear();
        series.chunks(rank, start..end.saturating_add(1), &mut chunks)?;
        if chunks.is_empty() {
            continue;
        }
        let labels = series.labels(rank)?;
        let deleted = deleted_ranges(blocks.version.tombstones(), meta, &labels);
        let left = chunks
            .iter()
            .any(|chunk| !is_covered(&deleted, chunk.meta.min_ts.max(start), chunk.meta.max_ts.min(end)));
        if left {
            found.push(labels);
        }
    }
    Ok(found)
}
