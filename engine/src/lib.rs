//! The embeddable storage engine of Kymo.

mod block;
mod checkpoint_file;
mod compact;
mod compaction;
mod config;
mod engine;
mod env;
mod error;
mod flush;
mod head;
mod index;
mod limits;
mod maintenance;
mod manifest;
mod model;
mod read;
mod recovery;
mod retention;
mod signals;
mod wal;

pub use block::{
    BlockCache, BlockError, BlockInfo, BlockReader, BlockSeries, BlockSpec, BlockWriter, block_path,
};
pub use compaction::{
    Choice, Compacted, CompactionEnv, CompactionError, DataTime, Deletion, Level, Levels, MergeInput,
    PlanBlock, Urgency, compact, plan,
};
pub use env::{Clock, DirEntry, Env, File, Fs, LockGuard, Mapping, OpenMode, OsFs, Rng, SystemClock, spawn};
#[cfg(any(test, feature = "test-util"))]
pub use env::{FaultFs, MemFs, SimClock};
pub use error::{Error, ErrorKind};
pub use index::{LabelIndex, label_names, label_values, select, series_order};
pub use model::{
    HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError, Millis,
    STALE_NAN_BITS, SampleColumns, is_stale, stale_nan,
};
