//! Histograms with custom buckets made of classic ones, for `load_with_nhcb`.

use std::collections::BTreeMap;

use kymo_engine::{Labels, LabelsBuilder};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};

use super::{TestSample, TestSeries, TestValue};
use crate::histogram::{compact, validate};

const METRIC_NAME: &[u8] = b"__name__";

/// The histograms of all classic ones in `series`.
pub(super) fn convert(series: &[TestSeries]) -> Result<Vec<TestSeries>, String> {
    let mut found: BTreeMap<Labels, BTreeMap<i64, Collected>> = BTreeMap::new();
    for series in series {
        let Some((part, name)) = Part::of(&series.labels) else {
            continue;
        };
        let labels = LabelsBuilder::from_labels(&series.labels).set(METRIC_NAME, name).remove(b"le").build();
        let by_time = found.entry(labels).or_default();
        for sample in &series.samples {
            if let TestValue::Float(value) = sample.value {
                by_time.entry(sample.ts).or_default().set(part, value);
            }
        }
    }
    let histograms = |(labels, by_time): (Labels, BTreeMap<i64, Collected>)| {
        let sample = |(ts, collected): (i64, Collected)| {
            Ok(TestSample { ts, start_ts: 0, value: TestValue::Histogram(collected.histogram()?) })
        };
        let samples: Result<_, String> = by_time.into_iter().map(sample).collect();
        Ok(TestSeries { labels, samples: samples? })
    };
    found.into_iter().map(histograms).collect()
}

/// What a series is of a classic histogram.
#[derive(Debug, Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl Part {
    /// The part that a series is, and the histogram's name.
    fn of(labels: &Labels) -> Option<(Self, &[u8])> {
        let name = labels.metric_name();
        if let Some(name) = name.strip_suffix(b"_bucket") {
            let le: f64 = std::str::from_utf8(labels.get(b"le")).ok()?.parse().ok()?;
            return (!le.is_nan()).then_some((Self::Bucket(le), name));
        }
        if let Some(name) = name.strip_suffix(b"_sum") {
            return Some((Self::Sum, name));
        }
        name.strip_suffix(b"_count").map(|name| (Self::Count, name))
    }
}

/// The parts of one classic histogram at one time.
#[derive(Debug, Default)]
struct Collected {
    /// Upper bounds with cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl Collected {
    fn set(&mut self, part: Part, value: f64) {
        match part {
            Part::Bucket(le) => {
                let place = self.buckets.partition_point(|(bound, _)| *bound < le);
                if self.buckets.get(place).is_none_or(|(bound, _)| *bound != le) {
                    self.buckets.insert(place, (le, value));
                }
            }
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
        }
    }

    fn histogram(mut self) -> Result<FloatHistogram, String> {
        let highest = self.buckets.last().map(|(_, count)| *count);
        let count = self.count.or(highest).unwrap_or(0.0);
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if self.buckets.iter().any(|(_, count)| *count < 0.0) || count < 0.0 {
            return Err("count must be non-negative".to_owned());
        }
        if self.buckets.windows(2).any(|pair| pair[1].1 < pair[0].1) {
            return Err("count is not cumulative".to_owned());
        }
        if self.buckets.last().is_some_and(|(_, last)| *last != count) {
            return Err("count mismatch".to_owned());
        }
        let is_integral =
            self.buckets.iter().all(|(_, count)| count.round() == *count) && count.round() == count;
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span {
                offset: 0,
                length: u32::try_from(self.buckets.len()).unwrap_or(u32::MAX),
            }],
            positive_buckets: absolute(&self.buckets),
            custom_values: self
                .buckets
                .iter()
                .map(|(bound, _)| *bound)
                .filter(|bound| bound.is_finite())
                .collect(),
            ..FloatHistogram::default()
        };
        compact(&mut histogram, if is_integral { 2 } else { 0 });
        validate(&histogram).map_err(|error| error.to_string())?;
        Ok(histogram)
    }
}

fn absolute(cumulative: &[(f64, f64)]) -> Vec<f64> {
    let mut before = 0.0;
    cumulative.iter().map(|(_, count)| count - std::mem::replace(&mut before, *count)).collect()
}
