//! The embeddable storage engine of Kymo.

mod env;
mod error;
mod model;

#[cfg(any(test, feature = "test-util"))]
pub use env::SimClock;
pub use env::{Clock, DirEntry, Env, File, Fs, LockGuard, Mapping, OpenMode, OsFs, Rng, SystemClock, spawn};
pub use error::ErrorKind;
pub use model::{
    HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError, Millis,
    STALE_NAN_BITS, SampleColumns, is_printable, is_stale, quote, quote_char, stale_nan,
};
