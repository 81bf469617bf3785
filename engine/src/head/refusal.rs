//! Why a row was not stored.

use crate::model::Labels;

/// The reason. Texts are upstream's where upstream has one: senders and their users know them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another value is stored at this time.
    #[error("duplicate sample for timestamp")]
    DuplicateTimestamp,
    /// Older than what is kept.
    #[error("too old sample")]
    TooOld,
    /// Further ahead of the clock than the limit allows.
    #[error("out of bounds: timestamp is too far in the future")]
    OutOfBounds,
    /// Not a label set that can be stored.
    #[error("{reason}")]
    InvalidLabels {
        /// What is wrong with it.
        reason: String,
    },
    /// Not a histogram that can be stored.
    #[error("{reason}")]
    InvalidHistogram {
        /// What is wrong with it, in upstream's words.
        reason: String,
    },
    /// The series is new and there are as many as allowed.
    #[error("series limit of {limit} reached: new series of metric {metric:?} refused")]
    SeriesLimit {
        /// The limit.
        limit: u64,
        /// Metric name of the refused series.
        metric: String,
    },
    /// The series is new and memory is short.
    #[error("memory budget of {budget_bytes} bytes used up: new series of metric {metric:?} refused")]
    MemoryBudget {
        /// The budget.
        budget_bytes: u64,
        /// Metric name of the refused series.
        metric: String,
    },
    /// The exemplar is older than the newest one of its series.
    #[error("out of order exemplar")]
    OutOfOrderExemplar,
    /// The exemplar's labels are longer than allowed.
    #[error("label length for exemplar exceeds maximum of 128 UTF-8 characters")]
    ExemplarLabelLength,
}

/// A row that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The row's series.
    pub labels: Labels,
    /// The row's time in milliseconds, if it has one.
    pub ts: Option<i64>,
    /// Why.
    pub reason: Refusal,
}
