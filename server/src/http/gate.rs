//! A bound on how many calls of one kind run at once, with a bounded queue before it.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a fixed number of calls in; the others wait for a while.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    /// Running and waiting calls together.
    queue: Arc<Semaphore>,
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
#[expect(dead_code, reason = "held for what their drop does")]
pub(crate) struct Admission {
    slot: OwnedSemaphorePermit,
    place: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(running_max: usize, waiting_max: usize) -> Self {
        let queue = Semaphore::new(running_max.saturating_add(waiting_max).min(Semaphore::MAX_PERMITS));
        Self { slots: Arc::new(Semaphore::new(running_max)), queue: Arc::new(queue) }
    }

    /// Waits for a slot for at most `patience`.
    pub(crate) async fn enter(&self, patience: Duration) -> Result<Admission, Refused> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| Refused::QueueFull)?;
        match tokio::time::timeout(patience, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(Admission { slot, place }),
            // The semaphore is never closed, so an error here is as good as waiting in vain.
            Ok(Err(_)) | Err(_) => Err(Refused::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_waiting_ends() {
        let gate = Gate::new(1, 1);
        let inside = gate.enter(Duration::ZERO).await.unwrap();
        assert_eq!(gate.enter(Duration::ZERO).await.unwrap_err(), Refused::TimedOut);
        let waiting = gate.enter(Duration::from_secs(60));
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut waiting).await.is_err());
        assert_eq!(gate.enter(Duration::from_secs(60)).await.unwrap_err(), Refused::QueueFull);
        drop(inside);
        assert!(waiting.await.is_ok());
    }
}
