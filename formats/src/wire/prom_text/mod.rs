//! The text exposition format, version 0.0.4: the `/metrics` pages of exporters.
//!
//! - [`TextParser`] reads a page line by line, borrowing from it
//! - [`TextWriter`] writes one
//!
//! Read but never written: quoted names (`{"a.b", "c.d"="e"}`), and from OpenMetrics `# UNIT`, `# EOF` and
//! exemplars. Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

mod labels;
mod parser;
#[cfg(test)]
mod tests;
mod writer;

pub use labels::{TextLabels, unescape};
pub use parser::{Line, TextExemplar, TextParser, TextSample};
pub use writer::{TextWriter, format_float};
