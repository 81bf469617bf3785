//! What happens by itself: flush, compaction, retention, and watching memory.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{error, info};

use crate::{
    engine::{Inner, WINDOW_MS},
    env,
    error::Error,
    flush::OpenChunks,
    head::Pressure,
};

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// Between two flushes that seal open chunks for want of memory, in milliseconds: sealed early, chunks are small.
const SEAL_INTERVAL_MS: i64 = 60_000;

/// The threads that keep the store in shape: one for memory, one for blocks. A compaction may take minutes, and
/// memory cannot wait that long.
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
        started.spawn("kymo-flush", inner, Inner::tend_head)?;
        started.spawn("kymo-compaction", inner, Inner::tend_blocks)?;
        Ok(started)
    }

    fn spawn(
        &mut self,
        name: &str,
        inner: &Arc<Inner>,
        tend: fn(&Inner) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (inner, stopped) = (Arc::clone(inner), Arc::clone(&self.stop));
        let body = move || {
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
        };
        self.threads.push(env::spawn(name, body).map_err(|source| Error::Spawn { source })?);
        Ok(())
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
    /// The 2-hour window of the newest sample then; none before the first sample.
    pub(crate) window: Option<i64>,
}

/// The 2-hour window of the newest sample, if there is one.
pub(crate) fn window_of(newest_ts: i64) -> Option<i64> {
    (newest_ts > i64::MIN).then(|| newest_ts.div_euclid(WINDOW_MS))
}

impl Inner {
    /// Does what is due.
    ///
    /// # Errors
    /// The first thing that failed; the others are done all the same.
    pub(crate) fn maintain(&self) -> Result<(), Error> {
        self.tend_head().and(self.tend_blocks())
    }

    /// Flushes if that is due, and watches memory: that most of all while flushes fail.
    fn tend_head(&self) -> Result<(), Error> {
        let flushed = self.due_flush().map_or(Ok(()), |open| self.flush_and_forget(open));
        self.watch_memory();
        flushed
    }

    /// Drops what is too old, which may be what a compaction needs room for, and compacts.
    fn tend_blocks(&self) -> Result<(), Error> {
        self.expire()?;
        self.compact_due()
    }

    fn flush_and_forget(&self, open: OpenChunks) -> Result<(), Error> {
        let starved = self.pressure() == Pressure::NoWrites;
        let report = self.flush(open)?;
        info!(
            blocks = report.blocks,
            samples = report.samples,
            block_bytes = report.block_bytes,
            checkpoint_bytes = report.checkpoint_bytes,
            "head flushed"
        );
        // Where all writes are refused, series that nobody can add to must not be what keeps memory full.
        let before = if starved { i64::MAX } else { self.idle_before() };
        // Not beside a flush, which names series by their ids.
        let _no_flush = self.flushing.lock();
        self.head.drop_idle(before);
        Ok(())
    }

    fn due_flush(&self) -> Option<OpenChunks> {
        let now_ms = self.env.clock.now().0;
        let stats = self.head.stats();
        let last = *self.last_flush.lock();
        let bytes = stats.bytes.total() + stats.raw_table_bytes;
        // What waits to be flushed must be worth it: series alone do not become fewer by a flush.
        let waiting = stats.bytes.sealed_chunks + stats.bytes.late_samples;
        let since_last_ms = now_ms.saturating_sub(last.at_ms);
        match pressure_of(bytes as u64, self.config.head.budget_bytes) {
            // Also when nothing was written since the last flush: nothing can be until this one.
            Pressure::NoWrites => return Some(OpenChunks::Seal),
            Pressure::NoNewSeries
                if since_last_ms >= SEAL_INTERVAL_MS && waiting + stats.bytes.open_chunks >= bytes / 4 =>
            {
                return Some(OpenChunks::Seal);
            }
            _ => {}
        }
        let wal_bytes = self.wal.stats().bytes_total - last.wal_bytes;
        let pressed = bytes as u64 >= self.config.head.budget_bytes / 4 * 3 && waiting >= bytes / 10;
        let idle = stats.samples_appended == 0 || wal_bytes == 0;
        let aged = since_last_ms >= self.config.flush.interval_ms;
        let window_closed = last.window.is_some_and(|window| window_of(stats.newest_ts) > Some(window));
        let due = pressed || aged || window_closed || wal_bytes >= self.config.flush.wal_bytes_max;
        (!idle && due).then_some(OpenChunks::SealIdle)
    }

    /// Remembers a flush that succeeded.
    pub(crate) fn note_flush(&self) {
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        *self.last_flush.lock() = LastFlush {
            at_ms: self.env.clock.now().0,
            wal_bytes: self.wal.stats().bytes_total,
            window: window_of(self.head.stats().newest_ts),
        };
    }

    fn watch_memory(&self) {
        let before = self.head.pressure();
        let pressure = self.pressure();
        if pressure != before {
            info!(?before, ?pressure, "pressure on memory changed");
        }
        self.head.set_pressure(pressure);
    }

    fn pressure(&self) -> Pressure {
        let stats = self.head.stats();
        let bytes = stats.bytes.total() + stats.raw_table_bytes;
        pressure_of(bytes as u64, self.config.head.budget_bytes)
    }
}

/// How short memory is with `bytes` of a budget used. See [`crate::HeadConfig::budget_bytes`].
const fn pressure_of(bytes: u64, budget: u64) -> Pressure {
    if bytes >= budget.saturating_add(budget / 4) {
        Pressure::NoWrites
    } else if bytes >= budget {
        Pressure::NoNewSeries
    } else {
        Pressure::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_grows_with_memory_and_never_without_a_bound() {
        assert_eq!(pressure_of(99, 100), Pressure::None);
        assert_eq!(pressure_of(100, 100), Pressure::NoNewSeries);
        assert_eq!(pressure_of(124, 100), Pressure::NoNewSeries);
        assert_eq!(pressure_of(125, 100), Pressure::NoWrites);
        assert_eq!(pressure_of(1 << 40, u64::MAX), Pressure::None);
    }
}
