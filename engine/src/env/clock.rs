//! Time: the wall clock for data, a monotonic one for measuring.
#![expect(clippy::disallowed_methods, reason = "this is where the machine's clocks are read")]

use std::{
    fmt,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::model::Millis;

/// What time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. It may jump, in both directions.
    fn now(&self) -> Millis;

    /// Nanoseconds since some moment; never goes back.
    fn monotonic_nanos(&self) -> u64;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Clocks whose monotonic part starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let now = SystemTime::now();
        Millis(match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        })
    }

    fn monotonic_nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until a test moves it.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Default)]
pub struct SimClock {
    wall_ms: std::sync::atomic::AtomicI64,
    monotonic_nanos: std::sync::atomic::AtomicU64,
}

#[cfg(any(test, feature = "test-util"))]
impl SimClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Lets `by` pass on both clocks.
    pub fn advance(&self, by: Millis) {
        use std::sync::atomic::Ordering::SeqCst;
        self.wall_ms.fetch_add(by.0, SeqCst);
        self.monotonic_nanos.fetch_add(u64::try_from(by.0).unwrap_or(0).saturating_mul(1_000_000), SeqCst);
    }

    /// Moves the wall clock to `now`; the monotonic one stays.
    pub fn set(&self, now: Millis) {
        self.wall_ms.store(now.0, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for SimClock {
    fn now(&self) -> Millis {
        Millis(self.wall_ms.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic_nanos.load(std::sync::atomic::Ordering::SeqCst)
    }
}
