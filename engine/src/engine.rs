//! Open, append, read, close: wiring only.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tracing::info;

use crate::{
    block::{BlockCache, BlockCacheBytes},
    checkpoint_file,
    cold::{Cold, ColdStats},
    config::EngineConfig,
    env::{Env, Fs, LockGuard},
    error::Error,
    flush::{self, FlushReport, OpenChunks},
    head::{Batch, Cardinality, Exemplar, Head, HeadStats, Metadata, RawHasher},
    maintenance::{LastFlush, Maintenance, Upkeep},
    manifest::{BlockMeta, ManifestStore, Version},
    model::{Labels, Matcher, MemoryBudget},
    pressure::{self, MemoryStage},
    read::{DamageLog, Found, LookUp, Selection},
    recovery::{self, RecoveryReport, ReplayProgress},
    rollup::{Eagerness, RollupRequest, RollupSelection, RollupStats, Rollups, TierStats},
    snapshot::SnapshotReport,
    tier::TiersConfig,
    wal::{Wal, WalStats},
};

/// Chunks and blocks of level 0 never cross a multiple of this, which is the window of level 1.
pub(crate) const WINDOW_MS: i64 = 2 * 60 * 60 * 1_000;

/// The file in a data directory that whoever has it open holds locked.
pub(crate) const LOCK: &str = "LOCK";

/// A store of time series in one directory.
///
/// Cheap to share: all methods take `&self` and may be called from any thread. Dropping it without
/// [`Engine::close`] loses nothing that was acknowledged; the next open only has more to replay.
#[derive(Debug)]
pub struct Engine {
    inner: Arc<Inner>,
    maintenance: Option<Maintenance>,
}

/// What the engine's parts share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) config: EngineConfig,
    pub(crate) head: Head,
    pub(crate) wal: Wal,
    pub(crate) manifest: ManifestStore,
    pub(crate) blocks: BlockCache,
    pub(crate) block_dir: PathBuf,
    pub(crate) wal_dir: PathBuf,
    /// Held by whoever flushes, or changes what a flush set aside: the number of the last checkpoint that was begun.
    pub(crate) flushing: Mutex<u64>,
    /// Held by whoever compacts, deletes or drops blocks.
    pub(crate) compacting: Mutex<()>,
    pub(crate) last_flush: Mutex<LastFlush>,
    pub(crate) upkeep: Mutex<Upkeep>,
    /// Live blocks that a compaction could not read.
    pub(crate) damaged_blocks: Mutex<BTreeSet<u64>>,
    /// What reads left out of their answers.
    pub(crate) damage: Arc<DamageLog>,
    pub(crate) counters: Counters,
    pub(crate) rollups: Rollups,
    pub(crate) cold: Cold,
    recovery: RecoveryReport,
    _lock: LockGuard,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) flushes: AtomicU64,
    pub(crate) flush_failures: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_failures: AtomicU64,
    pub(crate) blocks_expired: AtomicU64,
    /// Whether a merge is due for which the disk has no room: a state, not a count.
    pub(crate) merges_without_room: AtomicBool,
}

/// The engine at one moment.
#[derive(Debug, Clone)]
pub struct EngineStats {
    /// The part in memory.
    pub head: HeadStats,
    /// The log.
    pub wal: WalStats,
    /// How short memory is.
    pub memory_stage: MemoryStage,
    /// Bytes that the head and the log's buffer may hold: `head.budget_bytes`, or its default.
    pub memory_budget_bytes: u64,
    /// Bytes that live blocks keep in memory of what was read of them.
    pub caches: BlockCacheBytes,
    /// The live blocks, oldest first.
    pub blocks: Vec<Arc<BlockMeta>>,
    /// What the last start found.
    pub recovery: RecoveryReport,
    /// Flushes since the start.
    pub flushes_total: u64,
    /// Flushes that failed since the start.
    pub flush_failures_total: u64,
    /// Compactions since the start.
    pub compactions_total: u64,
    /// Compactions that failed since the start.
    pub compaction_failures_total: u64,
    /// Whether a merge is due for which the disk has no room.
    pub merges_without_room: bool,
    /// Blocks dropped by retention since the start.
    pub blocks_expired_total: u64,
    /// Live blocks in which a read or a compaction found damage.
    pub blocks_damaged: usize,
    /// Damaged blocks and chunks that were left out of answers since the start, each time they were.
    pub damaged_left_out_total: u64,
}

