//! Bytes to values and back: codecs, file formats and wire formats of Kymo.
//!
//! No I/O, clock, threads or randomness. Every decoder takes untrusted bytes and answers with a
//! [`DecodeError`] that names what was expected and where; none of them panics.
#![deny(clippy::indexing_slicing)]

mod error;
pub mod histogram;
pub mod wire;

pub use error::DecodeError;
