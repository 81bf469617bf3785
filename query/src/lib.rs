//! The query languages of Kymo and their execution.

mod error;
#[expect(dead_code, reason = "the executor that uses it is being built")]
mod exec;
mod result;
mod source;

pub use {
    error::{Error, ErrorKind},
    exec::EvalOptions,
    result::{HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample},
    source::{SelectRequest, Selection, SeriesReader, Source},
};
