//! Threads: named, and joined by whoever starts them.

use std::{io, thread};

/// Runs `body` on a thread called `name` (seen in `top` and in panics). The caller keeps the handle and joins
/// it: an engine that is closed leaves no thread behind.
///
/// # Errors
/// When the operating system gives no thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
