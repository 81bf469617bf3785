//! Label names, label values and label sets, over the head and all blocks.

use std::collections::BTreeSet;

use crate::{
    block::BlockReader,
    engine::Inner,
    error::Error,
    manifest::BlockMeta,
    model::{Labels, Matcher},
};

use super::select::{Blocks, deleted_ranges, is_covered};

impl Inner {
    /// See [`crate::Engine::label_names`].
    pub(crate) fn label_names(
        &self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
    ) -> Result<Vec<Vec<u8>>, Error> {
        if start > end {
            return Ok(Vec::new());
        }
        let mut names: BTreeSet<Vec<u8>> = self.head.label_names(matchers, start, end).into_iter().collect();
        let blocks = self.blocks_in(start, end)?;
        for (meta, reader) in &blocks.readers {
            if is_exact(&blocks, meta, start, end) {
                names.extend(reader.label_names(matchers)?);
            } else {
                for labels in alive(&blocks, meta, reader, matchers, start, end)? {
                    names.extend(labels.iter().map(|label| label.name.to_vec()));
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// See [`crate::Engine::label_values`].
    pub(crate) fn label_values(
        &self,
        name: &[u8],
        matchers: &[Matcher],
        start: i64,
        end: i64,
    ) -> Result<Vec<Vec<u8>>, Error> {
        if start > end {
            return Ok(Vec::new());
        }
        let mut values: BTreeSet<Vec<u8>> =
            self.head.label_values(name, matchers, start, end).into_iter().collect();
        let blocks = self.blocks_in(start, end)?;
        for (meta, reader) in &blocks.readers {
            if is_exact(&blocks, meta, start, end) {
                values.extend(reader.label_values(name, matchers)?);
            } else {
                for labels in alive(&blocks, meta, reader, matchers, start, end)? {
                    values.insert(labels.get(name).to_vec());
                }
            }
        }
        values.remove(&[][..]);
        Ok(values.into_iter().collect())
    }

    /// See [`crate::Engine::series`].
    pub(crate) fn series(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<Vec<Labels>, Error> {
        if start > end {
            return Ok(Vec::new());
        }
        let mut found: BTreeSet<Labels> = self.head.series(matchers, start, end).into_iter().collect();
        let blocks = self.blocks_in(start, end)?;
        for (meta, reader) in &blocks.readers {
            found.extend(alive(&blocks, meta, reader, matchers, start, end)?);
        }
        Ok(found.into_iter().collect())
    }
}

/// Whether the block's index alone tells which series have samples in the range: the whole block is in it, and
/// nothing in the block is deleted.
fn is_exact(blocks: &Blocks, meta: &BlockMeta, start: i64, end: i64) -> bool {
    start <= meta.range.start
        && meta.range.end <= end.saturating_add(1)
        && !blocks.version.tombstones().iter().any(|tombstone| tombstone.id > meta.id)
}

/// The series of a block with chunks in the range that are not deleted as a whole.
fn alive(
    blocks: &Blocks,
    meta: &BlockMeta,
    reader: &BlockReader,
    matchers: &[Matcher],
    start: i64,
    end: i64,
) -> Result<Vec<Labels>, Error> {
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
