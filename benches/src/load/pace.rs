//! When a connection may send its next request.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const NAP: Duration = Duration::from_millis(1);

/// Keeps the rate, and keeps connections together in the time of the samples: in a real fleet all senders
/// live at the same time, and a store may refuse samples that are much older than the newest.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// The scrape that each connection is at.
    scrapes: Vec<AtomicU64>,
    ahead_max: u64,
    /// Samples per second of each connection.
    rates: Vec<Option<f64>>,
}

impl Pace {
    /// A pace for connections that send so many samples per second each, or as many as they can.
    pub(super) fn new(ahead_max: u64, rates: Vec<Option<f64>>) -> Self {
        let scrapes = rates.iter().map(|_| AtomicU64::new(0)).collect();
        Self { started: Instant::now(), scrapes, ahead_max, rates }
    }

    /// Waits until connection number `connection`, which has sent `samples`, may go on with `scrape`.
    pub(super) fn wait(&self, connection: usize, scrape: u64, samples: u64) {
        self.scrapes[connection].store(scrape, Ordering::Relaxed);
        while self.slowest().saturating_add(self.ahead_max) < scrape {
            thread::sleep(NAP);
        }
        if let Some(rate) = self.rates[connection] {
            let due = Duration::from_secs_f64(samples as f64 / rate);
            thread::sleep(due.saturating_sub(self.started.elapsed()));
        }
    }

    fn slowest(&self) -> u64 {
        self.scrapes.iter().map(|scrape| scrape.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX)
    }

    /// Connection number `connection` holds nobody up any more, however it ended.
    pub(super) fn leave(&self, connection: usize) {
        self.scrapes[connection].store(u64::MAX, Ordering::Relaxed);
    }
}
