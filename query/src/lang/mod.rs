//! Query languages: from text to checked syntax trees.
//!
//! * `span` - where in the text something stands
//! * `promql` - PromQL

pub mod promql;
mod span;

pub use span::Span;
