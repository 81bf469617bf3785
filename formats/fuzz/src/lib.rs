//! Runs fuzz targets for a short time on any compiler: no instrumentation, but good seeds and many mutations.
//!
//! * `mutate` - inputs from seeds
//! * `run` - the targets side by side, and what is kept of a find
//!
//! What libFuzzer does better is left to it: it knows which input reached new code. Here an input is as good as its
//! seed, so every decoder is given bytes that decode.

mod mutate;
mod run;

pub use run::{Target, main};
