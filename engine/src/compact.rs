//! Compaction of the live blocks: asks the plan, carries it out, makes it so.

use std::sync::{Arc, atomic::Ordering};

use tracing::{info, warn};

use crate::{
    compaction::{
        self, Choice, CompactionEnv, CompactionError, Deletion, Levels, MergeInput, PlanBlock, Urgency,
    },
    engine::Inner,
    error::Error,
    flush::block_meta,
    manifest::{BlockMeta, Edit, Tombstone, Version},
    model::Millis,
};

impl Inner {
    /// Carries out everything that is worth doing now.
    ///
    /// # Errors
    /// When a block cannot be read or written; everything is then as it was.
    pub(crate) fn compact_due(&self) -> Result<(), Error> {
        while self.compact_once(Urgency::Due)? {}
        Ok(())
    }

    /// Carries out everything that can be done.
    ///
    /// # Errors
    /// When a block cannot be read or written; everything is then as it was.
    pub(crate) fn compact_all(&self) -> Result<(), Error> {
        while self.compact_once(Urgency::Everything)? {}
        self.drop_spent_tombstones()
    }

    fn levels(&self) -> Levels {
        match self.config.retention.age_ms {
            0 => Levels::for_retention(None),
            age => Levels::for_retention(Some(Millis(age))),
        }
    }

    /// Carries out one choice of the plan, if it has one.
    fn compact_once(&self, urgency: Urgency) -> Result<bool, Error> {
        let _alone = self.compacting.lock();
        let version = self.manifest.current();
        let newest_ts = version.blocks().iter().map(|block| block.range.end - 1).max().unwrap_or(i64::MIN);
        let time = compaction::DataTime {
            newest_ts: newest_ts.max(self.head.newest_ts()),
            now: self.env.clock.now().0,
        };
        let blocks: Vec<_> = version.blocks().iter().map(|block| plan_block(&version, block)).collect();
        let Some(choice) = compaction::plan(&blocks, &self.levels(), time, urgency) else { return Ok(false) };
        let compacted = self.carry_out(&version, &choice);
        let counter = match &compacted {
            Ok(()) => &self.counters.compactions,
            Err(_) => &self.counters.compaction_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        compacted.map(|()| true)
    }

    fn carry_out(&self, version: &Version, choice: &Choice) -> Result<(), Error> {
        let mut inputs = Vec::with_capacity(choice.inputs.len());
        for id in &choice.inputs {
            let deletions = version.tombstones().iter().filter(|tombstone| tombstone.id > *id);
            let deletions = deletions.map(|tombstone| Deletion {
                matchers: tombstone.matchers.clone(),
                range: tombstone.range.clone(),
            });
            inputs.push(MergeInput { reader: self.blocks.get(*id)?, deletions: deletions.collect() });
        }
        let env = CompactionEnv { fs: Arc::clone(&self.env.fs), dir: self.block_dir.clone(), space: 0 };
        let done = compaction::compact(&env, choice, &inputs, || self.manifest.allocate_id());
        let done = done.inspect_err(|error: &CompactionError| {
            warn!(inputs = choice.inputs.len(), level = choice.level, %error, "compaction failed");
        })?;
        let created = self.env.clock.now();
        let mut edits: Vec<Edit> = done.removed.iter().map(|id| Edit::RemoveBlock(*id)).collect();
        edits
            .extend(done.added.iter().map(|block| Edit::AddBlock(block_meta(block, created, &done.removed))));
        self.manifest.apply(edits)?;
        info!(
            inputs = done.removed.len(),
            outputs = done.added.len(),
            level = choice.level,
            bytes = done.added.iter().map(|block| block.file_bytes).sum::<u64>(),
            "blocks compacted"
        );
        drop(inputs);
        self.remove_block_files(&done.removed);
        Ok(())
    }

    /// Removes deletions that concern no block any more.
    fn drop_spent_tombstones(&self) -> Result<(), Error> {
        let _alone = self.compacting.lock();
        let version = self.manifest.current();
        let spent =
            |tombstone: &&Arc<Tombstone>| !version.blocks().iter().any(|block| touches(tombstone, block));
        let edits: Vec<Edit> = version
            .tombstones()
            .iter()
            .filter(spent)
            .map(|tombstone| Edit::RemoveTombstone(tombstone.id))
            .collect();
        if !edits.is_empty() {
            self.manifest.apply(edits)?;
        }
        Ok(())
    }
}

fn plan_block(version: &Version, block: &BlockMeta) -> PlanBlock {
    PlanBlock {
        id: block.id,
        sequence: block.sequence,
        level: block.level,
        range: block.range.clone(),
        bytes: block.bytes,
        deletions: version.tombstones().iter().any(|tombstone| touches(tombstone, block)),
    }
}

/// Whether a deletion may concern samples of a block.
fn touches(tombstone: &Tombstone, block: &BlockMeta) -> bool {
    tombstone.id > block.id
        && tombstone.range.start < block.range.end
        && tombstone.range.end > block.range.start
}
