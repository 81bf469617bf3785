//! Values shared by all signals: labels, matchers, time, samples.
//!
//! * `label` - label sets in canonical bytes
//! * `series` - the identity of a series
//! * `matcher` - one condition on one label
//! * `memory` - a bound on what a read takes
//! * `regex` - regular expressions in the RE2 dialect
//! * `quote` - strings as PromQL writes them
//! * `time` - milliseconds as a type
//! * `windows` - sets of windows of time
//! * `sample` - decoded samples by column, and stale markers

mod label;
mod matcher;
mod memory;
mod quote;
mod regex;
mod sample;
mod series;
mod time;
mod windows;

pub use {
    kymo_formats::histogram::HistogramValue,
    label::{Label, Labels, LabelsBuilder},
    matcher::{MatchOp, Matcher, MatcherError},
    memory::{MemoryBudget, OverBudget},
    quote::{is_printable, quote, quote_char},
    regex::{Captures, Regex, RegexError, RegexErrorKind},
    sample::{HistogramSample, STALE_NAN_BITS, SampleColumns, is_stale, stale_nan},
    series::Fingerprint,
    time::Millis,
    windows::WindowSet,
};
pub(crate) use {label::put_label, regex::Verdict, sample::HistogramForm};
