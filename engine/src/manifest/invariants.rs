//! What must hold of every version of the manifest. Each function is one rule, with its reason and what breaks
//! without it; an edit that would break one is refused before it is written.
//!
//! Rules about one edit are checked as it is applied, those about a version once a whole batch is: a
//! compaction may add its output before it removes its inputs.

use std::collections::BTreeMap;

use super::{BlockMeta, ColdBlock, ColdState, Edit, RollupProgress, Tombstone, Version, WalStart};

/// A rule that an edit would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail}")]
pub struct Violation {
    /// The rule, as a phrase.
    pub rule: &'static str,
    /// The ids concerned.
    pub detail: String,
}

fn violation(rule: &'static str, detail: String) -> Result<(), Violation> {
    Err(Violation { rule, detail })
}

/// Checks `edit` against `version`, the one it would change.
pub(super) fn check_edit(version: &Version, edit: &Edit) -> Result<(), Violation> {
    match edit {
        Edit::AddBlock(block) => {
            id_is_new(version, block.id)?;
            block_is_not_empty(block)?;
            sequence_is_not_younger(block)
        }
        Edit::AddTombstone(tombstone) => {
            id_is_new(version, tombstone.id)?;
            tombstone_is_bounded(tombstone)
        }
        Edit::RemoveBlock(id) => block_is_live(version, *id),
        Edit::RemoveTombstone(id) => tombstone_is_live(version, *id),
        Edit::WalStart(start) => wal_start_advances(version, *start),
        Edit::NextId(id) => next_id_advances(version, *id),
        Edit::StoreId(_) | Edit::SamplesFrom(_) | Edit::Source(_) => Ok(()),
        Edit::Rollup(progress) => rollup_job_advances(version, progress),
        Edit::Cold(cold) => cold_block_advances(version, cold),
    }
}

/// Checks a version after a batch.
pub(super) fn check_version(version: &Version) -> Result<(), Violation> {
    levels_do_not_overlap(version)
}

/// An id names one thing for ever.
///
/// It is a block's file name and the key of caches, and its order says whether a tombstone is younger than a
/// block. With an id given out twice a reader of the old block would read the new one's bytes.
fn id_is_new(version: &Version, id: u64) -> Result<(), Violation> {
    if id == 0 {
        return violation("ids begin at 1", String::from("0"));
    }
    if id < version.next_id() && (version.block(id).is_some() || version.tombstone(id).is_some()) {
        return violation("an id is given out once", id.to_string());
    }
    Ok(())
}

/// A block covers some time.
///
/// Pruning takes ranges as half-open, so that no query would ever look into an empty one, and compaction,
/// which plans by windows, would never take it away.
fn block_is_not_empty(block: &BlockMeta) -> Result<(), Violation> {
    if block.range.is_empty() {
        return violation(
            "a block's range is not empty",
            format!("block {} has {:?}", block.id, block.range),
        );
    }
    Ok(())
}

/// A block is no younger than its id says.
///
/// Of two samples with the same time that of the lower sequence was written first and counts. Data in a
/// block was there before its id was given out.
fn sequence_is_not_younger(block: &BlockMeta) -> Result<(), Violation> {
    if block.sequence > block.id {
        let detail = format!("block {} has sequence {}", block.id, block.sequence);
        return violation("a block's sequence is at most its id", detail);
    }
    Ok(())
}

/// A tombstone has a matcher and a range.
///
/// One without matchers would delete every series. A request that means that is a mistake more often than not,
/// and there is no way back from it.
fn tombstone_is_bounded(tombstone: &Tombstone) -> Result<(), Violation> {
    if tombstone.matchers.is_empty() || tombstone.range.is_empty() {
        return violation("a tombstone has a matcher and a range", format!("tombstone {}", tombstone.id));
    }
    Ok(())
}

/// Only what is live can be removed.
///
/// Two compactions that took the same input would both add its data; the second one fails here.
fn block_is_live(version: &Version, id: u64) -> Result<(), Violation> {
    if version.block(id).is_none() {
        return violation("a removed block was live", format!("block {id}"));
    }
    Ok(())
}

/// See [`block_is_live`].
fn tombstone_is_live(version: &Version, id: u64) -> Result<(), Violation> {
    if version.tombstone(id).is_none() {
        return violation("a removed tombstone was live", format!("tombstone {id}"));
    }
    Ok(())
}

/// Replay never begins earlier than it did.
///
/// Segments before the start are removed as soon as the edit is durable, so that going back would name
/// segments that are gone, and lose what the blocks in between replaced.
fn wal_start_advances(version: &Version, start: WalStart) -> Result<(), Violation> {
    let current = version.wal_start();
    if start.segment < current.segment {
        let detail = format!("from segment {} to {}", current.segment, start.segment);
        return violation("the WAL start never goes back", detail);
    }
    Ok(())
}

/// The next id never goes down.
///
/// Ids of removed blocks are known only as lying below it; see [`id_is_new`].
fn next_id_advances(version: &Version, id: u64) -> Result<(), Violation> {
    if id < version.next_id() {
        return violation("the next id never goes down", format!("from {} to {id}", version.next_id()));
    }
    Ok(())
}

/// The number of a rollup job never goes back, nor the time up to which windows have been rolled up once.
///
/// A job whose number the table has seen is taken for committed: under a number given out twice the second one's rows
/// would never be written. Windows before the time are rolled up again only where something of them has changed.
fn rollup_job_advances(version: &Version, progress: &RollupProgress) -> Result<(), Violation> {
    let current = version.rollup(progress.width_ms);
    if progress.job < current.job || progress.rolled_to < current.rolled_to {
        let detail = format!(
            "from job {}, {} to job {}, {}",
            current.job, current.rolled_to, progress.job, progress.rolled_to
        );
        return violation("rollups never go back", detail);
    }
    Ok(())
}

/// A block goes to object storage and out of it, never back; one that is not live is on its way out.
///
/// Once the object is all there is of a block, its file goes: a state before would name a file that is gone. An object
/// that is on its way out may be gone already: a live block must not rely on it.
fn cold_block_advances(version: &Version, cold: &ColdBlock) -> Result<(), Violation> {
    let before = version.cold(cold.block).map(|before| before.state);
    let is_live = version.block(cold.block).is_some();
    let is_out = cold.state >= ColdState::Going;
    if is_live == is_out || before.is_some_and(|before| cold.state < before) {
        let detail = format!("block {} from {before:?} to {:?}", cold.block, cold.state);
        return violation("blocks in object storage never go back", detail);
    }
    Ok(())
}

/// No two live blocks of one level, 1 or above, cover the same moment.
///
/// It is what makes a level cheap: a query reads at most one of its blocks for each moment. An overlap
/// means that a compaction overlooked a block of its window, or ran twice. Tenants' blocks are told apart.
fn levels_do_not_overlap(version: &Version) -> Result<(), Violation> {
    let mut last: BTreeMap<(u32, u8), &BlockMeta> = BTreeMap::new();
    // They are sorted by start, so that an overlap shows against the one before in the same level.
    for block in version.blocks().iter().filter(|block| block.level > 0) {
        if let Some(before) = last.insert((block.space, block.level), block)
            && before.range.end > block.range.start
        {
            let detail = format!("blocks {} and {} of level {}", before.id, block.id, block.level);
            return violation("blocks of a level do not overlap", detail);
        }
    }
    Ok(())
}
