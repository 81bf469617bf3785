//! Samples of time series: floats and native histograms, sorted by time. Of two samples with one timestamp the
//! one that was written first counts.
//!
//! * `samples` - samples of any kind out of chunks, histograms into chunks
//! * `floats` - floats by column
//! * `histogram_columns` - histograms by column
//! * `chunks` - samples to chunks of a size

mod chunks;
mod floats;
mod histogram_columns;
mod samples;

pub use chunks::FloatForm;
#[cfg(test)]
pub(crate) use samples::{Kind, encode_chunks};
pub(crate) use {
    chunks::{ChunkTarget, MergedChunk, SeriesChunks},
    floats::Floats,
    histogram_columns::{is_histogram, resets, words},
    samples::{Sample, Value, decode_samples, merge_samples, to_samples},
};
