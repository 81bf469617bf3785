//! Compaction of the live blocks: asks the plan, carries it out, makes it so.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use tracing::{error, info, warn};

use crate::{
    compaction::{self, Choice, CompactionEnv, CompactionError, Levels, MergeInput, PlanBlock, Urgency},
    engine::Inner,
    error::Error,
    manifest::{BlockMeta, Edit, Tombstone, Version},
    model::Millis,
    pressure::MemoryStage,
};

/// With so many blocks of level 0 merges do not wait any longer for memory to be in order.
const WAITING_BLOCKS_MAX: usize = 32;

/// What one look at the plan came to.
#[derive(Debug)]
enum Step {
    /// A choice was carried out, or given up for good; there may be more.
    Done,
    /// There is nothing to do.
    Nothing,
    /// What there is to do has no room on the disk.
    NoRoom(Error),
}

impl Inner {
    /// Carries out everything that is worth doing now.
    ///
    /// # Errors
    /// When a block cannot be read or written; everything is then as it was.
    pub(crate) fn compact_due(&self) -> Result<(), Error> {
        while !self.merges_wait() {
            match self.compact_once(Urgency::Due)? {
                Step::Done => {}
                Step::Nothing => break,
                Step::NoRoom(error) => {
                    // Once, not each second; retention or the operator makes room.
                    if !self.counters.merges_without_room.swap(true, Ordering::Relaxed) {
                        warn!(error = %error, "a merge waits for room on the disk");
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether merges leave the machine to whoever brings memory down. Not for ever: readers look into each block.
    fn merges_wait(&self) -> bool {
        let version = self.manifest.current();
        let newest = version.blocks().iter().filter(|block| block.level == 0).count();
        self.upkeep.lock().stage > MemoryStage::Calm && newest < WAITING_BLOCKS_MAX
    }

    /// Carries out everything that can be done.
    ///
    /// # Errors
    /// When a block cannot be read or written; everything is then as it was.
    pub(crate) fn compact_all(&self) -> Result<(), Error> {
        loop {
            match self.compact_once(Urgency::Everything)? {
                Step::Done => {}
                Step::Nothing => break,
                Step::NoRoom(error) => return Err(error),
            }
        }
        self.drop_spent_tombstones()
    }

    pub(crate) fn levels(&self) -> Levels {
        match self.config.retention.age_ms {
            0 => Levels::for_retention(None),
            age => Levels::for_retention(Some(Millis(age))),
        }
    }

    /// Carries out one choice of the plan, if it has one.
    fn compact_once(&self, urgency: Urgency) -> Result<Step, Error> {
        let _alone = self.compacting.lock();
        self.manifest.check()?;
        let version = self.manifest.current();
        let data_ts = self.data_time();
        let levels = self.levels();
        let blocks = sound_blocks(&version, &self.damaged_blocks.lock(), &levels);
        let room_bytes = self.room_for_merges()?;
        let within = |room_bytes| compaction::plan_within(&blocks, &levels, data_ts, urgency, room_bytes);
        let Some(choice) = within(room_bytes) else {
            let without_room = within(u64::MAX).map(|choice| self.no_room_for(&choice, room_bytes));
            if without_room.is_none() {
                self.counters.merges_without_room.store(false, Ordering::Relaxed);
            }
            return Ok(without_room.map_or(Step::Nothing, Step::NoRoom));
        };
        let compacted = self.carry_out(&version, &choice);
        let counter = match &compacted {
            Ok(()) => &self.counters.compactions,
            Err(_) => &self.counters.compaction_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        match compacted {
            Err(Error::Compaction(CompactionError::Input { block, source })) => {
                // Its data is neither merged nor dropped, and the others go on without it.
                error!(block, error = %source, "a block cannot be read and is left out of compaction");
                self.damaged_blocks.lock().insert(block);
                Ok(Step::Done)
            }
            other => other.map(|()| Step::Done),
        }
    }

    fn carry_out(&self, version: &Version, choice: &Choice) -> Result<(), Error> {
        let mut inputs = Vec::with_capacity(choice.inputs.len());
        for id in &choice.inputs {
            let reader =
                self.blocks.get(*id).map_err(|source| CompactionError::Input { block: *id, source })?;
            inputs.push(MergeInput::of(reader, version));
        }
        let env = CompactionEnv { fs: Arc::clone(&self.env.fs), dir: self.block_dir.clone(), space: 0 };
        let done = compaction::compact(&env, choice, &inputs, || self.manifest.allocate_id())?;
        if let Err(error) = self.manifest.apply(done.edits(self.env.clock.now())) {
            if !error.may_be_applied() {
                // Nothing names them, and the next attempt writes others.
                done.added.iter().for_each(|block| drop(self.env.fs.remove(&block.path)));
            }
            return Err(error.into());
        }
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

/// The blocks to plan with: without damaged ones and those in object storage, which stay as they are, and without those
/// that would end up in a block beside such a one of the same level and window, since blocks of a level must not overlap.
fn sound_blocks(version: &Version, damaged: &BTreeSet<u64>, levels: &Levels) -> Vec<PlanBlock> {
    let (damaged, sound): (Vec<&Arc<BlockMeta>>, Vec<&Arc<BlockMeta>>) =
        version.blocks().iter().partition(|block| damaged.contains(&block.id) || version.is_cold(block.id));
    let is_beside = |block: &BlockMeta, damaged: &BlockMeta| {
        let level = levels.iter().find(|level| level.level == damaged.level).unwrap_or(levels.top());
        damaged.level > 0
            && block.level <= damaged.level
            && level.window(block.range.start) == level.window(damaged.range.start)
    };
    let free = sound.into_iter().filter(|block| !damaged.iter().any(|damaged| is_beside(block, damaged)));
    free.map(|block| PlanBlock::of(block, version)).collect()
}

/// Whether a deletion may concern samples of a block.
fn touches(tombstone: &Tombstone, block: &BlockMeta) -> bool {
    tombstone.id > block.id
        && tombstone.range.start < block.range.end
        && tombstone.range.end > block.range.start
}
