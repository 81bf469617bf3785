//! The annotations that evaluation can make, with upstream's texts.

use kymo_engine::quote;

use super::format::{format_g, format_g2, rfc3339};

/// How much an annotation weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The answer may be wrong.
    Warning,
    /// The query may be wrong.
    Info,
}

/// In which operation histograms met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistogramOperation {
    /// `+`, and interpolation.
    Addition,
    /// `-`, and rates.
    Subtraction,
    /// `sum`, `avg`, and their counterparts over time.
    Aggregation,
}

impl HistogramOperation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

/// One annotation. Metric names that are empty are left out of the text where upstream does so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note {
    /// `limit_ratio`'s ratio was capped.
    InvalidRatio { ratio: f64, capped: f64 },
    /// A quantile outside `[0, 1]`.
    InvalidQuantile { quantile: f64 },
    /// The label `le` is not a number.
    BadBucketLabel { metric: Vec<u8>, label: Vec<u8> },
    /// Floats and histograms in one range.
    MixedFloatsHistograms { metric: Vec<u8> },
    /// Floats and histograms in one group.
    MixedFloatsHistogramsAggregation,
    /// Classic and native buckets of the same labels.
    MixedClassicNative { metric: Vec<u8> },
    /// A gauge histogram where a counter is expected.
    HistogramNotCounter { metric: Vec<u8> },
    /// A counter histogram where a gauge is expected.
    HistogramNotGauge { metric: Vec<u8> },
    /// Exponential and custom buckets cannot be combined.
    MixedExponentialCustom { metric: Vec<u8> },
    /// Two histograms of a binary operation cannot be combined.
    IncompatibleBucketLayout { operator: &'static str },
    /// Sorting has no effect in a range query.
    SortInRangeQuery,
    /// A counter function on a metric whose name is not a counter's.
    PossibleNonCounter { metric: Vec<u8> },
    /// A counter function on a metric whose type label is not a counter's.
    PossibleNonCounterLabel { metric: Vec<u8>, type_label: Vec<u8> },
    /// Buckets that decrease were lifted; `times` covers milliseconds, `count` is how many samples.
    ForcedMonotonicity {
        metric: Vec<u8>,
        times: (i64, i64),
        buckets: (f64, f64),
        max_diff: f64,
        count: usize,
    },
    /// A binary operator has no meaning for these operands.
    IncompatibleTypes { operator: &'static str, left: &'static str, right: &'static str },
    /// An aggregation that cannot use histograms left one out.
    HistogramIgnoredInAggregation { aggregation: &'static str },
    /// A range function that cannot use histograms left some out.
    HistogramIgnoredInMixedRange { metric: Vec<u8> },
    /// A quantile lies among observations that are NaN.
    QuantileNanResult { metric: Vec<u8> },
    /// NaN observations move a quantile.
    QuantileNanSkew { metric: Vec<u8> },
    /// NaN observations are in no fraction.
    FractionNans { metric: Vec<u8> },
    /// One histogram says reset, the other says not.
    CounterResetCollision { operation: HistogramOperation },
    /// Custom buckets of different bounds were brought together.
    MismatchedCustomBuckets { operation: HistogramOperation },
    /// A sample started before its predecessor ended.
    StartTimeOverlap { metric: Vec<u8>, count: usize },
    /// A warning of storage, as it is.
    Storage(String),
}

impl Note {
    /// A [`Note::ForcedMonotonicity`] of one sample.
    pub(crate) fn forced_monotonicity(metric: &[u8], ts: i64, buckets: (f64, f64), max_diff: f64) -> Self {
        Self::ForcedMonotonicity { metric: metric.to_vec(), times: (ts, ts), buckets, max_diff, count: 1 }
    }

    /// Warning or info.
    pub(crate) const fn severity(&self) -> Severity {
        match self {
            Self::PossibleNonCounter { .. }
            | Self::PossibleNonCounterLabel { .. }
            | Self::ForcedMonotonicity { .. }
            | Self::IncompatibleTypes { .. }
            | Self::HistogramIgnoredInAggregation { .. }
            | Self::HistogramIgnoredInMixedRange { .. }
            | Self::QuantileNanResult { .. }
            | Self::QuantileNanSkew { .. }
            | Self::FractionNans { .. }
            | Self::MismatchedCustomBuckets { .. } => Severity::Info,
            Self::InvalidRatio { .. }
            | Self::InvalidQuantile { .. }
            | Self::BadBucketLabel { .. }
            | Self::MixedFloatsHistograms { .. }
            | Self::MixedFloatsHistogramsAggregation
            | Self::MixedClassicNative { .. }
            | Self::HistogramNotCounter { .. }
            | Self::HistogramNotGauge { .. }
            | Self::MixedExponentialCustom { .. }
            | Self::IncompatibleBucketLayout { .. }
            | Self::SortInRangeQuery
            | Self::CounterResetCollision { .. }
            | Self::StartTimeOverlap { .. }
            | Self::Storage(_) => Severity::Warning,
        }
    }

    /// The text by which annotations are the same.
    pub(crate) fn text(&self) -> String {
        if let Self::Storage(text) = self {
            return text.clone();
        }
        let severity = match self.severity() {
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        format!("PromQL {severity}: {}", self.body())
    }

    /// [`Note::text`] with what was counted.
    pub(crate) fn detailed_text(&self) -> String {
        let text = self.text();
        match self {
            Self::ForcedMonotonicity { times, buckets, max_diff, count, .. } => format!(
                "{text}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {}",
                format_g(buckets.0),
                format_g(buckets.1),
                format_g2(*max_diff),
                rfc3339(times.0.div_euclid(1000)),
                rfc3339(times.1.div_euclid(1000)),
            ),
            Self::StartTimeOverlap { count, .. } if *count > 1 => format!("{text} ({count} occurrences)"),
            _ => text,
        }
    }

    /// Adds what `other`, an annotation of the same text, counted.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (
                Self::ForcedMonotonicity { times, buckets, max_diff, count, .. },
                Self::ForcedMonotonicity {
                    times: other_times,
                    buckets: other_buckets,
                    max_diff: other_diff,
                    count: other_count,
                    ..
                },
            ) => {
                *times = (times.0.min(other_times.0), times.1.max(other_times.1));
                *buckets = (buckets.0.min(other_buckets.0), buckets.1.max(other_buckets.1));
                *max_diff = max_diff.max(other_diff);
                *count += other_count;
            }
            (Self::StartTimeOverlap { count, .. }, Self::StartTimeOverlap { count: other_count, .. }) => {
                *count += other_count;
            }
            _ => {}
        }
    }

    fn body(&self) -> String {
        match self {
            Self::InvalidRatio { ratio, capped } => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                format_g(*ratio),
                format_g(*capped)
            ),
            Self::InvalidQuantile { quantile } => {
                format!("quantile value should be between 0 and 1, got {}", format_g(*quantile))
            }
            Self::BadBucketLabel { metric, label } => for_metric(
                format!("bucket label \"le\" is missing or has a malformed value of {}", quote(label)),
                metric,
            ),
            Self::MixedFloatsHistograms { metric } => {
                format!("encountered a mix of histograms and floats for metric name {}", quote(metric))
            }
            Self::MixedFloatsHistogramsAggregation => {
                "encountered a mix of histograms and floats for aggregation".to_owned()
            }
            Self::MixedClassicNative { metric } => {
                for_metric("vector contains a mix of classic and native histograms".to_owned(), metric)
            }
            Self::HistogramNotCounter { metric } => {
                format!("this native histogram metric is not a counter: {}", quote(metric))
            }
            Self::HistogramNotGauge { metric } => {
                format!("this native histogram metric is not a gauge: {}", quote(metric))
            }
            Self::MixedExponentialCustom { metric } => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                quote(metric)
            ),
            Self::IncompatibleBucketLayout { operator } => {
                format!("incompatible bucket layout encountered for binary operator {operator}")
            }
            Self::SortInRangeQuery => {
                "sort is ineffective for range queries since results are always ordered by labels".to_owned()
            }
            Self::PossibleNonCounter { metric } => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                quote(metric)
            ),
            Self::PossibleNonCounterLabel { metric, type_label } => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                quote(type_label),
                quote(metric)
            ),
            Self::ForcedMonotonicity { metric, .. } => for_metric(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
                    .to_owned(),
                metric,
            ),
            Self::IncompatibleTypes { operator, left, right } => format!(
                "incompatible sample types encountered for binary operator \"{operator}\": {left} {operator} {right}"
            ),
            Self::HistogramIgnoredInAggregation { aggregation } => {
                format!("ignored histogram in {aggregation} aggregation")
            }
            Self::HistogramIgnoredInMixedRange { metric } => format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                quote(metric)
            ),
            Self::QuantileNanResult { metric } => for_metric(
                "input to histogram_quantile has NaN observations, result is NaN".to_owned(),
                metric,
            ),
            Self::QuantileNanSkew { metric } => for_metric(
                "input to histogram_quantile has NaN observations, result is skewed higher".to_owned(),
                metric,
            ),
            Self::FractionNans { metric } => for_metric(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions"
                    .to_owned(),
                metric,
            ),
            Self::CounterResetCollision { operation } => {
                format!("conflicting counter resets during histogram {}", operation.as_str())
            }
            Self::MismatchedCustomBuckets { operation } => {
                format!("mismatched custom buckets were reconciled during {}", operation.as_str())
            }
            Self::StartTimeOverlap { metric, .. } => format!(
                "sample has start time that overlaps with previous sample timestamp for metric {}",
                quote(metric)
            ),
            Self::Storage(text) => text.clone(),
        }
    }
}

fn for_metric(text: String, metric: &[u8]) -> String {
    if metric.is_empty() { text } else { format!("{text} for metric name {}", quote(metric)) }
}
