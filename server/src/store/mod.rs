//! Storage as the server sees it: the narrow trait between protocols and the engine.
//!
//! * `batch` - the rows of one write request
//! * `memory` - rows in memory, for tests of handlers

mod batch;
mod memory;

use std::collections::BTreeMap;

use kymo_engine::{ErrorKind, Labels, Matcher};
use serde::Serialize;

pub(crate) use {
    batch::{Batch, SeriesIdx},
    memory::MemoryStore,
};

use crate::http::TimeRange;

/// A storage call that failed as a whole.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct StoreError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl StoreError {
    pub(crate) const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// What became of a batch. All that was accepted is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) samples: u64,
    pub(crate) histograms: u64,
    pub(crate) exemplars: u64,
    pub(crate) refusals: Vec<Refusal>,
}

/// One row, or all rows of one series, that were not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Upstream's text where it has one, with the series.
    pub(crate) message: String,
}

/// One exemplar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) ts: i64,
}

/// What is known about a metric family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Metadata {
    #[serde(rename = "type")]
    pub(crate) metric_type: String,
    pub(crate) help: String,
    pub(crate) unit: String,
}

/// A name and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cardinality {
    pub(crate) name: String,
    pub(crate) value: u64,
}

/// State of the store in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StoreStats {
    pub(crate) series: u64,
    pub(crate) label_pairs: u64,
    pub(crate) chunks: u64,
    pub(crate) min_ts: Option<i64>,
    pub(crate) max_ts: Option<i64>,
    pub(crate) blocks: Vec<BlockStats>,
    pub(crate) wal_bytes: u64,
    pub(crate) wal_segments: u64,
    pub(crate) head_bytes: u64,
}

/// One block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BlockStats {
    pub(crate) id: String,
    pub(crate) level: u8,
    pub(crate) min_ts: i64,
    pub(crate) max_ts: i64,
    pub(crate) bytes: u64,
    pub(crate) series: u64,
    pub(crate) samples: u64,
    pub(crate) chunks: u64,
}

/// Most frequent names, most frequent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CardinalityStats {
    pub(crate) series_by_metric: Vec<Cardinality>,
    pub(crate) values_by_label: Vec<Cardinality>,
    pub(crate) bytes_by_label: Vec<Cardinality>,
    pub(crate) series_by_pair: Vec<Cardinality>,
}

/// Matchers that a series must all satisfy; a request may have several such sets.
pub(crate) type Matchers = Vec<Matcher>;

/// What the server needs of storage. All calls may block.
pub(crate) trait Store: Send + Sync + 'static {
    /// Stores the rows of `batch` and returns when all accepted ones are durable.
    fn append(&self, batch: &mut Batch) -> Result<Outcome, StoreError>;

    /// What queries read: the rows accepted up to this call.
    fn source(&self) -> Result<Box<dyn kymo_query::Source>, StoreError>;

    /// Label sets of the series with rows in the range, sorted; at most `limit`, 0 = all.
    fn series(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<Labels>, StoreError>;

    /// Sorted names of the labels of such series.
    fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Sorted values of one label of such series.
    fn label_values(
        &self,
        name: &[u8],
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<Vec<u8>>, StoreError>;

    /// What is known about metric families.
    fn metadata(&self) -> BTreeMap<String, Vec<Metadata>>;

    /// Exemplars of the series that satisfy one of the sets of matchers, by series.
    fn exemplars(
        &self,
        matcher_sets: &[Matchers],
        range: TimeRange,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, StoreError>;

    /// Deletes rows, visible at once.
    fn delete_series(&self, matchers: &[Matcher], range: TimeRange) -> Result<(), StoreError>;

    /// Removes what deleted rows still occupy.
    fn clean_tombstones(&self) -> Result<(), StoreError>;

    /// Moves the head to blocks.
    fn flush(&self) -> Result<(), StoreError>;

    /// Compacts all levels, as far as they go.
    fn compact(&self) -> Result<(), StoreError>;

    fn stats(&self) -> StoreStats;

    fn cardinality(&self, limit: usize) -> CardinalityStats;

    /// Ends all work in the background and makes everything durable.
    fn close(&self) -> Result<(), StoreError>;
}
