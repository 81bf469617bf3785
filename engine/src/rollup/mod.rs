//! Rolling up: which windows are due, and writing their rows to the tables.
//!
//! * `plan` - what is due (pure)
//! * `raw` - samples of the store as rows of the finest tier
//! * `job` - one job: rows, files, a commit
//! * `read` - rows for readers
//! * `delete` - rows of deleted series whose samples are gone
//! * `tend` - what becomes of files later: compaction, retention, removal
//!
//! A job covers windows of one tier in one partition. It is numbered, and the manifest says which windows it covers
//! before the table is committed to: after a crash the table tells whether the job of that number was done. What a job
//! does it does again without harm: it replaces the rows of its windows.

mod delete;
mod job;
mod plan;
mod raw;
mod read;
mod tend;

pub(crate) use job::Eagerness;
pub use read::{RollupRequest, RollupSelection, RollupSeries};

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use kymo_formats::rollup::window_end;
use parking_lot::{Mutex, RwLock};

use crate::{
    engine::Inner,
    env::{Env, FolderStore, ObjectError, ObjectStore},
    error::Error,
    manifest::{BlockMeta, Edit, RollupProgress, Tombstone, Version},
    model::WindowSet,
    parts::{FetchStats, PartCache},
    tier::{FileCache, LOCAL_PLACE, Partition, Place, Table, TableState, TierError, TiersConfig},
};

/// Bytes of tables that are kept in memory.
const CACHE_BYTES: u64 = 64 << 20;
/// Bytes of what is known of data files: their series, and where their columns are.
const FILES_BYTES: u64 = 256 << 20;
/// Where tables lie in a data directory.
pub(crate) const LOCAL_DIR: &str = "rollups";
/// Windows of this width or wider are in files by month.
const MONTHLY_FROM_MS: i64 = 3_600_000;

/// The tiers of a store.
#[derive(Debug)]
pub(crate) struct Rollups {
    pub(crate) config: TiersConfig,
    /// The width of the windows of each tier, from the finest.
    widths: Vec<i64>,
    /// The table of each tier. Held by whoever changes one.
    tables: Mutex<Vec<Table>>,
    /// What the tables are, for readers, who do not wait for a job.
    states: RwLock<Vec<Arc<TableState>>>,
    /// Where the table of each tier lies.
    stores: Vec<Arc<dyn ObjectStore>>,
    /// Of tables in the data directory.
    cache: Arc<PartCache>,
    /// Of tables, and blocks, in other places.
    pub(crate) remote_cache: Arc<PartCache>,
    files: FileCache,
    /// Held by whoever changes the progress that the manifest keeps: it is read before it is written.
    progress: Mutex<()>,
    /// When windows of each tier were last rolled up anew, milliseconds of the wall clock.
    revised_at: Vec<AtomicI64>,
    retry: Mutex<Retry>,
    /// When the tables were last tended, milliseconds of the wall clock.
    tended_at: AtomicI64,
    /// Whether retention would delete so much that it waits for a confirmation.
    held_back: AtomicBool,
    counters: RollupCounters,
}

/// When to try again after a failure.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retry {
    /// When the last attempt failed, milliseconds of the wall clock.
    failed_at: i64,
    /// How long to wait from then; 0 after a success.
    wait_ms: i64,
}

/// The first wait after a failure, and the longest.
const RETRY_MS: (i64, i64) = (5_000, 300_000);

impl Retry {
    /// Whether the last attempt failed a short while ago.
    pub(crate) fn is_waiting(&self, now_ms: i64) -> bool {
        // A clock that was put back must not make it wait for long.
        (0..self.wait_ms).contains(&now_ms.saturating_sub(self.failed_at))
    }

    /// Takes note of how an attempt ended.
    pub(crate) fn note_result(&mut self, now_ms: i64, succeeded: bool) {
        let wait_ms = if succeeded { 0 } else { (2 * self.wait_ms).clamp(RETRY_MS.0, RETRY_MS.1) };
        *self = Self { failed_at: now_ms, wait_ms };
    }
}

/// What happened since the start.
#[derive(Debug, Default)]
struct RollupCounters {
    jobs: AtomicU64,
    failures: AtomicU64,
    rows: AtomicU64,
    too_late: AtomicU64,
}

