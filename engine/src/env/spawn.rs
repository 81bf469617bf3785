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

/// As [`spawn`], for a thread that borrows and ends with `scope`.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<thread::ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, body)
}
