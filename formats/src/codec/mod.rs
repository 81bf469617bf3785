//! Encodings of chunks: the samples of one series over some time, as bytes.
//!
//! * `xor`: floats (Gorilla); `xor_value`: the coding of one float after another that all of them share
//! * `histogram`: native histograms; `varbit`: their integers
//! * `start_ts`: start timestamps, behind a chunk of any of these
//! * `values`: a column of floats, as whichever is smallest of `decimal`, `raw_bits`, `pco` and `xor_column`
//! * `integers`: a column of integers, in runs of `bitpack`
//! * `column_chunk`: floats at timestamps that a block keeps once for many chunks
//! * `summary`: what a chunk of floats amounts to
//! * `chunk`: which of them a chunk is in, and decoding any of them

pub mod bitpack;
mod chunk;
pub mod column_chunk;
pub mod decimal;
pub mod histogram;
pub mod integers;
pub mod pco;
pub mod raw_bits;
pub mod start_ts;
pub mod summary;
pub mod values;
mod varbit;
pub mod xor;
pub mod xor_column;
mod xor_value;

pub use chunk::{
    ChunkHistogram, ChunkSamples, Encoding, base_chunk, decode_chunk, sample_count, with_start_ts,
};
