//! The query languages of Kymo and their execution.

mod error;
mod lang;
mod result;
mod source;

pub use {
    error::{Error, ErrorKind},
    lang::{DurationError, Span, format_duration, parse_duration, promql},
    result::{HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample},
    source::{SelectRequest, Selection, SeriesReader, Source},
};
