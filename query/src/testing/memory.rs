//! Storage in memory that behaves as the acceptance scripts assume.

use std::{collections::BTreeMap, sync::Arc};

use kymo_engine::{HistogramSample, Labels, SampleColumns, Warnings, is_stale};
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{TestSample, TestSeries, TestStorage, TestValue};
use crate::{Error, SelectRequest, Selection, SeriesReader, Source};

/// Series in memory.
///
/// Samples must be newer than those of their series. The counter reset hints of histograms are not what was
/// written: as in Prometheus they say how a histogram relates to its predecessor in the same chunk, and a
/// chunk ends at every reset, change of layout or kind, and stale marker.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    series: BTreeMap<Labels, Arc<SampleColumns>>,
}

impl TestStorage for MemoryStorage {
    fn append(&mut self, series: Vec<TestSeries>) -> Result<(), String> {
        for series in series {
            let columns = Arc::make_mut(self.series.entry(series.labels).or_default());
            for sample in series.samples {
                append(columns, sample)?;
            }
        }
        Ok(())
    }

    fn source(&self) -> &dyn Source {
        self
    }
}

impl Source for MemoryStorage {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        let is_selected = |labels: &Labels| {
            request.matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
        };
        let readers =
            self.series.iter().filter(|(labels, _)| is_selected(labels)).map(|(labels, columns)| {
                let (labels, columns) = (labels.clone(), Arc::clone(columns));
                let range = (request.start, request.end);
                Box::new(MemoryReader { labels, columns, range }) as Box<dyn SeriesReader>
            });
        Ok(Selection { series: readers.collect(), ..Selection::default() })
    }
}

/// One series as it was when it was selected.
#[derive(Debug)]
struct MemoryReader {
    labels: Labels,
    columns: Arc<SampleColumns>,
    range: (i64, i64),
}

impl SeriesReader for MemoryReader {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        columns.clear();
        let stored = &*self.columns;
        let from = stored.ts.partition_point(|ts| *ts < self.range.0);
        let to = stored.ts.partition_point(|ts| *ts <= self.range.1).max(from);
        columns.ts.extend_from_slice(&stored.ts[from..to]);
        columns.values.extend_from_slice(&stored.values[from..to]);
        if stored.start_ts.iter().any(|start_ts| *start_ts != 0) {
            columns.start_ts.extend_from_slice(&stored.start_ts[from..to]);
        }
        let is_in_range = |sample: &&HistogramSample| (self.range.0..=self.range.1).contains(&sample.ts);
        columns.histograms.extend(stored.histograms.iter().filter(is_in_range).cloned());
        Ok(Warnings::default())
    }
}

fn append(columns: &mut SampleColumns, sample: TestSample) -> Result<(), String> {
    let last_float = columns.ts.last().copied();
    let last_histogram = columns.histograms.last().map(|sample| sample.ts);
    let after_histogram = last_histogram > last_float;
    match last_float.max(last_histogram) {
        Some(last) if sample.ts < last => return Err("out of order sample".to_owned()),
        Some(last) if sample.ts == last => {
            return if is_same(columns, &sample) {
                Ok(())
            } else {
                Err("duplicate sample for timestamp".to_owned())
            };
        }
        _ => {}
    }
    match sample.value {
        // A series that ends is marked in the kind of its last sample.
        TestValue::Float(value) if is_stale(value) && after_histogram => {
            let value = Arc::new(FloatHistogram { sum: value, ..FloatHistogram::default() });
            columns.histograms.push(HistogramSample { ts: sample.ts, start_ts: sample.start_ts, value });
        }
        TestValue::Float(value) => {
            columns.ts.push(sample.ts);
            columns.values.push(value);
            columns.start_ts.push(sample.start_ts);
        }
        TestValue::Histogram(mut histogram) => {
            let previous = columns.histograms.last().filter(|_| after_histogram);
            histogram.reset_hint = stored_hint(&histogram, previous.map(|sample| &*sample.value));
            let value = Arc::new(histogram);
            columns.histograms.push(HistogramSample { ts: sample.ts, start_ts: sample.start_ts, value });
        }
    }
    Ok(())
}

/// Whether the newest sample has this value.
fn is_same(columns: &SampleColumns, sample: &TestSample) -> bool {
    match &sample.value {
        TestValue::Float(value) => {
            columns.ts.last() == Some(&sample.ts)
                && columns.values.last().is_some_and(|last| last.to_bits() == value.to_bits())
        }
        TestValue::Histogram(histogram) => columns
            .histograms
            .last()
            .is_some_and(|last| last.ts == sample.ts && crate::histogram::same_data(&last.value, histogram)),
    }
}

/// The hint that a histogram gets, given its predecessor if that is a histogram.
fn stored_hint(histogram: &FloatHistogram, previous: Option<&FloatHistogram>) -> ResetHint {
    if histogram.reset_hint == ResetHint::Gauge {
        return ResetHint::Gauge;
    }
    let starts_chunk = previous.is_none_or(|previous| {
        let unhinted = FloatHistogram { reset_hint: ResetHint::Unknown, ..histogram.clone() };
        histogram.reset_hint == ResetHint::Reset
            || previous.reset_hint == ResetHint::Gauge
            || is_stale(previous.sum)
            || previous.schema != histogram.schema
            || previous.zero_threshold != histogram.zero_threshold
            || previous.custom_values != histogram.custom_values
            || unhinted.detect_reset(previous)
    });
    if starts_chunk { ResetHint::Unknown } else { ResetHint::NotReset }
}
