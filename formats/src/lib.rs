//! Bytes to values and back: codecs, file formats and wire formats of Kymo.
//!
//! No I/O, clock, threads or randomness. Every decoder takes untrusted bytes and answers with a
//! [`DecodeError`] that names what was expected and where; none of them panics.
#![deny(clippy::indexing_slicing)]

pub mod bits;
pub mod block;
pub mod checksum;
pub mod codec;
pub mod cursor;
pub mod delta;
mod error;
pub mod histogram;
pub mod index;
pub mod manifest;
pub mod rollup;
#[cfg(test)]
mod test_config;
pub mod varint;
pub mod wal;
pub mod wire;

pub use error::DecodeError;
