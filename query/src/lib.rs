//! The query languages of Kymo and their execution.

mod error;
mod exec;
mod feature;
mod functions;
// The one public module: `add` and `buckets` would say too little as names of the crate.
pub mod histogram;
mod lang;
mod result;
mod source;
#[cfg(feature = "test-util")]
pub mod testing;

pub use {
    error::{Error, ErrorKind},
    exec::{EngineOptions, EvalOptions, Interrupt, InterruptCheck, QueryEngine, QueryOptions},
    feature::Feature,
    lang::{DurationError, Span, format_duration, parse_duration, promql},
    result::{
        HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, SampleCounts, Value, VectorSample,
    },
    source::{
        EngineSource, Need, PartRead, PartSource, SelectRequest, SelectedPart, Selection, SelectorRead,
        SeriesReader, Source, Summaries,
    },
};
