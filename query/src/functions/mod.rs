//! PromQL's functions, found by name in one table.
//!
//! * `table` - the table
//! * `math`, `time` - float to float
//! * `rate`, `rate_histograms`, `extended`, `instant_rate` - what counters and gauges did in a range
//! * `changes` - how often a value changed or started anew
//! * `over_time`, `extremes`, `spread` - aggregation over a range
//! * `regression` - trends
//! * `histogram`, `estimate` - facts about histograms, and estimates from their buckets
//! * `sort` - order of instant vectors
//! * `points`, `start_time`, `noted` - shared by the above: samples of both kinds in order, resets by start
//!   timestamps, histogram operations that annotate
//!
//! What needs the expression of an argument (`absent`, `timestamp`, `info`, ...) belongs to the executor.

mod changes;
mod estimate;
mod extended;
mod extremes;
mod histogram;
mod instant_rate;
mod math;
mod noted;
mod over_time;
mod points;
mod rate;
mod rate_histograms;
mod regression;
mod sort;
mod spread;
mod start_time;
mod table;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use {spread::quantile, table::find};
