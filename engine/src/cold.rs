//! Whole blocks in object storage: samples as they are, for longer than the disk has room.
//!
//! A block goes there in steps, each durable before the next: the manifest says that there may be an object; the object is
//! written, and its length looked up; the manifest says that it is whole. The file goes later, by the retention of the
//! data directory, after the manifest has said that the object is all there is. On its way out the manifest forgets the
//! block first, the object goes after, and then the manifest forgets that. So a crash leaves no object that nobody knows.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tracing::{error, info};

use crate::{
    block::{BlockError, ColdObject, ColdReads, block_path},
    engine::Inner,
    env::{Env, ObjectError, ObjectErrorKind, ObjectStore, OpenMode, Places},
    error::Error,
    manifest::{BlockMeta, ColdBlock, ColdState, Edit, Version},
    parts::{FetchStats, PartCache},
    rollup::Retry,
    tier::{Place, RawConfig, TierError, TiersConfig},
};

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Not more than this part of the blocks goes at once without being asked for.
const DELETED_PART: u64 = 10;

/// What moves blocks, and reads them where they are.
#[derive(Debug)]
pub(crate) struct Cold {
    tiers: TiersConfig,
    places: Arc<dyn Places>,
    opened: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>,
    cache: Arc<PartCache>,
    reads: Arc<ColdReads>,
    /// Held by whoever writes or removes objects.
    tending: Mutex<()>,
    pub(crate) retry: Mutex<Retry>,
    held_back: AtomicBool,
    uploads: AtomicU64,
    failures: AtomicU64,
}

/// Blocks in object storage at one moment, and what was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColdStats {
    /// Live blocks of which an object is whole.
    pub blocks: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Those of them that are still in the data directory as well.
    pub blocks_local: u64,
    /// Objects that wait to be removed.
    pub blocks_going: u64,
    /// Blocks that were moved since the start.
    pub uploads_total: u64,
    /// Attempts to move or remove blocks that failed since the start.
    pub failures_total: u64,
    /// Requests that reading took since the start.
    pub requests_total: u64,
    /// Bytes that these brought.
    pub fetched_bytes_total: u64,
    /// What is kept of all places but `local`: tables of rollups as well.
    pub cache: FetchStats,
    /// Blocks and chunks that were left out of answers since the start because they could not be reached.
    pub left_out_total: u64,
    /// Whether retention would remove so much at once that it waits for a confirmation.
    pub deletion_held_back: bool,
}

