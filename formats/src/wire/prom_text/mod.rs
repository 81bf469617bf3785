//! The text exposition format, version 0.0.4: the `/metrics` pages of exporters.
//!
//! - [`TextParser`] reads a page line by line, borrowing from it
//! - [`TextWriter`] writes one
//! - [`OpenMetricsWriter`] writes one in OpenMetrics' format, which the parser reads too
//!
//! Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

mod labels;
mod open_metrics;
mod parser;
#[cfg(test)]
mod tests;
mod writer;

pub use labels::{TextLabels, unescape};
pub use open_metrics::OpenMetricsWriter;
pub use parser::{Line, TextExemplar, TextParser, TextSample};
pub use writer::{TextWriter, format_float};
