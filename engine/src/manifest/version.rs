//! One state of the manifest.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    BlockMeta, ColdBlock, ColdState, Edit, RollupProgress, Tombstone, Violation, WalStart, invariants,
};

/// One state of the manifest: immutable, shared by all who read it. Whoever holds one may go on reading the
/// blocks it names, whatever compaction does meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Sorted by start of their range, then by id.
    blocks: Vec<Arc<BlockMeta>>,
    /// Sorted by id.
    tombstones: Vec<Arc<Tombstone>>,
    wal_start: WalStart,
    next_id: u64,
    store_id: Option<u128>,
    samples_from: i64,
    source: Option<u16>,
    /// By the width of the windows.
    rollups: BTreeMap<i64, RollupProgress>,
    /// By block.
    cold: BTreeMap<u64, Arc<ColdBlock>>,
}

impl Default for Version {
    /// An empty manifest. Ids begin at 1.
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            tombstones: Vec::new(),
            wal_start: WalStart::default(),
            next_id: 1,
            store_id: None,
            samples_from: i64::MIN,
            source: None,
            rollups: BTreeMap::new(),
            cold: BTreeMap::new(),
        }
    }
}

impl Version {
    /// The live blocks, sorted by start of their range, then by id.
    #[must_use]
    pub fn blocks(&self) -> &[Arc<BlockMeta>] {
        &self.blocks
    }

    /// The live blocks that hold something of `range`, in the same order.
    pub fn blocks_in(&self, range: Range<i64>) -> impl Iterator<Item = &Arc<BlockMeta>> {
        let starts_before = self.blocks.partition_point(|block| block.range.start < range.end);
        self.blocks.iter().take(starts_before).filter(move |block| block.range.end > range.start)
    }

    /// The live block of this id.
    #[must_use]
    pub fn block(&self, id: u64) -> Option<&Arc<BlockMeta>> {
        self.blocks.iter().find(|block| block.id == id)
    }

    /// The tombstones, the oldest first.
    #[must_use]
    pub fn tombstones(&self) -> &[Arc<Tombstone>] {
        &self.tombstones
    }

    /// The tombstone of this id.
    #[must_use]
    pub fn tombstone(&self, id: u64) -> Option<&Arc<Tombstone>> {
        self.tombstones.iter().find(|tombstone| tombstone.id == id)
    }

    /// Where replay begins.
    #[must_use]
    pub const fn wal_start(&self) -> WalStart {
        self.wal_start
    }

    /// Greater than every id that was ever committed.
    #[must_use]
    pub const fn next_id(&self) -> u64 {
        self.next_id
    }

    /// What tells this store from its copies; none as long as nobody has asked.
    #[must_use]
    pub const fn store_id(&self) -> Option<u128> {
        self.store_id
    }

    /// As whose the rows that this store writes to tables are known; none as long as nobody has asked.
    #[must_use]
    pub const fn source(&self) -> Option<u16> {
        self.source
    }

    /// Of what is older not all samples are there any more; `i64::MIN` as long as all are.
    #[must_use]
    pub const fn samples_from(&self) -> i64 {
        self.samples_from
    }

    /// How far the rollups of windows of `width_ms` are.
    #[must_use]
    pub fn rollup(&self, width_ms: i64) -> RollupProgress {
        self.rollups.get(&width_ms).cloned().unwrap_or_else(|| RollupProgress::new(width_ms))
    }

    /// How far all rollups are, by the width of their windows.
    pub fn rollups(&self) -> impl Iterator<Item = &RollupProgress> {
        self.rollups.values()
    }

    /// What is known of the block of this id in object storage.
    #[must_use]
    pub fn cold(&self, id: u64) -> Option<&Arc<ColdBlock>> {
        self.cold.get(&id)
    }

    /// All blocks that have, or may have, an object in object storage, by id; also such as are not live any more.
    pub fn cold_blocks(&self) -> impl Iterator<Item = &Arc<ColdBlock>> {
        self.cold.values()
    }

