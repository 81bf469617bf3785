//! Runs fuzz targets for a short time on any compiler: no instrumentation, but good seeds and many mutations.
//!
//! * `mutate` - inputs from seeds
//! * `run` - the targets side by side, and what is kept of a find
//! * `foreign` - panics that decoders expect of a library and turn into errors
//!
//! What libFuzzer does better is left to it: it knows which input reached new code. Here an input is as good as its
//! seed, so every decoder is given bytes that decode.

mod foreign;
mod mutate;
mod run;

pub use foreign::expect_panics_of_parquet;
pub use run::{Target, main};
