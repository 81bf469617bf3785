//! Moving data in and out: `kymo export` and `kymo import`.
//!
//! * `export` - from a running server, or a data directory, to files and other stores
//! * `import` - from files to a running server
//! * `sender` - remote write as a client: batches, connections, retries
//! * `files` - the only door to the operator's files
//! * `counts` - what was moved

mod counts;
mod export;
mod files;
mod import;
mod sender;

pub(crate) use {export::run as export, import::run as import};

use std::{io::Write as _, process::ExitCode};

/// All was done, but something was left out or refused, and the output says what.
const INCOMPLETE: u8 = 1;
/// It ended early.
const FAILED: u8 = 2;

/// Says why it ended early, with the causes that the text does not name itself.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if !message.contains(&cause.to_string()) {
            message = format!("{message}: {cause}");
        }
        source = cause.source();
    }
    // Where this cannot be said, nothing can.
    drop(writeln!(std::io::stderr(), "error: {message}"));
    ExitCode::from(FAILED)
}