    /// Whether the block of this id is whole in object storage: it stays as it is.
    #[must_use]
    pub fn is_cold(&self, id: u64) -> bool {
        self.cold(id).is_some_and(|cold| cold.is_whole())
    }

    /// Whether the block of this id has a file in the data directory.
    #[must_use]
    pub fn has_file(&self, id: u64) -> bool {
        self.cold(id).is_none_or(|cold| cold.state < ColdState::Bucket)
    }

    /// As a copy of the store begins: it has no id yet, and of the objects of blocks knows those that are whole.
    pub(crate) fn for_copy(&self) -> Self {
        let mut copy = Self { store_id: None, ..self.clone() };
        copy.cold.retain(|_, cold| cold.is_whole());
        copy
    }

    /// The version after `edits`.
    pub(super) fn after(&self, edits: &[Edit]) -> Result<Self, Violation> {
        let mut next = self.clone();
        for edit in edits {
            invariants::check_edit(&next, edit)?;
            next.apply(edit);
        }
        next.sort();
        invariants::check_version(&next)?;
        Ok(next)
    }

    /// Edits that lead from an empty manifest to this version.
    pub(super) fn to_edits(&self) -> Vec<Edit> {
        let tombstones = self.tombstones.iter().map(|it| (it.id, Edit::AddTombstone(Arc::clone(it))));
        let blocks = self.blocks.iter().map(|it| (it.id, Edit::AddBlock(Arc::clone(it))));
        let mut live: Vec<_> = tombstones.chain(blocks).collect();
        // By id, so that each is above all before it, which is the quick way to see that it is new.
        live.sort_by_key(|(id, _)| *id);
        let mut edits: Vec<_> = live.into_iter().map(|(_, edit)| edit).collect();
        edits.extend([Edit::WalStart(self.wal_start), Edit::NextId(self.next_id)]);
        edits.extend(self.store_id.map(Edit::StoreId));
        edits.extend(self.source.map(Edit::Source));
        edits.extend(Some(self.samples_from).filter(|ts| *ts != i64::MIN).map(Edit::SamplesFrom));
        edits.extend(self.rollups.values().cloned().map(Edit::Rollup));
        edits.extend(self.cold.values().cloned().map(Edit::Cold));
        edits
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::AddBlock(block) => {
                self.next_id = self.next_id.max(block.id.saturating_add(1));
                self.blocks.push(Arc::clone(block));
            }
            Edit::RemoveBlock(id) => {
                self.blocks.retain(|block| block.id != *id);
                self.let_go(*id);
            }
            Edit::AddTombstone(tombstone) => {
                self.next_id = self.next_id.max(tombstone.id.saturating_add(1));
                self.tombstones.push(Arc::clone(tombstone));
            }
            Edit::RemoveTombstone(id) => self.tombstones.retain(|tombstone| tombstone.id != *id),
            Edit::WalStart(start) => self.wal_start = *start,
            Edit::NextId(id) => self.next_id = *id,
            Edit::StoreId(id) => self.store_id = Some(*id),
            Edit::Source(number) => self.source = Some(*number),
            Edit::SamplesFrom(ts) => self.samples_from = self.samples_from.max(*ts),
            Edit::Rollup(progress) => drop(self.rollups.insert(progress.width_ms, progress.clone())),
            Edit::Cold(cold) if cold.state == ColdState::Gone => drop(self.cold.remove(&cold.block)),
            Edit::Cold(cold) => drop(self.cold.insert(cold.block, Arc::clone(cold))),
        }
    }

    /// Of a block that is not live any more the object has to go, if it is one of this store.
    fn let_go(&mut self, id: u64) {
        let Some(cold) = self.cold.remove(&id) else { return };
        let is_ours = self.store_id.is_some_and(|id| cold.key.starts_with(&ColdBlock::prefix(id)));
        if is_ours {
            self.cold.insert(id, Arc::new(cold.in_state(ColdState::Going)));
        }
    }

    fn sort(&mut self) {
        self.blocks.sort_by_key(|block| (block.range.start, block.id));
        self.tombstones.sort_by_key(|tombstone| tombstone.id);
    }
}