impl Cold {
    /// As `tiers` say. A place that does not answer yet is asked again by who needs it.
    ///
    /// # Errors
    /// When there can be no such place.
    pub(crate) fn open(env: &Env, tiers: &TiersConfig, cache: Arc<PartCache>) -> Result<Self, Error> {
        let cold = Self {
            tiers: tiers.clone(),
            places: Arc::clone(&env.places),
            opened: Mutex::default(),
            cache,
            reads: Arc::default(),
            tending: Mutex::default(),
            retry: Mutex::default(),
            held_back: AtomicBool::new(false),
            uploads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        if let Some(raw) = &tiers.raw {
            let options = tiers.place_options.get(&raw.place).cloned().unwrap_or_default();
            let wrong =
                |error: ObjectError| Error::Config { problem: format!("tiers.raw.place: {}", error.source) };
            drop(Place::new(Arc::clone(&env.places), &raw.place, options).map_err(wrong)?);
        }
        Ok(cold)
    }

    fn store(&self, place: &str) -> Arc<dyn ObjectStore> {
        let mut opened = self.opened.lock();
        if let Some(store) = opened.get(place) {
            return Arc::clone(store);
        }
        let options = self.tiers.place_options.get(place).cloned().unwrap_or_default();
        let store: Arc<dyn ObjectStore> = Arc::new(Place::of(Arc::clone(&self.places), place, options));
        opened.insert(place.to_owned(), Arc::clone(&store));
        store
    }

    /// How the object of a block is read.
    pub(crate) fn object(&self, cold: &ColdBlock, bytes: u64) -> ColdObject {
        ColdObject {
            store: self.store(&cold.place),
            key: cold.key.as_str().into(),
            bytes,
            cache: Arc::clone(&self.cache),
            reads: Arc::clone(&self.reads),
        }
    }
}

/// The blocks that are due: whole windows of the highest level that have been at rest, and whatever else would be dropped
/// from the data directory for its age.
fn due(
    version: &Version,
    raw: &RawConfig,
    top_level: u8,
    oldest_ts: i64,
    now_ms: i64,
) -> Vec<Arc<BlockMeta>> {
    let rested = now_ms.saturating_sub(raw.after_ms);
    let is_due = |block: &&Arc<BlockMeta>| {
        let end = block.range.end;
        !version.is_cold(block.id)
            && !raw.is_over(end, now_ms)
            && ((block.level >= top_level && end <= rested) || end <= oldest_ts)
    };
    version.blocks().iter().filter(is_due).cloned().collect()
}

/// Whether so much goes only when retention was shortened, or time has jumped: more than a tenth of the bytes, and more
/// than one block.
fn is_suspicious(all: u64, gone: &[Arc<BlockMeta>]) -> bool {
    gone.len() > 1 && gone.iter().map(|block| block.bytes).sum::<u64>() * DELETED_PART > all
}

impl Inner {
    /// Moves blocks that are due to object storage, and removes what has been there for too long. What fails is logged,
    /// and tried again later.
    ///
    /// # Errors
    /// The first thing that failed.
    pub(crate) fn tend_cold(&self) -> Result<(), TierError> {
        let _alone = self.cold.tending.lock();
        let result = self.remove_objects().and(self.move_due()).and_then(|()| {
            self.expire_cold()?;
            self.remove_objects()
        });
        if result.is_err() {
            self.cold.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Whether the data directory has to keep a block because it is not in object storage yet.
    pub(crate) fn is_to_be_moved(&self, version: &Version, block: &BlockMeta, now_ms: i64) -> bool {
        let Some(raw) = &self.cold.tiers.raw else { return false };
        !version.is_cold(block.id)
            && !raw.is_over(block.range.end, now_ms)
            && !self.damaged_blocks.lock().contains(&block.id)
    }

    /// Reads every block of the version that has no file where its object is.
    pub(crate) fn find_cold_blocks(&self) {
        let version = self.manifest.current();
        for block in version.blocks() {
            if let Some(cold) = version.cold(block.id).filter(|cold| cold.state == ColdState::Bucket) {
                self.blocks.set_cold(block.id, self.cold.object(cold, block.bytes));
            }
        }
    }

    fn move_due(&self) -> Result<(), TierError> {
        let Some(raw) = &self.cold.tiers.raw else { return Ok(()) };
        let now_ms = self.env.clock.now().0;
        let top_level = self.levels().top().level;
        for block in due(&self.manifest.current(), raw, top_level, self.oldest_ts(now_ms), now_ms) {
            if self.damaged_blocks.lock().contains(&block.id) {
                continue;
            }
            match self.move_block(raw, &block) {
                Err(TierError::Block(damage)) if damage.is_damage() => {
                    // It stays where it is, and goes when it is too old.
                    error!(block = block.id, error = %damage, "a damaged block is not moved to object storage");
                    self.damaged_blocks.lock().insert(block.id);
                }
                moved => moved?,
            }
        }
        Ok(())
    }

    fn move_block(&self, raw: &RawConfig, block: &BlockMeta) -> Result<(), TierError> {
        let (store_id, _) = self.identity()?;
        let Some(cold) = self.begin_to_move(raw, store_id, block)? else { return Ok(()) };
        // Whoever holds it keeps it, also if it is merged meanwhile.
        self.blocks.get(block.id)?.verify()?;
        let store = self.cold.store(&cold.place);
        self.upload(&*store, &cold.key, block)?;
        let found = store.size(&cold.key)?;
        if found != block.bytes {
            let problem = format!("{found} bytes are there of {}", block.bytes);
            return Err(TierError::Damaged { key: cold.key.clone(), problem });
        }
        let _alone = self.compacting.lock();
        if self.manifest.current().block(block.id).is_some() {
            let edit = Edit::Cold(Arc::new(cold.in_state(ColdState::Both)));
            self.manifest.apply(vec![edit]).map_err(Error::from)?;
            self.cold.uploads.fetch_add(1, Ordering::Relaxed);
            info!(block = block.id, bytes = block.bytes, place = cold.place, "block moved to object storage");
        }
        Ok(())
    }

    /// Notes that there may be an object of the block from now on. None if the block has been merged meanwhile.
    fn begin_to_move(
        &self,
        raw: &RawConfig,
        store_id: u128,
        block: &BlockMeta,
    ) -> Result<Option<Arc<ColdBlock>>, TierError> {
        let _alone = self.compacting.lock();
        let version = self.manifest.current();
        if version.block(block.id).is_none() {
            return Ok(None);
        }
        // Also if the place has changed: what may have come to the old one has to go from there.
        if let Some(begun) = version.cold(block.id) {
            return Ok(Some(Arc::clone(begun)));
        }
        let cold = Arc::new(ColdBlock {
            block: block.id,
            state: ColdState::Uploading,
            place: raw.place.clone(),
            key: format!("{}{:016}.blk", ColdBlock::prefix(store_id), block.id),
        });
        self.manifest.apply(vec![Edit::Cold(Arc::clone(&cold))]).map_err(Error::from)?;
        Ok(Some(cold))
    }

    fn upload(&self, store: &dyn ObjectStore, key: &str, block: &BlockMeta) -> Result<(), TierError> {
        let path = block_path(&self.block_dir, block.id);
        let failed = |action| {
            let path = path.clone();
            move |source| BlockError::Io { action, path, source }
        };
        let file = self.env.fs.open(&path, OpenMode::Read).map_err(failed("open"))?;
        let mut upload = store.upload(key)?;
        let mut buf = vec![0; READ_BYTES];
        let mut offset = 0;
        while offset < block.bytes {
            let len = usize::try_from(block.bytes - offset).unwrap_or(usize::MAX).min(READ_BYTES);
            file.read_at(&mut buf[..len], offset).map_err(failed("read"))?;
            upload.write(&buf[..len])?;
            offset += len as u64;
        }
        upload.finish()?;
        Ok(())
    }

    /// Drops blocks of which the object is all there is, and has been there for long enough.
    fn expire_cold(&self) -> Result<(), TierError> {
        let Some(raw) = &self.cold.tiers.raw else { return Ok(()) };
        let _alone = self.compacting.lock();
        let now_ms = self.env.clock.now().0;
        let version = self.manifest.current();
        let waiting = self.rollups_wait_for(&version);
        let cold = version.blocks().iter().filter(|block| !version.has_file(block.id));
        let (all, mut gone) =
            (cold.clone().map(|block| block.bytes).sum(), cold.cloned().collect::<Vec<_>>());
        gone.retain(|block| raw.is_over(block.range.end, now_ms) && !waiting(block));
        let Some(end) = gone.iter().map(|block| block.range.end).max() else {
            self.cold.held_back.store(false, Ordering::Relaxed);
            return Ok(());
        };
        let is_held_back = is_suspicious(all, &gone) && !self.cold.tiers.confirm_deletion;
        let was_held_back = self.cold.held_back.swap(is_held_back, Ordering::Relaxed);
        if is_held_back && !was_held_back {
            error!(
                blocks = gone.len(),
                "retention would remove more than a tenth of the blocks in object storage at once: nothing is removed \
                 unless tiers.confirm_deletion says so"
            );
        }
        if is_held_back {
            return Ok(());
        }
        let mut edits: Vec<Edit> = gone.iter().map(|block| Edit::RemoveBlock(block.id)).collect();
        edits.push(Edit::SamplesFrom(end));
        self.manifest.apply(edits).map_err(Error::from)?;
        info!(blocks = gone.len(), "blocks in object storage dropped by retention");
        self.counters.blocks_expired.fetch_add(gone.len() as u64, Ordering::Relaxed);
        let live = self.manifest.current().blocks().iter().map(|block| block.id).collect();
        self.blocks.retain(&live);
        Ok(())
    }

    /// Removes the objects of blocks that are not live any more.
    fn remove_objects(&self) -> Result<(), TierError> {
        let version = self.manifest.current();
        for cold in version.cold_blocks().filter(|cold| cold.state == ColdState::Going) {
            match self.cold.store(&cold.place).delete(&cold.key) {
                Err(error) if error.kind != ObjectErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            let edit = Edit::Cold(Arc::new(cold.in_state(ColdState::Gone)));
            self.manifest.apply(vec![edit]).map_err(Error::from)?;
        }
        Ok(())
    }

    /// See [`crate::Engine::cold_stats`].
    pub(crate) fn cold_stats(&self) -> ColdStats {
        let version = self.manifest.current();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut stats = ColdStats {
            uploads_total: count(&self.cold.uploads),
            failures_total: count(&self.cold.failures),
            requests_total: count(&self.cold.reads.requests),
            fetched_bytes_total: count(&self.cold.reads.bytes),
            cache: self.cold.cache.stats(),
            left_out_total: self.damage.unreachable(),
            deletion_held_back: self.cold.held_back.load(Ordering::Relaxed),
            ..ColdStats::default()
        };
        for block in version.blocks().iter().filter(|block| version.is_cold(block.id)) {
            stats.blocks += 1;
            stats.bytes += block.bytes;
            stats.blocks_local += u64::from(version.has_file(block.id));
        }
        let going = version.cold_blocks().filter(|cold| cold.state == ColdState::Going);
        stats.blocks_going = going.count() as u64;
        stats
    }
}
