//! Samples as chunks in Prometheus's encodings, for remote read.
//!
//! Chunks are cut on the clock, not where storage happens to have cut them, so that replicas with the same
//! samples answer with the same bytes.

use kymo_engine::SampleColumns;
use kymo_formats::{
    codec::{
        histogram::{Appended, Appender},
        xor,
    },
    histogram::FloatHistogram,
    wire::remote_read::ChunkEncoding,
};

/// A chunk spans at most this: 120 samples at the usual distance of 15 s.
const SPAN_MS: i64 = 30 * 60_000;
/// A chunk holds at most this many samples, however close they are.
const SAMPLES_MAX: usize = 1000;

/// An encoded run of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EncodedChunk {
    pub(super) min_ts: i64,
    pub(super) max_ts: i64,
    pub(super) encoding: ChunkEncoding,
    pub(super) bytes: Vec<u8>,
}

/// All samples of `columns`, by time.
pub(super) fn encode(columns: &SampleColumns) -> Vec<EncodedChunk> {
    let mut chunks = floats(columns);
    chunks.extend(histograms(columns));
    chunks.sort_by_key(|chunk| chunk.min_ts);
    chunks
}

fn floats(columns: &SampleColumns) -> Vec<EncodedChunk> {
    let mut chunks = Vec::new();
    let (mut ts, mut values) = (&columns.ts[..], &columns.values[..]);
    while let Some(&first) = ts.first() {
        let len = run_len(ts.iter().copied(), first);
        let last = ts[len - 1];
        chunks.push(EncodedChunk {
            min_ts: first,
            max_ts: last,
            encoding: ChunkEncoding::Xor,
            bytes: xor::encode(ts[..len].iter().copied().zip(values[..len].iter().copied())),
        });
        (ts, values) = (&ts[len..], &values[len..]);
    }
    chunks
}

/// Queries see histograms in their float form, and so does who reads here.
fn histograms(columns: &SampleColumns) -> Vec<EncodedChunk> {
    let mut chunks = Vec::new();
    let mut rest = &columns.histograms[..];
    while let Some(first) = rest.first() {
        let len = run_len(rest.iter().map(|sample| sample.ts), first.ts);
        let (run, tail) = rest.split_at(len);
        rest = tail;
        let mut min_ts = first.ts;
        let mut appender = Appender::new(first.ts, &*first.value);
        for sample in &run[1..] {
            // A change of the buckets' layout or a reset begins a chunk, too.
            if let Appended::Cut(next) = appender.append(sample.ts, &*sample.value) {
                push_histogram_chunk(&mut chunks, min_ts, std::mem::replace(&mut appender, *next));
                min_ts = sample.ts;
            }
        }
        push_histogram_chunk(&mut chunks, min_ts, appender);
    }
    chunks
}

fn push_histogram_chunk(chunks: &mut Vec<EncodedChunk>, min_ts: i64, appender: Appender<FloatHistogram>) {
    chunks.push(EncodedChunk {
        min_ts,
        max_ts: appender.last_ts(),
        encoding: ChunkEncoding::FloatHistogram,
        bytes: appender.into_bytes(),
    });
}

/// How many of the next samples go into one chunk; `first` is the time of the first of them.
fn run_len(times: impl Iterator<Item = i64>, first: i64) -> usize {
    let window = first.div_euclid(SPAN_MS);
    times.take(SAMPLES_MAX).take_while(|ts| ts.div_euclid(SPAN_MS) == window).count().max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kymo_engine::HistogramSample;

    use super::*;

    #[test]
    fn chunks_are_cut_on_the_clock_and_read_back() {
        let ts: Vec<i64> = (0..300).map(|i| 1_000_000 + i * 15_000).collect();
        let values: Vec<f64> = (0..300).map(f64::from).collect();
        let columns = SampleColumns { ts: ts.clone(), values: values.clone(), ..SampleColumns::default() };
        let chunks = encode(&columns);
        assert_eq!(chunks.len(), 4);
        let (mut read_ts, mut read_values) = (Vec::new(), Vec::new());
        for chunk in &chunks {
            assert_eq!(chunk.min_ts.div_euclid(SPAN_MS), chunk.max_ts.div_euclid(SPAN_MS));
            assert_eq!(chunk.min_ts, ts[read_ts.len()]);
            xor::decode(&chunk.bytes, &mut read_ts, &mut read_values).unwrap();
            assert_eq!(Some(&chunk.max_ts), read_ts.last());
        }
        assert_eq!((read_ts, read_values), (ts, values));
    }

    #[test]
    fn close_samples_make_more_chunks() {
        let ts: Vec<i64> = (0..2500).collect();
        let values = vec![1.0; ts.len()];
        assert_eq!(encode(&SampleColumns { ts, values, ..SampleColumns::default() }).len(), 3);
        assert_eq!(encode(&SampleColumns::default()), []);
    }

    #[test]
    fn floats_and_histograms_come_in_order_of_time() {
        let value = Arc::new(FloatHistogram { count: 1.0, zero_count: 1.0, ..FloatHistogram::default() });
        let histograms = vec![HistogramSample { ts: -5, start_ts: 0, value }];
        let columns =
            SampleColumns { ts: vec![7], values: vec![1.0], histograms, ..SampleColumns::default() };
        let found: Vec<_> = encode(&columns).iter().map(|chunk| (chunk.encoding, chunk.min_ts)).collect();
        assert_eq!(found, [(ChunkEncoding::FloatHistogram, -5), (ChunkEncoding::Xor, 7)]);
    }
}
