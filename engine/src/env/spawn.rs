//! Threads: named, and joined by whoever starts them.

use std::{io, thread};

/// How nice a background thread is: half of what there is.
#[cfg(target_os = "linux")]
const BACKGROUND_NICE: i32 = 10;

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

/// As [`spawn`], for work that is to leave the cores to others where they want them.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn spawn_background<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    spawn(name, || {
        be_nice();
        body()
    })
}

/// Lowers the priority of this thread. On Linux each thread has its own; elsewhere it would be that of the process.
fn be_nice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(BACKGROUND_NICE) {
        tracing::debug!(%error, "the priority of a thread stays as it is");
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_background_thread_is_nice_alone() {
        let before = getpriority_process(None).unwrap();
        let nice = spawn_background("test", || getpriority_process(None).unwrap()).unwrap().join().unwrap();
        assert_eq!(nice, (before + BACKGROUND_NICE).min(19));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
