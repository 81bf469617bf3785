//! Parquet files with one row for each sample: what `kymo export` writes, and every SQL engine reads.
//!
//! * `schema`: the columns
//! * `buckets`: the buckets of a native histogram, readable
//! * `writer`, `reader`: whole files, a row group and a batch of rows in memory
//!
//! The reader also takes files of others that have the columns; see [`SampleTableReader`].

mod buckets;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{SampleTableError, SampleTableReader, SeriesVisitor};
pub use writer::SampleTableWriter;
