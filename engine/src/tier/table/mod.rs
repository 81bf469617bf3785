//! A table of rollups on object storage: a Delta table, whose log is the only truth about which files belong to it.
//!
//! * `file` - what the log tells of a data file, and the names of files
//! * `state` - the table as of one version
//! * `log` - reading the log, committing to it, checkpoints
//!
//! **Exactly once.** A writer numbers its jobs; a commit carries the number (`txn`), and whoever finds its number in the
//! state has committed before. **No leases.** Commits are written with put-if-absent under the next version; who comes
//! second reads what the first one did and tries the version after it.

mod file;
mod log;
mod state;
#[cfg(test)]
mod tests;

pub(super) use file::series_path;
pub use file::{DataFileMeta, Partition};
pub(crate) use file::{Writer, made_at};
pub(crate) use log::{Commit, Committed, Table};
pub use state::{TableSize, TableState};
