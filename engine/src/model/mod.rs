//! Values shared by all signals: labels, matchers, time, samples.
//!
//! * `label` - label sets in canonical bytes
//! * `matcher` - one condition on one label
//! * `quote` - text as upstream quotes it
//! * `regex` - regular expressions in the RE2 dialect
//! * `time` - milliseconds as a type
//! * `sample` - decoded samples by column, and stale markers

mod label;
mod matcher;
mod quote;
mod regex;
mod sample;
mod time;

pub use {
    kymo_formats::histogram::HistogramValue,
    label::{Label, Labels, LabelsBuilder},
    matcher::{MatchOp, Matcher, MatcherError},
    quote::{is_printable, quote, quote_char},
    regex::{Captures, Regex, RegexError, RegexErrorKind},
    sample::{HistogramSample, STALE_NAN_BITS, SampleColumns, is_stale, stale_nan},
    time::Millis,
};
