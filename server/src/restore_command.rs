//! `kymo restore`: a store from a snapshot.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use kymo_engine::{Fs, OsFs, restore};

use crate::{
    cli::RestoreArgs,
    verify_command::{cannot, finish},
};

/// Checks, copies, and says what.
pub(crate) fn run(args: &RestoreArgs) -> ExitCode {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    match restore(&fs, &args.snapshot, &args.data_dir) {
        Ok(report) => finish(ExitCode::SUCCESS, |out| {
            writeln!(
                out,
                "restored {} blocks, {} files, {} bytes to {}",
                report.blocks,
                report.files,
                report.bytes,
                args.data_dir.display()
            )
        }),
        Err(error) => cannot("restore", &args.snapshot, &error),
    }
}
