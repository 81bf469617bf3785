//! `kymo snapshot`: asks a running server for a copy of its data.

use std::{io::Write as _, process::ExitCode};

use serde::Deserialize;

use crate::{cli::SnapshotArgs, client, verify_command::finish};

/// What the server answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    path: String,
    blocks: u64,
    bytes: u64,
    linked_bytes: u64,
}

/// Asks, and says where it is.
pub(crate) fn run(args: &SnapshotArgs) -> ExitCode {
    match client::call::<Snapshot>(&args.server, "admin/tsdb/snapshot", Vec::new()) {
        Ok(envelope) => finish(ExitCode::SUCCESS, |out| {
            let Snapshot { path, blocks, bytes, linked_bytes } = envelope.data;
            writeln!(out, "{path}")?;
            writeln!(out, "{blocks} blocks, {bytes} bytes, {linked_bytes} of them shared with the store")
        }),
        Err(error) => {
            // Where this cannot be said, nothing can.
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}
