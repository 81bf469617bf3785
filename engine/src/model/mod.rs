//! Values shared by all signals: labels, matchers, time, samples.
//!
//! * `label` - label sets in canonical bytes
//! * `matcher` - one condition on one label
//! * `series` - the identity of a series
//! * `time` - milliseconds as a type
//! * `sample` - decoded samples by column, and stale markers

mod label;
mod matcher;
mod sample;
mod series;
mod time;

pub use {
    kymo_formats::histogram::HistogramValue,
    label::{Label, Labels, LabelsBuilder},
    matcher::{MatchOp, Matcher, MatcherError},
    sample::{HistogramSample, STALE_NAN_BITS, SampleColumns, is_stale, stale_nan},
    series::Fingerprint,
    time::Millis,
};
