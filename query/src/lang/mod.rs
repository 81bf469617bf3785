//! Query languages: from text to checked syntax trees.
//!
//! * `span` - where in the text something stands
//! * `duration` - `1h30m`, read and printed
//! * `promql` - PromQL

mod duration;
pub mod promql;
mod span;

pub use {
    duration::{DurationError, format_duration, parse_duration},
    span::Span,
};

use kymo_engine::{is_printable, quote, quote_char};