impl Engine {
    /// Opens the store in `dir`, which is created when it does not exist, with default settings.
    ///
    /// # Errors
    /// When another process has it open, or its files cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(dir, EngineConfig::default())
    }

    /// Opens the store in `dir` with these settings.
    ///
    /// # Errors
    /// When a setting is wrong, another process has the directory open, or its files cannot be read.
    pub fn open_with(dir: impl AsRef<Path>, config: EngineConfig) -> Result<Self, Error> {
        Self::open_watched(dir, config, &ReplayProgress::default())
    }

    /// As [`Engine::open_with`]; meanwhile `progress` tells other threads how far the replay of the log is.
    ///
    /// # Errors
    /// As [`Engine::open_with`].
    pub fn open_watched(
        dir: impl AsRef<Path>,
        config: EngineConfig,
        progress: &ReplayProgress,
    ) -> Result<Self, Error> {
        let mut engine = Self::open_inner(&Env::system(), dir.as_ref(), config, progress)?;
        engine.maintenance = Some(Maintenance::start(&engine.inner)?);
        Ok(engine)
    }

    /// Opens the store in an environment of the caller's. Nothing happens by itself: call [`Engine::maintain`].
    ///
    /// # Errors
    /// As [`Engine::open_with`].
    pub fn open_in(env: &Env, dir: &Path, config: EngineConfig) -> Result<Self, Error> {
        Self::open_inner(env, dir, config, &ReplayProgress::default())
    }

    fn open_inner(
        env: &Env,
        dir: &Path,
        mut config: EngineConfig,
        progress: &ReplayProgress,
    ) -> Result<Self, Error> {
        config.validate().map_err(|problem| Error::Config { problem })?;
        if config.head.budget_bytes == 0 {
            config.head.budget_bytes = crate::limits::default_budget_bytes();
        }
        let fs = &env.fs;
        let (block_dir, wal_dir) = (dir.join("blocks"), dir.join("wal"));
        create_durably(&**fs, dir)?;
        for dir in [&block_dir, &wal_dir] {
            fs.create_dir_all(dir).map_err(Error::io("create", dir))?;
        }
        let lock_path = dir.join(LOCK);
        let lock = fs.lock(&lock_path).map_err(|source| Error::Locked { path: lock_path, source })?;
        let manifest_dir = dir.join("manifest");
        recovery::check_manifest(&**fs, &manifest_dir, &block_dir)?;
        let (manifest, version) = ManifestStore::open(env, &manifest_dir)?;
        fs.sync_dir(dir).map_err(Error::io("sync", dir))?;
        recovery::remove_rubbish(&**fs, &block_dir, &wal_dir, &version)?;
        let head = Head::new(env, config.head.clone(), WINDOW_MS);
        let rollups = Rollups::open(env, dir, config.tiers.clone())?;
        let cold = Cold::open(env, &config.tiers, Arc::clone(&rollups.remote_cache))?;
        if let Some(width_ms) = rollups.finest() {
            head.set_rolled_to(version.rollup(width_ms).begun_to(), width_ms);
        }
        let (recovery, segment) = recovery::replay(env, &wal_dir, &version, &head, progress)?;
        let wal = Wal::open(env, &wal_dir, config.wal.clone(), segment)?;
        // What a crash left behind the last flush.
        wal.remove_before(version.wal_start().segment)?;
        info!(dir = %dir.display(), blocks = version.blocks().len(), series = head.stats().series, "store opened");
        let newest_ts = head.stats().newest_ts;
        let inner = Inner {
            env: env.clone(),
            config,
            head,
            wal,
            blocks: BlockCache::new(Arc::clone(fs), block_dir.clone()),
            manifest,
            block_dir,
            wal_dir,
            flushing: Mutex::new(version.wal_start().checkpoint.unwrap_or(0)),
            compacting: Mutex::new(()),
            last_flush: Mutex::new(LastFlush {
                at_ms: env.clock.now().0,
                wal_bytes: 0,
                window: (newest_ts > i64::MIN).then(|| newest_ts.div_euclid(WINDOW_MS)),
            }),
            upkeep: Mutex::default(),
            damaged_blocks: Mutex::default(),
            damage: Arc::default(),
            counters: Counters::default(),
            rollups,
            cold,
            recovery,
            _lock: lock,
        };
        inner.find_cold_blocks();
        Ok(Self { inner: Arc::new(inner), maintenance: None })
    }

    /// An empty batch of rows.
    pub fn batch(&self) -> Batch<'_> {
        let inner = &self.inner;
        let now_ms = inner.env.clock.now().0;
        inner.head.batch(&inner.wal, now_ms, inner.oldest_ts(now_ms))
    }

    /// Hashes label sets as senders write them, for [`Batch::known_series`].
    #[must_use]
    pub fn raw_hasher(&self) -> RawHasher {
        self.inner.head.hasher()
    }

    /// The series that satisfy all `matchers` and may have samples between `start` and `end`, milliseconds, both
    /// inclusive.
    ///
    /// # Errors
    /// When a block cannot be read. Damaged ones are left out, and the answer names them.
    pub fn select(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<Selection, Error> {
        self.select_within(matchers, start, end, &MemoryBudget::unlimited())
    }

    /// As [`Engine::select`], with what the selection holds (labels, and what is copied from the head) taken from
    /// `memory`.
    ///
    /// # Errors
    /// When a block cannot be read, or the budget is used up. Damaged blocks are left out, and the answer names them.
    pub fn select_within(
        &self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
        memory: &MemoryBudget,
    ) -> Result<Selection, Error> {
        self.inner.select(matchers, start, end, memory)
    }

    /// Names of the labels of the series that satisfy all `matchers` and may have samples in the range, sorted.
    ///
    /// # Errors
    /// When a block cannot be read. Damaged ones are left out, and the answer names them.
    pub fn label_names(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<Found<Vec<u8>>, Error> {
        self.inner.label_names(LookUp { matchers, start, end })
    }

    /// Values of the label `name` in the series that satisfy all `matchers` and may have samples in the range,
    /// sorted.
    ///
    /// # Errors
    /// When a block cannot be read. Damaged ones are left out, and the answer names them.
    pub fn label_values(
        &self,
        name: &[u8],
        matchers: &[Matcher],
        start: i64,
        end: i64,
    ) -> Result<Found<Vec<u8>>, Error> {
        self.inner.label_values(name, LookUp { matchers, start, end })
    }

    /// Labels of the series that satisfy all `matchers` and may have samples in the range, sorted.
    ///
    /// # Errors
    /// When a block cannot be read. Damaged ones are left out, and the answer names them.
    pub fn series(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<Found<Labels>, Error> {
        self.inner.series(LookUp { matchers, start, end })
    }

    /// Exemplars between `start` and `end`, both inclusive, of the series that satisfy all matchers of one of the
    /// selectors: sorted by series, those of one series in the order of their arrival.
    #[must_use]
    pub fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        start: i64,
        end: i64,
    ) -> Vec<(Labels, Vec<Exemplar>)> {
        let mut by_series = std::collections::BTreeMap::<Labels, Vec<Exemplar>>::new();
        for found in self.inner.head.exemplars(selectors, start, end) {
            by_series.entry(found.series).or_default().push(found.exemplar);
        }
        by_series.into_iter().collect()
    }

    /// Metadata of all metric families, sorted by name.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, Metadata)> {
        self.inner.head.metadata()
    }

    /// Which metrics and labels make up the series in memory; of each list the `limit` largest counts.
    #[must_use]
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        self.inner.head.cardinality(limit)
    }

    /// Deletes the samples between `start` and `end`, both inclusive, of the series that satisfy all `matchers`.
    /// They are gone for readers at once; compaction takes them off the disk. Rollups are made again from what is left.
    /// Of windows whose samples are gone already, those that lie between `start` and `end` as a whole go as well.
    ///
    /// # Errors
    /// When the deletion cannot be made durable, no sample is deleted; when rollups cannot be read or written, some of
    /// them may be. The same call does the rest.
    pub fn delete_series(&self, matchers: &[Matcher], start: i64, end: i64) -> Result<(), Error> {
        self.inner.delete_series(matchers, start, end)
    }

    /// Moves everything in memory to blocks.
    ///
    /// # Errors
    /// When writing fails; nothing is lost then.
    pub fn flush(&self) -> Result<FlushReport, Error> {
        self.inner.flush(OpenChunks::SEAL)
    }

    /// Compacts all levels as far as they go, whatever the windows, and takes deleted samples off the disk.
    ///
    /// # Errors
    /// When reading or writing fails; nothing is lost then.
    pub fn compact(&self) -> Result<(), Error> {
        self.inner.compact_all()
    }

    /// Writes a copy of the whole store, as it is at some moment of the call, to `dir`, which must not exist or be empty.
    /// Everything that was acknowledged before the call is in it. The copy is a data directory; where the file system
    /// can, its files are those of the store under a second name, and take no room until the store drops them.
    ///
    /// Flushes and compactions wait meanwhile; writes and queries do not.
    ///
    /// # Errors
    /// When there is something in `dir`, and when writing fails: `dir` is no data directory then.
    pub fn snapshot(&self, dir: impl AsRef<Path>) -> Result<SnapshotReport, Error> {
        self.inner.snapshot(dir.as_ref())
    }

    /// Rolls up every window that is complete, also those that are not worth a job yet.
    ///
    /// # Errors
    /// When a place of tiers does not do what it should. What has been rolled up stays.
    pub fn roll_up(&self) -> Result<(), Error> {
        Ok(self.inner.roll_up(Eagerness::Now)?)
    }

    /// Puts small files of tiers together, drops what is too old, and removes objects that are not needed any more.
    ///
    /// # Errors
    /// When a place of tiers does not do what it should.
    pub fn tend_tiers(&self) -> Result<(), Error> {
        Ok(self.inner.tend_tables(Eagerness::Now)?)
    }

    /// Moves blocks that are old enough to object storage, and removes what has been there for too long.
    ///
    /// # Errors
    /// When the place does not do what it should. What has been moved stays moved.
    pub fn tend_cold(&self) -> Result<(), Error> {
        Ok(self.inner.tend_cold()?)
    }

    /// The blocks in object storage at this moment.
    #[must_use]
    pub fn cold_stats(&self) -> ColdStats {
        self.inner.cold_stats()
    }

    /// The series of a tier that satisfy all matchers and have rows in the range.
    ///
    /// # Errors
    /// When a file of the tier cannot be read, or the request's memory is used up.
    pub fn select_rollups(&self, request: &RollupRequest<'_>) -> Result<RollupSelection, Error> {
        self.inner.select_rollups(request)
    }

    /// The tiers of rollups at this moment, from the finest.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierStats> {
        self.inner.tier_stats()
    }

    /// Of what is older than this time, milliseconds, not all samples are there any more, or none ever were.
    #[must_use]
    pub fn samples_reach_to(&self) -> i64 {
        self.inner.samples_reach_to()
    }

    /// How many samples of a series a window of `width_ms` has on average, as far as blocks tell of `(from, to]`,
    /// milliseconds. None where nothing is known, or some of these blocks lie in object storage.
    #[must_use]
    pub fn samples_per_window(&self, width_ms: i64, from: i64, to: i64) -> Option<f64> {
        self.inner.samples_per_window(width_ms, from, to)
    }

    /// The settings of the tiers.
    #[must_use]
    pub fn tiers_config(&self) -> &TiersConfig {
        &self.inner.rollups.config
    }

    /// What rolling up did since the start.
    #[must_use]
    pub fn rollup_stats(&self) -> RollupStats {
        self.inner.rollups.stats()
    }

    /// Does what is due: flush, compaction, retention. An engine from [`Engine::open_with`] calls it by itself.
    ///
    /// # Errors
    /// The first thing that failed; nothing is lost then.
    pub fn maintain(&self) -> Result<(), Error> {
        self.inner.maintain()
    }

    /// The engine at this moment.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let inner = &self.inner;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let version = inner.manifest.current();
        EngineStats {
            head: inner.head.stats(),
            wal: inner.wal.stats(),
            memory_stage: inner.upkeep.lock().stage,
            memory_budget_bytes: inner.config.head.budget_bytes,
            caches: inner.blocks.bytes(),
            blocks: version.blocks().to_vec(),
            recovery: inner.recovery.clone(),
            flushes_total: count(&inner.counters.flushes),
            flush_failures_total: count(&inner.counters.flush_failures),
            compactions_total: count(&inner.counters.compactions),
            compaction_failures_total: count(&inner.counters.compaction_failures),
            merges_without_room: inner.counters.merges_without_room.load(Ordering::Relaxed),
            blocks_expired_total: count(&inner.counters.blocks_expired),
            blocks_damaged: inner.blocks_damaged(&version),
            damaged_left_out_total: inner.damage.left_out(),
        }
    }

    /// Writes what a quick next start needs, and closes the store.
    ///
    /// # Errors
    /// When writing fails. Nothing that was acknowledged is lost: the next start replays the log.
    pub fn close(mut self) -> Result<(), Error> {
        if let Some(maintenance) = self.maintenance.take() {
            maintenance.stop();
        }
        self.inner.flush(OpenChunks::Keep)?;
        info!("store closed");
        Ok(())
    }
}

