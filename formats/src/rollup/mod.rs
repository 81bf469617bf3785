//! Rollups: what a series amounts to per window of time, as rows of a Parquet table.
//!
//! * `sum`: sums with a compensation
//! * `floats`: what a run of floats amounts to
//! * `histograms`: what a run of native histograms amounts to
//! * `window`: windows of time, and samples to windows, and windows to wider ones

mod floats;
#[cfg(test)]
mod histogram_tests;
mod histograms;
mod sum;
pub mod table;
#[cfg(test)]
mod tests;
mod window;

pub use {
    floats::FloatRun,
    histograms::{HistogramRun, Traits},
    sum::Sum,
    window::{Events, Rollup, roll_up_floats, roll_up_rollups, roll_up_samples, window_end},
};
