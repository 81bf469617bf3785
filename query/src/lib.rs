//! The query languages of Kymo and their execution.

mod error;
mod exec;
mod functions;
// The one public module: `add` and `buckets` would say too little as names of the crate.
pub mod histogram;
mod lang;
mod result;
mod source;

pub use {
    error::{Error, ErrorKind},
    exec::{EngineOptions, EvalOptions, Interrupt, InterruptCheck, QueryEngine, QueryOptions},
    lang::{Span, promql},
    result::{HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample},
    source::{SelectRequest, Selection, SeriesReader, Source},
};
