//! A bound on what calls of one kind take at once, with a bounded queue before it.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets calls in until they take all there is of something: threads, or memory. The others wait for a while, in the
/// order of their arrival.
#[derive(Debug)]
pub(crate) struct Gate {
    supply: Arc<Semaphore>,
    supply_max: u32,
    /// Places for waiting calls, each of which is left on entry.
    waiting: Arc<Semaphore>,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many calls wait already.
    QueueFull,
    /// It waited as long as it may.
    TimedOut,
}

/// The right to run. Goes with the work, not with the caller: a caller that leaves frees nothing until the
/// work has ended.
#[derive(Debug)]
pub(crate) struct Admission {
    #[expect(dead_code, reason = "held for what its drop does")]
    share: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate to `supply` of something, with room for `waiting_max` calls before it.
    pub(crate) fn new(supply: u32, waiting_max: usize) -> Self {
        Self {
            supply: Arc::new(Semaphore::new(supply as usize)),
            supply_max: supply,
            waiting: Arc::new(Semaphore::new(waiting_max.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// How much of the supply is taken.
    pub(crate) fn taken(&self) -> usize {
        (self.supply_max as usize).saturating_sub(self.supply.available_permits())
    }

    /// Waits for `share` of the supply (all of it, if it is less) for at most `patience`.
    pub(crate) async fn enter(&self, share: u32, patience: Duration) -> Result<Admission, Refused> {
        let share = share.min(self.supply_max);
        if let Ok(share) = Arc::clone(&self.supply).try_acquire_many_owned(share) {
            return Ok(Admission { share });
        }
        let _place = self.waiting.try_acquire().map_err(|_| Refused::QueueFull)?;
        match tokio::time::timeout(patience, Arc::clone(&self.supply).acquire_many_owned(share)).await {
            Ok(Ok(share)) => Ok(Admission { share }),
            // The semaphore is never closed, so an error here is as good as waiting in vain.
            Ok(Err(_)) | Err(_) => Err(Refused::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_queue_is_bounded_and_waiting_ends() {
        let gate = Gate::new(2, 1);
        let inside = gate.enter(2, Duration::ZERO).await.unwrap();
        assert_eq!(gate.enter(1, Duration::ZERO).await.unwrap_err(), Refused::TimedOut);
        let waiting = gate.enter(1, LONG);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut waiting).await.is_err());
        assert_eq!(gate.enter(1, LONG).await.unwrap_err(), Refused::QueueFull);
        assert_eq!(gate.taken(), 2);
        drop(inside);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn what_wants_more_than_there_is_gets_all() {
        let gate = Gate::new(2, 1);
        let inside = gate.enter(u32::MAX, Duration::ZERO).await.unwrap();
        assert_eq!(gate.enter(1, Duration::ZERO).await.unwrap_err(), Refused::TimedOut);
        drop(inside);
        let _first = gate.enter(1, Duration::ZERO).await.unwrap();
        assert!(gate.enter(1, Duration::ZERO).await.is_ok());
    }
}
