//! Why a row was not stored.

use std::sync::atomic::{AtomicU64, Ordering};

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
    #[error("series limit of {limit} (head.series_max) reached: new series of metric {metric:?} refused")]
    SeriesLimit {
        /// The limit.
        limit: u64,
        /// Metric name of the refused series.
        metric: String,
    },
    /// The series is new and its metric has as many as allowed.
    #[error(
        "metric {metric:?} has {series} series, the limit (head.metric_series_max) is {limit}: new series refused"
    )]
    MetricSeriesLimit {
        /// The limit.
        limit: u64,
        /// The metric.
        metric: String,
        /// Series that it has.
        series: u64,
    },
    /// The series is new, and so is the value of one of its labels, which has as many as allowed.
    #[error(
        "label {label:?} has {values} values, the limit (head.label_values_max) is {limit}: \
         new series of metric {metric:?} refused"
    )]
    LabelValuesLimit {
        /// The limit.
        limit: u64,
        /// The label's name.
        label: String,
        /// Distinct values that it has.
        values: u64,
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

/// How often a series that was not known was refused, by the setting that refused it. Senders try again and again,
/// so that one series counts more than once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusedSeries {
    /// By `head.series_max`.
    pub series_max: u64,
    /// By `head.metric_series_max`.
    pub metric_series_max: u64,
    /// By `head.label_values_max`.
    pub label_values_max: u64,
    /// By `head.budget_bytes`.
    pub budget_bytes: u64,
}

/// [`RefusedSeries`] while it counts.
#[derive(Debug, Default)]
pub(super) struct RefusedCounters {
    series_max: AtomicU64,
    metric_series_max: AtomicU64,
    label_values_max: AtomicU64,
    budget_bytes: AtomicU64,
}

impl RefusedCounters {
    /// Counts the refusal of a series, if a limit is the reason.
    pub(super) fn count(&self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::SeriesLimit { .. } => &self.series_max,
            Refusal::MetricSeriesLimit { .. } => &self.metric_series_max,
            Refusal::LabelValuesLimit { .. } => &self.label_values_max,
            Refusal::MemoryBudget { .. } => &self.budget_bytes,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> RefusedSeries {
        RefusedSeries {
            series_max: self.series_max.load(Ordering::Relaxed),
            metric_series_max: self.metric_series_max.load(Ordering::Relaxed),
            label_values_max: self.label_values_max.load(Ordering::Relaxed),
            budget_bytes: self.budget_bytes.load(Ordering::Relaxed),
        }
    }
}
