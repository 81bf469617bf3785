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

/// The thread that keeps the store in shape.
#[derive(Debug)]
pub(crate) struct Maintenance {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self, Error> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (inner, stopped) = (Arc::clone(inner), Arc::clone(&stop));
        let thread = env::spawn("kymo-maintenance", move || {
            let (stop, changed) = &*stopped;
            let mut stop = stop.lock();
            while !*stop {
                changed.wait_for(&mut stop, TICK);
                if !*stop {
                    drop(stop);
                    if let Err(error) = inner.maintain() {
                        let error = &error as &dyn std::error::Error;
                        error!(error, "maintenance failed; it is tried again");
                    }
                    stop = stopped.0.lock();
                }
            }
        })
        .map_err(|source| Error::Spawn { source })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it, after what it is doing.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
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
    /// The 2-hour window of the newest sample then.
    pub(crate) window: i64,
}

impl Inner {
    /// Does what is due.
    ///
    /// # Errors
    /// The first thing that failed.
    pub(crate) fn maintain(&self) -> Result<(), Error> {
        if self.flush_is_due() {
            let report = self.flush(OpenChunks::Keep)?;
            info!(
                blocks = report.blocks,
                samples = report.samples,
                block_bytes = report.block_bytes,
                checkpoint_bytes = report.checkpoint_bytes,
                "head flushed"
            );
            self.head.drop_idle(self.env.clock.now().0.saturating_sub(self.head.config().idle_ms));
        }
        self.watch_memory();
        self.expire()?;
        self.compact_due()
    }

    fn flush_is_due(&self) -> bool {
        let now_ms = self.env.clock.now().0;
        let stats = self.head.stats();
        let last = *self.last_flush.lock();
        let wal_bytes = self.wal.stats().bytes_total - last.wal_bytes;
        let bytes = stats.bytes.total() + stats.raw_table_bytes;
        // What waits to be flushed must be worth it: series alone do not become fewer by a flush.
        let waiting = stats.bytes.sealed_chunks + stats.bytes.late_samples;
        let pressed = bytes as u64 >= self.config.head.budget_bytes / 4 * 3 && waiting >= bytes / 10;
        let idle = stats.samples_appended == 0 || wal_bytes == 0;
        let aged = now_ms.saturating_sub(last.at_ms) >= self.config.flush.interval_ms;
        let window_closed = stats.newest_ts > i64::MIN && stats.newest_ts.div_euclid(WINDOW_MS) > last.window;
        !idle && (pressed || aged || window_closed || wal_bytes >= self.config.flush.wal_bytes_max)
    }

    /// Remembers a flush that succeeded.
    pub(crate) fn note_flush(&self) {
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        *self.last_flush.lock() = LastFlush {
            at_ms: self.env.clock.now().0,
            wal_bytes: self.wal.stats().bytes_total,
            window: self.head.stats().newest_ts.div_euclid(WINDOW_MS),
        };
    }

    fn watch_memory(&self) {
        let stats = self.head.stats();
        let (bytes, budget) =
            ((stats.bytes.total() + stats.raw_table_bytes) as u64, self.config.head.budget_bytes);
        self.head.set_pressure(if bytes >= budget / 4 * 5 {
            Pressure::NoWrites
        } else if bytes >= budget {
            Pressure::NoNewSeries
        } else {
            Pressure::None
        });
    }
}
