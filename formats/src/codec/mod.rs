//! Encodings of chunks: the samples of one series over some time, as bytes.
//!
//! * `xor`: floats (Gorilla); `xor_value`: the coding of one float after another that all of them share

pub mod xor;
mod xor_value;
