//! Values shared by all signals: labels, matchers, time, samples.
//!
//! * `label` - label sets in canonical bytes
//! * `matcher` - one condition on one label
//! * `time` - milliseconds as a type
//! * `sample` - decoded samples by column, and stale markers

mod label;
mod matcher;
mod sample;
mod time;

pub use {
    kymo_formats::histogram::HistogramValue,
    label::{Label, Labels, LabelsBuilder},
    matcher::{MatchOp, Matcher, MatcherError},
    sample::{HistogramSample, STALE_NAN_BITS, SampleColumns, is_stale, stale_nan},
    time::Millis,
};