/// One tier at one moment.
#[derive(Debug, Clone)]
pub struct TierStats {
    /// The name of the table.
    pub table: String,
    /// Width of the windows, milliseconds.
    pub width_ms: i64,
    /// Windows that end here or before have been rolled up, milliseconds; none before the first job.
    pub rolled_to: Option<i64>,
    /// By how much that is behind the time of the data, milliseconds.
    pub lag_ms: i64,
    /// Windows that have to be rolled up again, as far as is known.
    pub due: WindowSet,
    /// Where it lies.
    pub place: String,
    /// The policies whose series it has.
    pub policies: Vec<String>,
    /// The table as it was last read.
    pub state: Arc<TableState>,
    /// Whether it was read since the start: until then nothing is known of it.
    pub is_read: bool,
}

impl TierStats {
    /// How many windows have to be rolled up again.
    #[must_use]
    pub fn due_windows(&self) -> u64 {
        let windows = |(from, to): &(i64, i64)| to.abs_diff(*from) / self.width_ms.unsigned_abs();
        self.due.ranges().iter().map(windows).sum()
    }
}

/// What rolling up did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollupStats {
    /// Jobs that were committed.
    pub jobs: u64,
    /// Jobs that failed.
    pub failures: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Windows that changed after their samples were gone, and were left as they are.
    pub windows_too_late: u64,
    /// Whether retention would delete so much at once that it waits for a confirmation.
    pub deletion_held_back: bool,
    /// What reading objects cost.
    pub fetch: FetchStats,
}

impl Rollups {
    /// The tiers that `config` asks for. A place that does not answer yet is asked again by who needs it.
    ///
    /// # Errors
    /// When the directory in the data directory cannot be opened, or there can be no such place.
    pub(crate) fn open(env: &Env, dir: &Path, config: TiersConfig) -> Result<Self, Error> {
        let widths = config.widths();
        let stores = open_places(env, dir, &config, &widths)?;
        let is_remote =
            config.raw.is_some() || widths.iter().any(|width| config.place_of(*width) != LOCAL_PLACE);
        let disk_bytes = if is_remote { config.cache.bytes_max } else { 0 };
        let remote_cache = PartCache::new(CACHE_BYTES).with_disk(&env.fs, dir, disk_bytes);
        let table = |(width, store): (&i64, &Arc<dyn ObjectStore>)| {
            Table::new(Arc::clone(store), env, &table_name(*width), *width, partition_of(*width))
        };
        let tables: Vec<Table> = widths.iter().zip(&stores).map(table).collect();
        let states = tables.iter().map(|table| Arc::clone(table.state())).collect();
        Ok(Self {
            revised_at: widths.iter().map(|_| AtomicI64::new(i64::MIN)).collect(),
            config,
            widths,
            tables: Mutex::new(tables),
            states: RwLock::new(states),
            stores,
            cache: Arc::new(PartCache::new(CACHE_BYTES)),
            remote_cache: Arc::new(remote_cache),
            files: FileCache::new(FILES_BYTES),
            progress: Mutex::default(),
            retry: Mutex::default(),
            tended_at: AtomicI64::new(i64::MIN),
            held_back: AtomicBool::new(false),
            counters: RollupCounters::default(),
        })
    }

    /// The width of the windows of the finest tier, if there is one.
    pub(crate) fn finest(&self) -> Option<i64> {
        self.widths.first().copied()
    }

    /// Keeps the tables as they are until what is returned is dropped.
    pub(crate) fn lock_tables(&self) -> impl Drop + '_ {
        self.tables.lock()
    }

    /// What keeps parts of the table of windows of `width_ms`.
    fn cache_of(&self, width_ms: i64) -> &Arc<PartCache> {
        if self.config.place_of(width_ms) == LOCAL_PLACE { &self.cache } else { &self.remote_cache }
    }

    /// What the tables are.
    pub(crate) fn states(&self) -> Vec<Arc<TableState>> {
        self.states.read().clone()
    }

    pub(crate) fn stats(&self) -> RollupStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RollupStats {
            jobs: count(&self.counters.jobs),
            failures: count(&self.counters.failures),
            rows: count(&self.counters.rows),
            windows_too_late: count(&self.counters.too_late),
            deletion_held_back: self.held_back.load(Ordering::Relaxed),
            fetch: self.cache.stats().and(self.remote_cache.stats()),
        }
    }

    /// Whether the last attempt failed a short while ago.
    pub(crate) fn is_waiting(&self, now_ms: i64) -> bool {
        self.retry.lock().is_waiting(now_ms)
    }

    /// Takes note of how an attempt ended.
    pub(crate) fn note_result(&self, now_ms: i64, succeeded: bool) {
        self.retry.lock().note_result(now_ms, succeeded);
    }

    /// Shows readers what the tables are now.
    fn publish(&self, tables: &[Table]) {
        *self.states.write() = tables.iter().map(|table| Arc::clone(table.state())).collect();
    }
}

