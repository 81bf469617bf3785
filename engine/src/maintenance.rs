//! What happens by itself: flush, compaction, retention, and watching memory.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{error, info};

use crate::{
    data_time::DataTime,
    engine::{Inner, WINDOW_MS},
    env,
    error::Error,
    flush::OpenChunks,
    pressure::{self, MemoryStage, MemoryState, Spill},
    rollup::Eagerness,
};

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// How often it counts idle series, in milliseconds.
const IDLE_CHECK_MS: i64 = 60_000;
/// It counts them also when the newest sample is later by this part of the time after which they are idle.
const IDLE_CHECK_PART: i64 = 8;

/// The threads that keep the store in shape: one for memory, one for blocks, one for rollups. A compaction may take
/// minutes, and memory cannot wait that long.
#[derive(Debug)]
pub(crate) struct Maintenance {
    stop: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Maintenance {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self, Error> {
        let mut started = Self { stop: Arc::new((Mutex::new(false), Condvar::new())), threads: Vec::new() };
        let flush = started.body(inner, Inner::tend_head);
        started.threads.push(env::spawn("kymo-flush", flush).map_err(|source| Error::Spawn { source })?);
        // A merge takes a core for minutes. Samples come first.
        let compact = started.body(inner, Inner::tend_blocks);
        started.threads.push(
            env::spawn_background("kymo-compaction", compact).map_err(|source| Error::Spawn { source })?,
        );
        // Neither flush nor compaction waits for object storage.
        let roll_up = started.body(inner, Inner::tend_remote);
        started
            .threads
            .push(env::spawn_background("kymo-rollup", roll_up).map_err(|source| Error::Spawn { source })?);
        Ok(started)
    }

    /// What a thread does until it is stopped.
    fn body(
        &self,
        inner: &Arc<Inner>,
        tend: fn(&Inner) -> Result<(), Error>,
    ) -> impl FnOnce() + Send + 'static {
        let (inner, stopped) = (Arc::clone(inner), Arc::clone(&self.stop));
        move || {
            let (stop, changed) = &*stopped;
            let mut stop = stop.lock();
            while !*stop {
                changed.wait_for(&mut stop, TICK);
                if !*stop {
                    drop(stop);
                    if let Err(error) = tend(&inner) {
                        let error = &error as &dyn std::error::Error;
                        error!(error, "maintenance failed; it is tried again");
                    }
                    stop = stopped.0.lock();
                }
            }
        }
    }

    /// Ends it, after what it is doing.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in it was reported when it happened.
            drop(thread.join());
        }
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.join();
    }
}

/// When the last flush was, and what it saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastFlush {
    /// Wall clock, milliseconds.
    pub(crate) at_ms: i64,
    /// Bytes that the log had taken by then.
    pub(crate) wal_bytes: u64,
    /// The 2-hour window that it was then by the data; none before the first sample.
    pub(crate) window: Option<i64>,
}

/// What maintenance remembers from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// When idle series were counted, milliseconds of the wall clock and by the data.
    idle_checked_ms: i64,
    idle_checked_ts: i64,
    /// What tells the time by the data.
    pub(crate) data_time: DataTime,
    /// Whether enough of them wait for a flush.
    idle_waiting: bool,
    /// Since when enough is sealed that it should be spilled.
    spill_worth_since_ms: Option<i64>,
    /// How short memory was.
    pub(crate) stage: MemoryStage,
}

impl Inner {
    /// Does what is due.
    ///
    /// # Errors
    /// The first thing that failed; the others are done all the same.
    pub(crate) fn maintain(&self) -> Result<(), Error> {
        // What has been rolled up may go.
        self.tend_head().and(self.tend_remote()).and(self.tend_blocks())
    }

    /// Flushes if that is due, lets go of what is not needed, and watches memory: that most of all while flushes
    /// fail.
    fn tend_head(&self) -> Result<(), Error> {
        let arrived = self.head.take_arrival_times();
        self.upkeep.lock().data_time.see(&arrived, self.env.clock.now().0);
        let stage = pressure::measures(&self.memory()).stage;
        let flushed = self.due_flush().map_or(Ok(()), |open| self.flush_and_forget(open, stage));
        self.drop_idle_now_and_then();
        self.head.tighten();
        self.watch_memory();
        flushed
    }

    /// Drops what is too old, which may be what a compaction needs room for, and compacts.
    fn tend_blocks(&self) -> Result<(), Error> {
        self.expire()?;
        self.compact_due()
    }

    /// Does what needs object storage. A place that does not answer is not asked each second, and holds up no other.
    fn tend_remote(&self) -> Result<(), Error> {
        self.rollups.remote_cache.leave_free(self.reserve_bytes());
        self.tend_rollups().and(self.tend_blocks_elsewhere())
    }

    fn tend_blocks_elsewhere(&self) -> Result<(), Error> {
        let now_ms = self.env.clock.now().0;
        if self.cold.retry.lock().is_waiting(now_ms) {
            return Ok(());
        }
        let result = self.tend_cold();
        self.cold.retry.lock().note_result(now_ms, result.is_ok());
        result.map_err(Error::from)
    }

