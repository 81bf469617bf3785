//! A thread on which requests are made.
//!
//! The store's interface waits for answers, and who calls it may be on a thread of another runtime, where a runtime must
//! neither be entered nor dropped. So it has a thread of its own, and callers wait on a channel.

use std::{convert::Infallible, future::Future, io, sync::mpsc as blocking};

use tokio::{runtime, sync::mpsc};

use crate::env::spawn;

/// Runs futures until it is dropped, and those that were begun to their end.
#[derive(Debug, Clone)]
pub(super) struct Runtime {
    handle: runtime::Handle,
    /// The thread ends when all of these are gone.
    alive: mpsc::Sender<Infallible>,
}

/// What will be there when a future has ended.
#[derive(Debug)]
pub(super) struct Task<T>(blocking::Receiver<T>);

impl<T> Task<T> {
    /// Waits for it; nothing when it panicked.
    pub(super) fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl Runtime {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, mut all_gone) = mpsc::channel(1);
        // Nobody waits for it to end: whoever dropped the store may be in a hurry, and an abort takes a while.
        drop(spawn("kymo-objects", move || runtime.block_on(all_gone.recv()))?);
        Ok(Self { handle, alive })
    }

    /// Begins to run `future`.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let (answer, task) = blocking::sync_channel(1);
        let alive = self.alive.clone();
        drop(self.handle.spawn(async move {
            let result = future.await;
            // Nobody may want to know.
            drop(answer.send(result));
            drop(alive);
        }));
        Task(task)
    }

    /// Runs `future`, and waits for what it gives; nothing when it panicked.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.spawn(future).wait()
    }
}
