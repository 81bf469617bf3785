//! Samples to requests.

use kymo_engine::{Labels, Metadata};
use kymo_formats::{
    codec::ChunkSamples,
    wire::{
        MetricType,
        remote_write::{
            HistogramSample, Sample,
            v1::{self, SeriesEncoder, WriteRequestEncoder},
        },
    },
};

/// Rows of a request. Many receivers refuse much larger ones.
const ROWS_MAX: usize = 5_000;
/// Bytes of a request before compression, a histogram more or less.
const BYTES_MAX: usize = 1 << 20;

/// A request under way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    message: Vec<u8>,
    rows: Rows,
}

/// What a request holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

impl Rows {
    pub(super) const fn all(self) -> u64 {
        self.samples + self.histograms + self.exemplars
    }
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    /// Compressed.
    pub(super) body: Vec<u8>,
    pub(super) rows: Rows,
}

/// An exemplar of a series.
#[derive(Debug)]
pub(super) struct ExemplarOf<'a> {
    pub(super) labels: &'a Labels,
    pub(super) value: f64,
    pub(super) ts: i64,
}

impl Batch {
    /// Adds samples of one series; `ready` takes requests that are full.
    pub(super) fn push(&mut self, labels: &Labels, samples: &ChunkSamples, ready: &mut impl FnMut(Request)) {
        let (mut ts, mut values) = (&samples.ts[..], &samples.values[..]);
        while !ts.is_empty() {
            let len = self.room().min(ts.len());
            self.series(labels, |series| {
                for (ts, value) in ts[..len].iter().zip(&values[..len]) {
                    series.sample(&Sample { ts: *ts, start_ts: 0, value: *value });
                }
            });
            self.rows.samples += len as u64;
            (ts, values) = (&ts[len..], &values[len..]);
            self.take_if_full().into_iter().for_each(&mut *ready);
        }
        // Each on its own: one can be a hundred kilobytes.
        for sample in &samples.histograms {
            let sample =
                HistogramSample { ts: sample.ts, start_ts: sample.start_ts, value: sample.value.clone() };
            self.series(labels, |series| {
                series.histogram(&sample);
            });
            self.rows.histograms += 1;
            self.take_if_full().into_iter().for_each(&mut *ready);
        }
    }

    /// Adds an exemplar of a series; a request if it is full.
    pub(super) fn exemplar(&mut self, labels: &Labels, exemplar: &ExemplarOf<'_>) -> Option<Request> {
        self.series(labels, |series| {
            let pairs = exemplar.labels.iter().map(|label| (label.name, label.value));
            series.exemplar(pairs, exemplar.value, exemplar.ts);
        });
        self.rows.exemplars += 1;
        self.take_if_full()
    }

    /// Adds what is known of a family; a request if it is full.
    pub(super) fn metadata(&mut self, family: &str, metadata: &Metadata) -> Option<Request> {
        WriteRequestEncoder::new(&mut self.message).metadata(&v1::Metadata {
            metric_type: MetricType::from_word(metadata.kind.as_bytes()).unwrap_or_default(),
            family: family.as_bytes(),
            help: metadata.help.as_bytes(),
            unit: metadata.unit.as_bytes(),
        });
        self.take_if_full()
    }

    /// What is there, as a request.
    pub(super) fn take(&mut self) -> Option<Request> {
        if self.message.is_empty() {
            return None;
        }
        let body = snap::raw::Encoder::new().compress_vec(&self.message);
        let body = body.expect("a message is far below the four gigabytes that snappy takes");
        self.message.clear();
        Some(Request { body, rows: std::mem::take(&mut self.rows) })
    }

    fn take_if_full(&mut self) -> Option<Request> {
        let full = self.room() == 0 || self.message.len() >= BYTES_MAX;
        if full { self.take() } else { None }
    }

    fn room(&self) -> usize {
        ROWS_MAX.saturating_sub(usize::try_from(self.rows.all()).unwrap_or(usize::MAX))
    }

    fn series(&mut self, labels: &Labels, write: impl FnOnce(&mut SeriesEncoder<'_>)) {
        WriteRequestEncoder::new(&mut self.message).series(|series| {
            for label in labels {
                series.label(label.name, label.value);
            }
            write(series);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_runs_are_cut_and_nothing_is_lost() {
        let ts: Vec<i64> = (0..12_345).collect();
        let values: Vec<f64> = ts.iter().map(|ts| *ts as f64).collect();
        let samples = ChunkSamples { ts: ts.clone(), values, ..ChunkSamples::default() };
        let labels = Labels::from_pairs([("__name__", "m"), ("a", "b")]);
        let (mut batch, mut requests) = (Batch::default(), Vec::new());
        batch.push(&labels, &samples, &mut |request| requests.push(request));
        requests.extend(batch.take());
        assert!(batch.take().is_none());
        assert_eq!(
            requests.iter().map(|request| request.rows.samples).collect::<Vec<_>>(),
            [5_000, 5_000, 2_345]
        );
        let mut found = Vec::new();
        for request in requests {
            let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
            for series in v1::WriteRequest::parse(&message).unwrap().series() {
                assert_eq!(Labels::from_pairs(series.labels()), labels);
                found.extend(series.samples().map(|sample| sample.ts));
            }
        }
        assert_eq!(found, ts);
    }
}