impl Inner {
    /// Changes what the manifest knows of the rollups of one width, together with other edits.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    fn update_rollup(
        &self,
        width_ms: i64,
        change: impl FnOnce(&mut RollupProgress),
        mut others: Vec<Edit>,
    ) -> Result<RollupProgress, Error> {
        let _alone = self.rollups.progress.lock();
        let mut progress = self.manifest.current().rollup(width_ms);
        change(&mut progress);
        others.push(Edit::Rollup(progress.clone()));
        self.manifest.apply(others)?;
        Ok(progress)
    }

    /// Applies the edits of a flush, with the windows for which samples came since they were rolled up: the log, which
    /// would tell it again, begins anew.
    ///
    /// # Errors
    /// When the manifest cannot be written; nothing is forgotten then.
    pub(crate) fn apply_flush(&self, mut edits: Vec<Edit>) -> Result<(), Error> {
        let _alone = self.rollups.progress.lock();
        let revised = self.head.take_revised();
        if let Some(width_ms) = self.rollups.finest().filter(|_| !revised.is_empty()) {
            let mut progress = self.manifest.current().rollup(width_ms);
            progress.due.extend(&revised);
            edits.push(Edit::Rollup(progress));
        }
        let applied = self.manifest.apply(edits);
        if applied.is_err() {
            self.head.note_revised(&revised);
        }
        applied.map(drop).map_err(Error::from)
    }

    /// Makes a deletion known, and that the windows which it concerns have to be rolled up again.
    ///
    /// # Errors
    /// When the manifest cannot be written; nothing is deleted then.
    pub(crate) fn apply_deletion(&self, tombstone: Tombstone) -> Result<(), Error> {
        let (from, to) = (tombstone.range.start.saturating_sub(1), tombstone.range.end - 1);
        let edit = Edit::AddTombstone(Arc::new(tombstone));
        let Some(width_ms) = self.rollups.finest() else {
            return Ok(self.manifest.apply(vec![edit]).map(drop)?);
        };
        // Rows of samples that are gone are not looked for here.
        let samples_from = self.samples_from().unwrap_or(i64::MAX);
        let concerned = WindowSet::from_iter([(from.max(samples_from.saturating_sub(1)), to)]);
        let due = concerned.widened(width_ms);
        let change = |progress: &mut RollupProgress| {
            let begun_to = progress.begun_to();
            progress.due.extend(&due.within(i64::MIN, begun_to));
        };
        self.update_rollup(width_ms, change, vec![edit]).map(drop)
    }

    /// Which blocks hold samples that have not been rolled up: they stay, whatever their age.
    pub(crate) fn rollups_wait_for(&self, version: &Version) -> impl Fn(&BlockMeta) -> bool + use<> {
        let progress = self.rollups.finest().map(|width_ms| version.rollup(width_ms));
        let mut due = self.head.revised();
        progress.iter().for_each(|progress| {
            due.extend(&progress.due);
            due.extend(&progress.pending);
        });
        move |block| {
            progress.as_ref().is_some_and(|progress| {
                let last = window_end(block.range.end - 1, progress.width_ms);
                let touched = due.within(block.range.start.saturating_sub(1), last);
                last > progress.rolled_to || !touched.is_empty()
            })
        }
    }

    /// A tier on the disk of the log and of the blocks does not take the room that they need next.
    fn leave_room_for_ingestion(&self) {
        let reserve_bytes = self.reserve_bytes();
        self.rollups.stores.iter().for_each(|store| store.leave_free(reserve_bytes));
    }

    /// What tells this store from its copies, and as whose its rows are known.
    pub(crate) fn identity(&self) -> Result<(u128, i16), Error> {
        let version = self.manifest.current();
        if let (Some(id), Some(source)) = (version.store_id(), version.source()) {
            return Ok((id, source.cast_signed()));
        }
        let seed = self.env.seed ^ self.env.clock.monotonic_nanos();
        let mut rng = crate::env::Rng::new(seed ^ self.env.clock.now().0.cast_unsigned().rotate_left(32));
        let id = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let [low, high, ..] = rng.next_u64().to_le_bytes();
        let source = version.source().unwrap_or(u16::from_le_bytes([low, high]));
        self.manifest.apply(vec![Edit::StoreId(id), Edit::Source(source)])?;
        Ok((id, source.cast_signed()))
    }

    /// The tiers at this moment.
    pub(crate) fn tier_stats(&self) -> Vec<TierStats> {
        let version = self.manifest.current();
        let data_time = self.data_time();
        let mut revised = self.head.revised();
        version.rollups().for_each(|progress| {
            revised.extend(&progress.due);
            revised.extend(&progress.pending);
        });
        let tier = |(width, state): (&i64, Arc<TableState>)| {
            let mut progress = version.rollup(*width);
            progress.due.extend(&progress.pending);
            // What is noted for the finest tier concerns the others as well.
            progress.due.extend(&revised.widened(*width));
            let rolled_to = Some(progress.rolled_to).filter(|to| *to != i64::MIN);
            TierStats {
                table: table_name(*width),
                width_ms: *width,
                rolled_to,
                lag_ms: rolled_to.map_or(0, |to| data_time.saturating_sub(to).max(0)),
                due: progress.due.within(i64::MIN, progress.rolled_to),
                place: self.rollups.config.place_of(*width).to_owned(),
                policies: self.rollups.config.policies_of(*width).into_iter().map(|(name, _)| name).collect(),
                is_read: state.is_read(),
                state,
            }
        };
        self.rollups.widths.iter().zip(self.rollups.states()).map(tier).collect()
    }
}

