//! The query languages of Kymo and their execution.

mod error;
mod result;
mod source;

pub use {
    error::{Error, ErrorKind},
    result::{HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample},
    source::{SelectRequest, Selection, SeriesReader, Source},
};
