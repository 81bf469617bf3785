//! How long before the next try.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Longest wait that a receiver may ask for.
const ASKED_MAX: Duration = Duration::from_secs(120);
/// A request that was tried for so long is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits between the tries of one request: each twice as long as the one before, or what the receiver asks for.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    waited: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST, waited: Duration::ZERO }
    }

    /// The next wait; `None` when it is time to give up. `asked` is what the receiver's `Retry-After` says.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.waited >= PATIENCE {
            return None;
        }
        let wait = asked.map_or(self.next, |asked| asked.clamp(Duration::from_millis(100), ASKED_MAX));
        self.next = (self.next * 2).min(LONGEST);
        self.waited += wait;
        Some(wait)
    }
}

/// Says that waiting has no point any more.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }

    /// Waits, and returns whether it was for as long.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            // Woken early for no reason, the next try is a little early.
            self.changed.wait_for(&mut stopped, time);
        }
        !*stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_patience_ends() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = std::iter::from_fn(|| backoff.next(None)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits[..8], [0, 1, 2, 4, 8, 16, 30, 30]);
        assert!((14..20).contains(&waits.len()), "{waits:?}");
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(backoff.next(Some(Duration::from_secs(1 << 40))), Some(ASKED_MAX));
        assert_eq!(backoff.next(Some(Duration::ZERO)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn nobody_waits_once_it_is_over() {
        let stop = Stop::default();
        assert!(stop.wait(Duration::ZERO));
        stop.stop();
        assert!(!stop.wait(Duration::from_secs(3600)));
    }
}
