//! Compaction: many blocks to fewer, larger ones, each within one window of its level.
//!
//! * `levels` - the table of levels: windows, chunk sizes, when a window closes
//! * `plan` - which blocks to merge next: pure, blocks in and a choice out
//! * `merge` - series of several blocks in order, each with its samples merged
//! * `chunks` - samples to chunks of a level's size
//! * `samples` - samples out of chunks and into chunks
//! * `edits` - a version of the manifest as the input of a plan, its outcome as edits
//! * `run` - carries out a choice: reads the inputs, writes the outputs

mod chunks;
mod edits;
mod error;
mod levels;
mod merge;
mod plan;
mod run;
mod samples;

pub use edits::same_deletions;
pub use error::CompactionError;
pub use levels::{Level, Levels};
pub use merge::{Deletion, MergeInput};
pub use plan::{Choice, DataTime, PlanBlock, Urgency, plan};
pub use run::{Compacted, CompactionEnv, compact};
