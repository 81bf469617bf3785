//! Compaction: many blocks to fewer, larger ones, each within one window of its level.
//!
//! * `levels` - the table of levels: windows, chunk sizes, when a window closes
//! * `plan` - which blocks to merge next: pure, blocks in and a choice out
//! * `merge` - series of several blocks in order, each with its samples merged
//! * `edits` - a version of the manifest as the input of a plan, its outcome as edits
//! * `run` - carries out a choice: reads the inputs, writes the outputs

mod edits;
mod error;
mod levels;
mod merge;
mod plan;
mod run;

pub use error::CompactionError;
pub use levels::{Level, Levels};
pub use merge::{Deletion, MergeInput};
pub use plan::{Choice, PlanBlock, Urgency, plan, plan_within};
pub use run::{Compacted, CompactionEnv, compact};
