//! Compaction: many blocks to fewer, larger ones, each within one window of its level.
//!
//! * `levels` - the table of levels: windows, chunk sizes, when a window closes
//! * `plan` - which blocks to merge next: pure, blocks in and a choice out
//! * `merge` - series of several blocks in order, each with its samples merged
//! * `chunks` - samples to chunks of a level's size
//! * `run` - carries out a choice: reads the inputs, writes the outputs

mod levels;
mod plan;

pub use levels::{Level, Levels};
pub use plan::{Choice, DataTime, PlanBlock, Urgency, plan};
