//! Series as both servers get them.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::discriminant,
};

use kymo_formats::{
    histogram::HistogramValue,
    wire::remote_write::{HistogramSample, Sample, v1},
};

use crate::kymo::{agent, post};

/// Times of samples and windows follow from this one: no test looks at the clock, so that a seed says it all.
/// A multiple of an hour, so that it is on every grid; 2025-03-01.
pub(crate) const BASE_MS: i64 = 1_740_787_200_000;

/// Samples of one request cover so much time at most: Prometheus refuses what is an hour older than the newest.
const SLICE_MS: i64 = 20 * 60_000;

/// One value of a series.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Float(f64),
    Histogram(HistogramValue),
}

/// A series with its samples in order of time.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) samples: Vec<(i64, Cell)>,
}

impl Series {
    pub(crate) fn new(name: &str, labels: &[(&str, &str)], samples: Vec<(i64, Cell)>) -> Self {
        let labels = [("__name__", name)]
            .into_iter()
            .chain(labels.iter().copied())
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { labels: labels.collect(), samples }
    }

    pub(crate) fn name(&self) -> &str {
        &self.labels["__name__"]
    }
}

/// Writes `series` to the server at each of `urls`, by remote write 1.0.
///
/// In the order of their labels: Prometheus adds up in the order in which series came to it, Kymo in that of
/// the labels, and the last bits of a sum depend on it.
pub(crate) fn write(series: &mut [Series], urls: &[&str]) {
    series.sort_by(|a, b| a.labels.iter().cmp(&b.labels));
    let slices: BTreeSet<i64> =
        series.iter().flat_map(|series| &series.samples).map(|(ts, _)| ts.div_euclid(SLICE_MS)).collect();
    let agent = agent();
    for slice in slices {
        for part in series.chunks(500) {
            let body = snap::raw::Encoder::new().compress_vec(&message(part, slice)).unwrap();
            let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
            for url in urls {
                let answer = post(&agent, &format!("{url}/api/v1/write"), &headers, &body).unwrap();
                assert_eq!(answer.status, 204, "{url}: {}", answer.text());
            }
        }
    }
}

fn message(series: &[Series], slice: i64) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    for series in series {
        let samples: Vec<_> =
            series.samples.iter().filter(|(ts, _)| ts.div_euclid(SLICE_MS) == slice).collect();
        // A message has floats and histograms apart, and Prometheus stores all of the former first.
        for run in samples.chunk_by(|(_, a), (_, b)| discriminant(a) == discriminant(b)) {
            encoder.series(|encoder| encode(encoder, series, run));
        }
    }
    message
}

fn encode(encoder: &mut v1::SeriesEncoder<'_>, series: &Series, samples: &[&(i64, Cell)]) {
    for (name, value) in &series.labels {
        encoder.label(name.as_bytes(), value.as_bytes());
    }
    for (ts, cell) in samples {
        match cell {
            Cell::Float(value) => encoder.sample(&Sample { ts: *ts, value: *value, start_ts: 0 }),
            Cell::Histogram(value) => {
                encoder.histogram(&HistogramSample { ts: *ts, start_ts: 0, value: value.clone() })
            }
        };
    }
}
