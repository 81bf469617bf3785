//! The embeddable storage engine of Kymo.

mod model;

pub use model::{
    HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp, Matcher, MatcherError, Millis,
    STALE_NAN_BITS, SampleColumns, is_printable, is_stale, quote, quote_char, stale_nan,
};
