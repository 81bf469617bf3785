//! The embeddable storage engine of Kymo.

mod model;

pub use model::{
    HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError, Millis,
    STALE_NAN_BITS, SampleColumns, is_stale, stale_nan,
};
