//! Dropping what is too old or too much: the manifest first, the files after. Blocks that are in object storage lose their
//! file only.

use std::sync::{Arc, atomic::Ordering};

use tracing::{info, warn};

use crate::{
    block::block_path,
    engine::Inner,
    error::Error,
    manifest::{BlockMeta, ColdState, Edit, Tombstone, Version},
    model::Matcher,
};

/// The blocks that have to go: those whose newest sample is before `oldest_ts`, and the oldest ones as long as
/// all together have more than `bytes_max` bytes (0 = any number).
fn expired(blocks: &[Arc<BlockMeta>], oldest_ts: i64, bytes_max: u64) -> Vec<u64> {
    let mut by_age: Vec<&Arc<BlockMeta>> = blocks.iter().collect();
    by_age.sort_by_key(|block| block.range.end);
    let mut bytes: u64 = blocks.iter().map(|block| block.bytes).sum();
    let mut gone = Vec::new();
    for block in by_age {
        // The range's end is one past the newest sample.
        if block.range.end <= oldest_ts || (bytes_max != 0 && bytes > bytes_max) {
            bytes -= block.bytes;
            gone.push(block.id);
        }
    }
    gone
}

impl Inner {
    /// Drops blocks by age and size.
    ///
    /// # Errors
    /// When the manifest cannot be written; nothing is dropped then.
    pub(crate) fn expire(&self) -> Result<(), Error> {
        let _alone = self.compacting.lock();
        let now_ms = self.env.clock.now().0;
        let version = self.manifest.current();
        let here: Vec<_> = version.blocks().iter().filter(|it| version.has_file(it.id)).cloned().collect();
        let mut gone = expired(&here, self.oldest_ts(now_ms), self.config.retention.bytes_max);
        let waiting = self.rollups_wait_for(&version);
        let may_go =
            |block: &Arc<BlockMeta>| !waiting(block) && !self.is_to_be_moved(&version, block, now_ms);
        gone.retain(|id| version.block(*id).is_some_and(may_go));
        let (elsewhere, dropped): (Vec<u64>, Vec<u64>) = gone.iter().partition(|id| version.is_cold(**id));
        let end = dropped.iter().filter_map(|id| version.block(*id)).map(|block| block.range.end).max();
        let mut edits: Vec<Edit> = dropped.iter().map(|id| Edit::RemoveBlock(*id)).collect();
        // Windows before cannot be rolled up again: some of their samples are gone.
        edits.extend(end.map(Edit::SamplesFrom));
        let cold = elsewhere.iter().filter_map(|id| version.cold(*id));
        edits.extend(cold.map(|cold| Edit::Cold(Arc::new(cold.in_state(ColdState::Bucket)))));
        if edits.is_empty() {
            return Ok(());
        }
        self.manifest.apply(edits)?;
        info!(
            blocks = dropped.len(),
            only_in_object_storage = elsewhere.len(),
            "blocks dropped by retention"
        );
        self.counters.blocks_expired.fetch_add(dropped.len() as u64, Ordering::Relaxed);
        // Before their files go, so that readers find them in one place or the other.
        self.read_elsewhere(&version, &elsewhere);
        self.remove_block_files(&gone);
        Ok(())
    }

    fn read_elsewhere(&self, version: &Version, ids: &[u64]) {
        for id in ids {
            if let (Some(block), Some(cold)) = (version.block(*id), version.cold(*id)) {
                self.blocks.set_cold(*id, self.cold.object(cold, block.bytes));
            }
        }
    }

    /// Removes the files of blocks that no version names any more. Whoever reads one keeps it mapped; a file
    /// that cannot be removed now is removed at the next start.
    pub(crate) fn remove_block_files(&self, ids: &[u64]) {
        let live = self.manifest.current().blocks().iter().map(|block| block.id).collect();
        self.blocks.retain(&live);
        for id in ids {
            let path = block_path(&self.block_dir, *id);
            if let Err(error) = self.env.fs.remove(&path) {
                warn!(path = %path.display(), %error, "cannot remove a block that is not live any more");
            }
        }
    }

    /// See [`crate::Engine::delete_series`].
    pub(crate) fn delete_series(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<(), Error> {
        // What is in memory becomes a block first, so that a deletion concerns blocks only: it names those that
        // exist now, and what is written later, at whatever time, is not deleted.
        if start > end {
            return Ok(());
        }
        self.flush(crate::flush::OpenChunks::SEAL)?;
        let range = start..end.saturating_add(1);
        let _alone = loop {
            // Compaction does not wait for it, and may drop samples meanwhile.
            let lost_to = self.samples_lost_to();
            self.delete_rows(matchers, &range)?;
            let alone = self.compacting.lock();
            if self.samples_lost_to() == lost_to {
                break alone;
            }
        };
        let tombstone = Tombstone {
            id: self.manifest.allocate_id(),
            space: 0,
            range,
            created: self.env.clock.now(),
            matchers: matchers.to_vec(),
        };
        self.apply_deletion(tombstone)?;
        self.head.forget_newest(matchers, start, end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Millis;

    fn block(id: u64, end: i64, bytes: u64) -> Arc<BlockMeta> {
        Arc::new(BlockMeta {
            id,
            sequence: id,
            level: 1,
            space: 0,
            range: end - 10..end,
            created: Millis(0),
            series: 1,
            samples: 1,
            bytes,
            sources: Vec::new(),
        })
    }

    #[test]
    fn a_block_goes_once_its_newest_sample_is_too_old() {
        let blocks = [block(1, 100, 5), block(2, 101, 5), block(3, 200, 5)];
        assert_eq!(expired(&blocks, 100, 0), [1]);
        assert_eq!(expired(&blocks, 99, 0), [0_u64; 0]);
        assert_eq!(expired(&blocks, 200, 0), [1, 2, 3]);
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let blocks = [block(1, 300, 5), block(2, 100, 5), block(3, 200, 5)];
        assert_eq!(expired(&blocks, 0, 15), [0_u64; 0]);
        assert_eq!(expired(&blocks, 0, 14), [2]);
        assert_eq!(expired(&blocks, 0, 5), [2, 3]);
        assert_eq!(expired(&blocks, 0, 1), [2, 3, 1]);
    }
}
