//! The embeddable storage engine of Kymo.

mod env;
mod error;
mod model;
mod wal;

pub use env::{Clock, DirEntry, Env, File, Fs, LockGuard, Mapping, OpenMode, OsFs, Rng, SystemClock, spawn};
#[cfg(any(test, feature = "test-util"))]
pub use env::{FaultFs, MemFs, SimClock};
pub use error::ErrorKind;
pub use model::{
    HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError, Millis,
    STALE_NAN_BITS, SampleColumns, is_stale, stale_nan,
};
pub use wal::{
    Lsn, QuarantinedRange, Replay, ReplayReport, ReplayedFrame, SYNC_SECONDS_BOUNDS, TruncatedTail, Wal,
    WalConfig, WalError, WalPin, WalStats, WalSync,
};
