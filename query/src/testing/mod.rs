//! Runs scripts in the language of Prometheus's PromQL acceptance tests.
//!
//! * `script` - a script's commands, from its text
//! * `load`, `starts`, `classic` - what a `load` command writes: series, start timestamps, and histograms made
//!   of classic ones
//! * `eval` - what an `eval` command asks for and expects
//! * `run` - executes the commands of a script
//! * `variants` - the same query with `@`, which must answer the same at any time
//! * `check` - compares annotations and errors with what is expected
//! * `compare` - compares results with what is expected
//! * `engine` - the real engine as storage
//! * `memory` - storage in memory that behaves as the scripts assume

mod check;
mod classic;
mod compare;
mod engine;
mod eval;
mod load;
mod memory;
mod run;
mod script;
mod starts;
#[cfg(test)]
mod tests;
mod variants;

pub use {
    engine::{EngineStorage, Placement},
    memory::MemoryStorage,
    run::{Failure, Report, acceptance_options, run_script},
};

use kymo_engine::Labels;
use kymo_formats::histogram::FloatHistogram;

use crate::Source;

/// Storage that a script writes to and queries.
pub trait TestStorage {
    /// Stores the samples. What was stored before stays.
    ///
    /// # Errors
    /// When storage refuses a sample, for example one that is older than the newest of its series.
    fn append(&mut self, series: Vec<TestSeries>) -> Result<(), String>;

    /// What queries read from.
    fn source(&self) -> &dyn Source;
}

/// Samples of one series, ascending in time.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSeries {
    /// Labels.
    pub labels: Labels,
    /// Samples.
    pub samples: Vec<TestSample>,
}

/// A sample to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSample {
    /// Milliseconds.
    pub ts: i64,
    /// When its count began, milliseconds; 0 = unknown.
    pub start_ts: i64,
    /// The value.
    pub value: TestValue,
}

/// The value of a [`TestSample`].
#[derive(Debug, Clone, PartialEq)]
pub enum TestValue {
    /// A number, maybe the stale marker.
    Float(f64),
    /// A native histogram.
    Histogram(FloatHistogram),
}
