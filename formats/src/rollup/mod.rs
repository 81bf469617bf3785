//! Rollups: what a series amounts to per window of time, as rows of a Parquet table.
//!
//! * `sum`: sums with a compensation
//! * `floats`: what a run of floats amounts to
//! * `window`: windows of time, and samples to windows, and windows to wider ones

mod floats;
mod sum;
pub mod table;
#[cfg(test)]
mod tests;
mod window;

pub use {
    floats::FloatRun,
    sum::Sum,
    window::{Rollup, roll_up_floats, roll_up_histograms, roll_up_rollups, window_end},
};
