//! Where log lines go: to standard error, filtered by `KYMO_LOG` (`info` by default, but for the client of object storage, which
//! tells of each request that it makes again).

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. Calling it twice is harmless: the first call counts.
pub(crate) fn init_logging() {
    let filter =
        EnvFilter::try_from_env("KYMO_LOG").unwrap_or_else(|_| EnvFilter::new("info,object_store=warn"));
    let started = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    drop(started);
}
