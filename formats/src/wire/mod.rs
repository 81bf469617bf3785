//! Foreign formats: what other programs send to Kymo and expect from it.
//!
//! - `protobuf`: fields of a message, read in place and written
//! - [`remote_write`]: remote write 1.0 and 2.0, decoded without an allocation per series, label or sample
//! - [`remote_read`]: requests, and both kinds of answers
//! - [`prom_text`]: the text exposition format, read and written
//! - [`prom_protobuf`]: the protobuf exposition format, written
//! - [`tsdb`]: blocks of Prometheus's TSDB, read
//! - [`sample_table`]: Parquet files with one row for each sample, read and written
//! - `metric_type`: the metric types that all of these share
//!
//! Compression is not here: a decoder gets the bytes of the message itself.

mod metric_type;
pub mod prom_protobuf;
pub mod prom_text;
mod protobuf;
pub mod remote_read;
pub mod remote_write;
pub mod sample_table;
pub mod tsdb;

pub use metric_type::MetricType;
