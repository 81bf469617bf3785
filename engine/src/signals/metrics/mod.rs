//! Samples of time series: floats and native histograms, sorted by time. Of two samples with one timestamp the
//! one that was written first counts.
//!
//! * `samples` - samples out of chunks and into chunks
//! * `chunks` - samples to chunks of a size

mod chunks;
mod samples;

#[cfg(test)]
pub(crate) use samples::{Kind, encode_chunks};
pub(crate) use {
    chunks::{ChunkTarget, MergedChunk, SeriesChunks},
    samples::{Sample, Value, decode_samples, merge_samples},
};
