//! Compares results with what is expected.

use kymo_engine::is_stale;
use kymo_formats::histogram::{FloatHistogram, Span};

use super::eval::{Eval, ExpectedSeries};
use crate::{
    MatrixSeries, Value, VectorSample,
    histogram::{HistogramText, compact, is_custom},
    lang::promql::SequenceValue,
};

/// Largest relative difference between equal values.
const EPSILON: f64 = 1e-6;

impl Eval {
    /// Whether `value` is the expected answer.
    pub(super) fn compare(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Scalar(point) => match self.expected.scalar {
                Some(expected) if is_close(expected, point.value) => Ok(()),
                Some(expected) => Err(format!("expected scalar {expected} but got {}", point.value)),
                None => Err(format!("expected vector or matrix result, but got scalar {}", point.value)),
            },
            Value::String { value, .. } => match &self.expected.string {
                Some(expected) if expected == value => Ok(()),
                expected => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let expected = expected.as_deref().map(text);
                    Err(format!("expected string {expected:?} but got {:?}", text(value)))
                }
            },
            Value::Vector(samples) => self.compare_vector(samples),
            Value::Matrix(series) => self.compare_matrix(series),
        }
    }

    /// Whether these samples are the expected vector.
    pub(super) fn compare_vector(&self, samples: &[VectorSample]) -> Result<(), String> {
        if self.expected.scalar.is_some() {
            return Err("expected scalar result, but got vector".to_owned());
        }
        for (i, sample) in samples.iter().enumerate() {
            let labels = &sample.labels;
            let expected = self
                .expected_series(labels)
                .ok_or_else(|| format!("unexpected metric {labels} in result, has {}", describe(sample)))?;
            if self.is_ordered() && expected.place != i + 1 {
                return Err(format!(
                    "expected metric {labels} at position {} but was at {}",
                    expected.place,
                    i + 1
                ));
            }
            let first = expected.values.first().unwrap_or(&SequenceValue::Omitted);
            compare_sample(first, sample).map_err(|error| format!("{error} for {labels}"))?;
        }
        self.check_all_found(|expected| samples.iter().any(|sample| sample.labels == expected.labels))
    }

    fn compare_matrix(&self, matrix: &[MatrixSeries]) -> Result<(), String> {
        if self.is_ordered() {
            return Err("expected ordered result, but query returned a matrix".to_owned());
        }
        if self.expected.scalar.is_some() {
            return Err("expected scalar result, but got matrix".to_owned());
        }
        check_sorted(matrix)?;
        for series in matrix {
            let labels = &series.labels;
            let expected = self
                .expected_series(labels)
                .ok_or_else(|| format!("unexpected metric {labels} in result"))?;
            self.compare_series(expected, series).map_err(|error| {
                let floats: Vec<_> = series.floats.iter().map(|point| (point.ts, point.value)).collect();
                let histograms: Vec<_> = series
                    .histograms
                    .iter()
                    .map(|point| format!("{}@{}", HistogramText(&point.value), point.ts))
                    .collect();
                format!("{error} for {labels} (result has {floats:?} {histograms:?})")
            })?;
        }
        self.check_all_found(|expected| matrix.iter().any(|series| series.labels == expected.labels))
    }

    fn compare_series(&self, expected: &ExpectedSeries, series: &MatrixSeries) -> Result<(), String> {
        let mut floats = series.floats.iter();
        let mut histograms = series.histograms.iter();
        for (i, value) in (0_i64..).zip(&expected.values) {
            let ts = self.times.start + i * self.times.step;
            if ts > self.times.end {
                let count = expected.values.len();
                return Err(format!(
                    "expected {count} points, but query time range cannot return this many points"
                ));
            }
            match value {
                SequenceValue::Omitted => {}
                SequenceValue::Float(expected) => match floats.next() {
                    Some(point) if point.ts == ts && is_close(*expected, point.value) => {}
                    point => return Err(format!("expected float {expected} at {ts}, but got {point:?}")),
                },
                SequenceValue::Histogram { histogram, has_reset_hint } => match histograms.next() {
                    Some(point) if point.ts == ts && is_same(histogram, &point.value, *has_reset_hint) => {}
                    point => {
                        let expected = HistogramText(histogram);
                        return Err(format!("expected histogram {expected} at {ts}, but got {point:?}"));
                    }
                },
            }
        }
        match (floats.next(), histograms.next()) {
            (None, None) => Ok(()),
            _ => Err("more points than expected".to_owned()),
        }
    }

    fn expected_series(&self, labels: &kymo_engine::Labels) -> Option<&ExpectedSeries> {
        self.expected.series.iter().find(|expected| expected.labels == *labels)
    }

    fn check_all_found(&self, found: impl Fn(&ExpectedSeries) -> bool) -> Result<(), String> {
        match self.expected.series.iter().find(|expected| !found(expected)) {
            Some(missing) => Err(format!("expected metric {} not found", missing.labels)),
            None => Ok(()),
        }
    }
}

