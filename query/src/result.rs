//! What a query returns.

use std::sync::Arc;

use kymo_engine::Labels;
use kymo_formats::histogram::FloatHistogram;

use crate::SelectorRead;

/// The answer to a query, with what the user must know about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryResult {
    /// The answer proper.
    pub value: Value,
    /// Warning annotations ("PromQL warning: ..."), deduplicated and capped as upstream does.
    pub warnings: Vec<String>,
    /// Info annotations ("PromQL info: ...").
    pub infos: Vec<String>,
    /// What the evaluation cost.
    pub stats: QueryStats,
}

/// A value of one of PromQL's types. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number at a time.
    Scalar(Point),
    /// A string at a time; bytes, because PromQL strings need not be UTF-8.
    String {
        /// Evaluation time.
        ts: i64,
        /// The string.
        value: Vec<u8>,
    },
    /// At most one sample per series, in the order that the expression asks for.
    Vector(Vec<VectorSample>),
    /// Series over time, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

impl Default for Value {
    fn default() -> Self {
        Self::Vector(Vec::new())
    }
}

/// A float at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Milliseconds.
    pub ts: i64,
    /// The value.
    pub value: f64,
}

/// A native histogram at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramPoint {
    /// Milliseconds.
    pub ts: i64,
    /// The value.
    pub value: Arc<FloatHistogram>,
}

/// One element of an instant vector: a float or a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Labels of the result series.
    pub labels: Labels,
    /// Milliseconds.
    pub ts: i64,
    /// The float; without meaning when `histogram` is set.
    pub value: f64,
    /// The histogram, if the element is one.
    pub histogram: Option<Arc<FloatHistogram>>,
}

/// One series of a matrix: floats and histograms apart, each ascending in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatrixSeries {
    /// Labels of the result series.
    pub labels: Labels,
    /// Float points.
    pub floats: Vec<Point>,
    /// Histogram points.
    pub histograms: Vec<HistogramPoint>,
}

/// What a query cost, as upstream's `stats` answer tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples that the query looked at.
    pub samples: SampleCounts,
    /// The same for each step; empty unless [`crate::QueryOptions::per_step_stats`] asked for it.
    pub samples_per_step: Vec<SampleCounts>,
    /// Most samples held in memory at once.
    pub peak_samples: u64,
    /// Most memory taken at once, bytes, as far as it is accounted for.
    pub peak_bytes: u64,
    /// What each selector has read, in the order in which they were asked.
    pub selectors: Vec<SelectorRead>,
}

/// Samples that a query, or a step of it, looked at. A histogram counts as its size in samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Samples used, counted once per step that uses them.
    pub queryable: u64,
    /// Samples read from storage, each once.
    pub read: u64,
}

impl SampleCounts {
    /// Adds samples used, and read.
    pub(crate) const fn add(&mut self, queryable: u64, read: u64) {
        self.queryable += queryable;
        self.read += read;
    }
}