/// Creates `dir` and what is missing above it, so that a power loss does not take it away with all that is in it.
pub(crate) fn create_durably(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    let mut created = Vec::new();
    for ancestor in dir.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if fs.exists(ancestor).map_err(Error::io("look for", ancestor))? {
            break;
        }
        created.push(ancestor);
    }
    fs.create_dir_all(dir).map_err(Error::io("create", dir))?;
    for parent in created.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        fs.sync_dir(parent).map_err(Error::io("sync", parent))?;
    }
    Ok(())
}

impl Inner {
    /// Older samples are refused.
    pub(crate) fn oldest_ts(&self, now_ms: i64) -> i64 {
        match self.config.retention.age_ms {
            0 => i64::MIN,
            age => now_ms.saturating_sub(age),
        }
    }

    /// Live blocks in which damage was found.
    fn blocks_damaged(&self, version: &Version) -> usize {
        let mut damaged = self.damage.blocks();
        damaged.extend(self.damaged_blocks.lock().iter());
        version.blocks().iter().filter(|block| damaged.contains(&block.id)).count()
    }

    /// Series whose newest sample is older are idle when memory is as short as `stage` says.
    pub(crate) fn idle_before(&self, stage: MemoryStage) -> i64 {
        let after_ms = pressure::idle_after_ms(stage, self.config.head.idle_ms);
        after_ms.map_or(i64::MAX, |after_ms| self.data_time().saturating_sub(after_ms))
    }

    /// What time it is by the data, milliseconds.
    pub(crate) fn data_time(&self) -> i64 {
        let (newest_ts, now_ms) = (self.head.newest_ts(), self.env.clock.now().0);
        self.upkeep.lock().data_time.at(now_ms, newest_ts)
    }

    pub(crate) fn flush(&self, open: OpenChunks) -> Result<FlushReport, Error> {
        let report = flush::flush(self, open);
        match report {
            Ok(_) => self.note_flush(),
            Err(_) => {
                self.counters.flush_failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        report
    }

    /// Removes checkpoint files that the manifest does not name any more. What cannot be removed now is removed
    /// at the next start.
    pub(crate) fn remove_checkpoints_before(&self, number: u64) {
        let Ok(entries) = self.env.fs.list(&self.wal_dir) else { return };
        for entry in entries {
            if checkpoint_file::number_of(&entry.name).is_some_and(|other| other < number) {
                drop(self.env.fs.remove(&self.wal_dir.join(&entry.name)));
            }
        }
    }
}