/// Matrices are sorted by labels.
pub(super) fn check_sorted(matrix: &[MatrixSeries]) -> Result<(), String> {
    match matrix.windows(2).find(|pair| pair[0].labels > pair[1].labels) {
        Some(pair) => Err(format!(
            "matrix results should always be sorted by labels, but {} stands before {}",
            pair[0].labels, pair[1].labels
        )),
        None => Ok(()),
    }
}

fn compare_sample(expected: &SequenceValue, sample: &VectorSample) -> Result<(), String> {
    match (expected, &sample.histogram) {
        (SequenceValue::Histogram { histogram, has_reset_hint }, Some(actual)) => {
            if is_same(histogram, actual, *has_reset_hint) {
                return Ok(());
            }
            let hint = (histogram.reset_hint, actual.reset_hint);
            Err(format!("expected {} but got {} ({hint:?})", HistogramText(histogram), HistogramText(actual)))
        }
        (SequenceValue::Histogram { histogram, .. }, None) => {
            Err(format!("expected histogram {} but got {}", HistogramText(histogram), describe(sample)))
        }
        (_, Some(_)) => Err(format!("expected float but got {}", describe(sample))),
        (expected, None) => {
            let expected = if let SequenceValue::Float(value) = expected { *value } else { 0.0 };
            if is_close(expected, sample.value) {
                return Ok(());
            }
            Err(format!("expected {expected} but got {}", sample.value))
        }
    }
}

fn describe(sample: &VectorSample) -> String {
    match &sample.histogram {
        Some(histogram) => format!("histogram {}", HistogramText(histogram)),
        None => format!("value {}", sample.value),
    }
}

/// Whether two floats are the same but for rounding.
fn is_close(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

/// Whether two histograms are the same but for rounding and empty buckets.
fn is_same(expected: &FloatHistogram, actual: &FloatHistogram, with_hint: bool) -> bool {
    let compacted = |histogram: &FloatHistogram| {
        let mut histogram = histogram.clone();
        compact(&mut histogram, 0);
        histogram
    };
    let (a, b) = (compacted(expected), compacted(actual));
    let all_close =
        |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_close(*a, *b));
    a.schema == b.schema
        && is_close(a.count, b.count)
        && is_close(a.sum, b.sum)
        && (!is_custom(a.schema) || a.custom_values == b.custom_values)
        && a.zero_threshold == b.zero_threshold
        && is_close(a.zero_count, b.zero_count)
        && merged(&a.positive_spans) == merged(&b.positive_spans)
        && merged(&a.negative_spans) == merged(&b.negative_spans)
        && all_close(&a.positive_buckets, &b.positive_buckets)
        && all_close(&a.negative_buckets, &b.negative_buckets)
        && (!with_hint || a.reset_hint == b.reset_hint)
}

/// The spans without empty ones.
fn merged(spans: &[Span]) -> Vec<Span> {
    let mut merged = Vec::new();
    let mut gap = 0;
    for span in spans {
        gap += span.offset;
        if span.length > 0 {
            merged.push(Span { offset: gap, length: span.length });
            gap = 0;
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use kymo_engine::stale_nan;

    use super::*;

    #[test]
    fn closeness_is_relative() {
        assert!(is_close(1.0, 1.000_001));
        assert!(!is_close(1.0, 1.000_01));
        assert!(is_close(f64::NAN, f64::NAN));
        assert!(!is_close(f64::NAN, stale_nan()));
        assert!(!is_close(0.0, 1e-300));
        assert!(is_close(f64::INFINITY, f64::INFINITY));
        assert!(!is_close(f64::INFINITY, f64::NEG_INFINITY));
    }

    #[test]
    fn empty_spans_do_not_count() {
        let spans =
            [Span { offset: 1, length: 0 }, Span { offset: 2, length: 1 }, Span { offset: 5, length: 0 }];
        assert_eq!(merged(&spans), [Span { offset: 3, length: 1 }]);
    }
}
