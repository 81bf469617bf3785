//! Between the manifest and a compaction: a version as the input of a plan, its outcome as edits.
//!
//! **Invariant:** a block has every deletion with a lower id applied. A compaction applies those of the version it
//! was planned on, and its outputs get their ids later, so no deletion is added while one runs: the engine holds
//! one lock for both.

use std::sync::Arc;

use super::{Compacted, Deletion, MergeInput, PlanBlock};
use crate::{
    block::{BlockInfo, BlockReader},
    manifest::{BlockMeta, Edit, Tombstone, Version},
    model::Millis,
};

impl PlanBlock {
    /// What a plan needs to know of `block`, a live block of `version`.
    #[must_use]
    pub fn of(block: &BlockMeta, version: &Version) -> Self {
        let concerns = |tombstone: &Tombstone| {
            tombstone.range.start < block.range.end && block.range.start < tombstone.range.end
        };
        Self {
            id: block.id,
            sequence: block.sequence,
            level: block.level,
            range: block.range.clone(),
            bytes: block.bytes,
            deletions: younger_tombstones(block.id, version).any(|tombstone| concerns(tombstone)),
        }
    }
}

impl MergeInput {
    /// The block of `reader` with the deletions that `version` has for it.
    #[must_use]
    pub fn of(reader: Arc<BlockReader>, version: &Version) -> Self {
        let deletion = |tombstone: &Arc<Tombstone>| Deletion {
            matchers: tombstone.matchers.clone(),
            range: tombstone.range.clone(),
        };
        let deletions = younger_tombstones(reader.info().id, version).map(deletion).collect();
        Self { reader, deletions }
    }
}

impl Compacted {
    /// The edits that put the new blocks, written at `created`, in the place of the old ones: one batch.
    #[must_use]
    pub fn edits(&self, created: Millis) -> Vec<Edit> {
        let add = |info: &BlockInfo| Edit::AddBlock(Arc::new(info.to_meta(created, self.removed.clone())));
        self.added.iter().map(add).chain(self.removed.iter().map(|id| Edit::RemoveBlock(*id))).collect()
    }
}

impl BlockInfo {
    /// The block as the manifest keeps it; `sources` are the blocks that it was made from.
    #[must_use]
    pub fn to_meta(&self, created: Millis, sources: Vec<u64>) -> BlockMeta {
        BlockMeta {
            id: self.id,
            sequence: self.summary.sequence,
            level: self.summary.level,
            space: self.space,
            range: self.summary.min_ts..self.summary.end_ts,
            created,
            series: u64::from(self.summary.series),
            samples: self.summary.samples,
            bytes: self.file_bytes,
            sources,
        }
    }
}

fn younger_tombstones(block: u64, version: &Version) -> impl Iterator<Item = &Arc<Tombstone>> {
    version.tombstones().iter().filter(move |tombstone| tombstone.id > block)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kymo_formats::{codec::xor, index::chunk_directory::ChunkMeta};

    use super::*;
    use crate::{
        block::{BlockCache, BlockSpec, BlockWriter},
        compaction::{CompactionEnv, Levels, Urgency, compact, plan},
        env::{Env, MemFs},
        manifest::ManifestStore,
        model::{Labels, MatchOp, Matcher},
    };

    const HOUR_MS: i64 = 3_600_000;

    /// Flushes, a deletion and plans until nothing is left to do, all through a manifest.
    #[test]
    fn planned_compactions_are_accepted_by_the_manifest_until_none_is_left() {
        let env = Env::simulated(Arc::new(MemFs::default()), 1);
        let (store, _) = ManifestStore::open(&env, Path::new("/manifest")).unwrap();
        let dir = Path::new("/blocks").to_owned();
        env.fs.create_dir_all(&dir).unwrap();
        let cache = BlockCache::new(Arc::clone(&env.fs), dir.clone());
        let output = CompactionEnv { fs: Arc::clone(&env.fs), dir: dir.clone(), space: 0 };

        let flush = |from: i64| {
            let id = store.allocate_id();
            let spec = BlockSpec { id, level: 0, sequence: id, space: 0 };
            let mut writer = BlockWriter::create(Arc::clone(&env.fs), &dir, spec).unwrap();
            for job in ["a", "b"] {
                let samples = (0..45).map(|i| (from + i * HOUR_MS / 15, 1.0));
                let meta =
                    ChunkMeta { encoding: 1, count: 45, min_ts: from, max_ts: from + 44 * HOUR_MS / 15 };
                let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
                writer.add_series(&labels, [(meta, xor::encode(samples))]).unwrap();
            }
            let info = writer.finish().unwrap().unwrap();
            store.apply(vec![Edit::AddBlock(Arc::new(info.to_meta(Millis(0), Vec::new())))]).unwrap();
        };
        // Blocks of three hours every hour, so that all overlap and reach over windows.
        (0..30).for_each(|hour| flush(hour * HOUR_MS));
        let tombstone = Tombstone {
            id: store.allocate_id(),
            space: 0,
            range: 0..5 * HOUR_MS,
            created: Millis(0),
            matchers: vec![Matcher::new(MatchOp::Equal, b"job", b"a").unwrap()],
        };
        store.apply(vec![Edit::AddTombstone(Arc::new(tombstone))]).unwrap();
        flush(2 * HOUR_MS);

        let time = 29 * HOUR_MS;
        let levels = Levels::for_retention(Some(Millis(15 * 24 * HOUR_MS)));
        for urgency in [Urgency::Due, Urgency::Everything] {
            loop {
                let version = store.current();
                let blocks: Vec<_> =
                    version.blocks().iter().map(|block| PlanBlock::of(block, &version)).collect();
                let Some(choice) = plan(&blocks, &levels, time, urgency) else { break };
                let inputs: Vec<_> = choice
                    .inputs
                    .iter()
                    .map(|id| MergeInput::of(cache.get(*id).unwrap(), &version))
                    .collect();
                let compacted = compact(&output, &choice, &inputs, || store.allocate_id()).unwrap();
                store.apply(compacted.edits(Millis(0))).unwrap();
            }
        }

        let version = store.current();
        assert_eq!(version.blocks().iter().map(|block| block.level).collect::<Vec<_>>(), [2, 2]);
        let samples: u64 = version.blocks().iter().map(|block| block.samples).sum();
        // Samples every four minutes over 32 hours; of one series five hours were deleted, and three of those
        // written again.
        let all = 15 * 32;
        let (deleted, again) = (15 * 5, 15 * 3);
        assert_eq!(samples, all + (all - deleted + again));
    }
}