/// Where the table of each width lies: each place once.
fn open_places(
    env: &Env,
    dir: &Path,
    config: &TiersConfig,
    widths: &[i64],
) -> Result<Vec<Arc<dyn ObjectStore>>, Error> {
    let mut opened: BTreeMap<&str, Arc<dyn ObjectStore>> = BTreeMap::new();
    for width_ms in widths {
        let place = config.place_of(*width_ms);
        if !opened.contains_key(place) {
            opened.insert(place, open_place(env, dir, config, place)?);
        }
    }
    Ok(widths.iter().map(|width_ms| Arc::clone(&opened[config.place_of(*width_ms)])).collect())
}

fn open_place(
    env: &Env,
    dir: &Path,
    config: &TiersConfig,
    place: &str,
) -> Result<Arc<dyn ObjectStore>, Error> {
    if place == LOCAL_PLACE {
        let folder = FolderStore::open(Arc::clone(&env.fs), &dir.join(LOCAL_DIR)).map_err(TierError::from)?;
        return Ok(Arc::new(folder));
    }
    let options = config.place_options.get(place).cloned().unwrap_or_default();
    let place = Place::new(Arc::clone(&env.places), place, options);
    let wrong = |error: ObjectError| Error::Config { problem: format!("tiers.place: {}", error.source) };
    Ok(Arc::new(place.map_err(wrong)?))
}

/// How the table of windows of this width is divided.
pub(crate) const fn partition_of(width_ms: i64) -> Partition {
    if width_ms >= MONTHLY_FROM_MS { Partition::Month } else { Partition::Day }
}

/// Units of widths in the names of tables, milliseconds.
const UNITS: [(i64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

/// The name of the table of windows of this width: `rollup_5m`.
#[must_use]
pub(crate) fn table_name(width_ms: i64) -> String {
    let unit = UNITS.into_iter().find(|(unit, _)| width_ms % unit == 0);
    let (unit, name) = unit.unwrap_or((1, "ms"));
    format!("rollup_{}{name}", width_ms / unit)
}

/// The width of the windows of the table of this name, milliseconds.
pub(crate) fn table_width(name: &str) -> Option<i64> {
    let width = name.strip_prefix("rollup_")?;
    let digits = width.find(|char: char| !char.is_ascii_digit())?;
    let (number, name) = width.split_at(digits);
    let (unit, _) = UNITS.into_iter().find(|(_, unit)| *unit == name)?;
    number.parse::<i64>().ok()?.checked_mul(unit).filter(|width_ms| *width_ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_after_their_windows() {
        let names = [5_000, 60_000, 300_000, 3_600_000, 86_400_000, 90_000, 1_500].map(table_name);
        let expected = ["5s", "1m", "5m", "1h", "1d", "90s", "1500ms"];
        assert!(names.iter().zip(expected).all(|(name, end)| name == &format!("rollup_{end}")), "{names:?}");
        let widths: Vec<_> = names.iter().filter_map(|name| table_width(name)).collect();
        assert_eq!(widths, [5_000, 60_000, 300_000, 3_600_000, 86_400_000, 90_000, 1_500]);
        for foreign in [
            "rollup_",
            "rollup_5",
            "rollup_m",
            "rollup_0m",
            "rollup_5w",
            "other",
            "rollup_99999999999999999d",
        ] {
            assert_eq!(table_width(foreign), None, "{foreign}");
        }
    }
}