    fn tend_rollups(&self) -> Result<(), Error> {
        let now_ms = self.env.clock.now().0;
        if self.rollups.is_waiting(now_ms) {
            return Ok(());
        }
        let result = self.roll_up(Eagerness::WhenDue).and_then(|()| self.tend_tables(Eagerness::WhenDue));
        self.rollups.note_result(now_ms, result.is_ok());
        result.map_err(Error::from)
    }

    fn flush_and_forget(&self, open: OpenChunks, stage: MemoryStage) -> Result<(), Error> {
        let report = self.flush(open)?;
        info!(
            blocks = report.blocks,
            samples = report.samples,
            block_bytes = report.block_bytes,
            checkpoint_bytes = report.checkpoint_bytes,
            "head flushed"
        );
        self.drop_idle(stage);
        Ok(())
    }

    fn drop_idle(&self, stage: MemoryStage) {
        // Not beside a flush, which names series by their ids.
        let _no_flush = self.flushing.lock();
        self.head.drop_idle(self.idle_before(stage), pressure::enough_idle(stage));
    }

    /// Between flushes: series whose last samples were flushed before they were idle. Counting takes a look at
    /// each, so it is not done each time.
    fn drop_idle_now_and_then(&self) {
        let (now_ms, data_ts) = (self.env.clock.now().0, self.data_time());
        let mut upkeep = self.upkeep.lock();
        let data_step = self.config.head.idle_ms / IDLE_CHECK_PART;
        if now_ms.saturating_sub(upkeep.idle_checked_ms) < IDLE_CHECK_MS
            && data_ts.saturating_sub(upkeep.idle_checked_ts) < data_step.max(IDLE_CHECK_MS)
        {
            return;
        }
        (upkeep.idle_checked_ms, upkeep.idle_checked_ts) = (now_ms, data_ts);
        drop(upkeep);
        let count = self.head.count_idle(self.idle_before(MemoryStage::Calm));
        self.upkeep.lock().idle_waiting = count.is_worth_a_flush();
        self.drop_idle(pressure::measures(&self.memory()).stage);
    }

    fn due_flush(&self) -> Option<OpenChunks> {
        let state = self.memory();
        let measures = pressure::measures(&state);
        let last = {
            let mut last = self.last_flush.lock();
            last.window = last.window.or_else(|| self.window_by_data());
            *last
        };
        let wal_bytes = self.wal.stats().bytes_total - last.wal_bytes;
        let stats = self.head.stats();
        // Else a series that is gone would stay in memory for ever.
        let seal_idle = OpenChunks::SealBefore(self.idle_before(measures.stage));
        if let Some(spill) = measures.spill {
            return Some(match spill {
                Spill::Sealed => seal_idle,
                Spill::All => OpenChunks::SEAL,
            });
        }
        let idle = stats.samples_appended == 0 || wal_bytes == 0;
        let aged = state.since_flush_ms >= self.config.flush.interval_ms;
        // Not with the first sample behind its end: chunks are sealed by the sample that comes next.
        let settled_ts = self.data_time().saturating_sub(pressure::SETTLE_MS);
        let window_closed = last.window.is_some_and(|window| settled_ts.div_euclid(WINDOW_MS) > window);
        let due = aged || window_closed || wal_bytes >= self.config.flush.wal_bytes_max;
        let idle_waiting = self.upkeep.lock().idle_waiting;
        (idle_waiting || (!idle && due)).then_some(seal_idle)
    }

    /// What is known of memory now.
    fn memory(&self) -> MemoryState {
        let now_ms = self.env.clock.now().0;
        let stats = self.head.stats();
        let mut state = MemoryState {
            used: stats.bytes.total() as u64 + self.wal.stats().buffered_bytes,
            budget: self.config.head.budget_bytes,
            waiting: (stats.bytes.sealed_chunks + stats.bytes.late_samples + stats.bytes.flushing) as u64,
            open: stats.bytes.open_chunks as u64,
            late: stats.bytes.late_samples as u64,
            series: stats.series,
            sealed: stats.sealed_chunks as u64,
            since_flush_ms: now_ms.saturating_sub(self.last_flush.lock().at_ms),
            since_worth_ms: 0,
        };
        let mut upkeep = self.upkeep.lock();
        let since = state.is_spill_worth_it().then(|| upkeep.spill_worth_since_ms.unwrap_or(now_ms));
        upkeep.spill_worth_since_ms = since;
        state.since_worth_ms = since.map_or(0, |since| now_ms.saturating_sub(since));
        state
    }

    /// Remembers a flush that succeeded.
    pub(crate) fn note_flush(&self) {
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        *self.last_flush.lock() = LastFlush {
            at_ms: self.env.clock.now().0,
            wal_bytes: self.wal.stats().bytes_total,
            window: self.window_by_data(),
        };
        self.upkeep.lock().idle_waiting = false;
    }

    /// The 2-hour window that it is by the data; none before the first sample.
    fn window_by_data(&self) -> Option<i64> {
        (self.head.newest_ts() > i64::MIN).then(|| self.data_time().div_euclid(WINDOW_MS))
    }

    fn watch_memory(&self) {
        let measures = pressure::measures(&self.memory());
        let before = std::mem::replace(&mut self.upkeep.lock().stage, measures.stage);
        if measures.stage != before {
            info!(?before, stage = ?measures.stage, "pressure on memory changed");
        }
        self.head.set_pressure(measures.refuse);
    }
}
