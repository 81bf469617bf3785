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
