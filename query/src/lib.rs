//! The query languages of Kymo and their execution.

mod error;
#[expect(dead_code, reason = "the executor that uses it is being built")]
mod exec;
#[expect(dead_code, reason = "the executor that uses it is being built")]
mod functions;
// The one public module: `add` and `buckets` would say too little as names of the crate.
pub mod histogram;
mod result;
mod source;

pub use {
    error::{Error, ErrorKind},
    exec::EvalOptions,
    result::{HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample},
    source::{SelectRequest, Selection, SeriesReader, Source},
};
