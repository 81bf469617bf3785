//! The embeddable storage engine of Kymo.

mod block;
mod compaction;
mod env;
mod error;
mod index;
mod model;

pub use block::{
    BlockCache, BlockError, BlockInfo, BlockReader, BlockSeries, BlockSpec, BlockWriter, block_path,
};
pub use compaction::{Choice, DataTime, Level, Levels, PlanBlock, Urgency, plan};
pub use env::{Clock, DirEntry, Env, File, Fs, LockGuard, Mapping, OpenMode, OsFs, Rng, SystemClock, spawn};
#[cfg(any(test, feature = "test-util"))]
pub use env::{FaultFs, MemFs, SimClock};
pub use error::ErrorKind;
pub use index::{LabelIndex, label_names, label_values, select, series_order};
pub use model::{
    Captures, HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError,
    Millis, Regex, RegexError, RegexErrorKind, STALE_NAN_BITS, SampleColumns, is_printable, is_stale, quote,
    quote_char, stale_nan,
};
