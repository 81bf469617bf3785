//! `kymo-bench`: drives running stores with the same load.
//!
//! - `load` sends remote-write traffic made of recorded pages, `verify` checks that a store kept it
//! - `query` times the queries of a dashboard
//! - `promql` compares the CPU that queries take in Kymo and in Prometheus
//! - `compare` starts stores one after the other, does all of this to each, and prints one table
//! - `restart` times how long stores take to answer again after a kill
//! - `churn` writes series that come and go, and looks at what they leave behind
//! - `stores` knows how each store is started, and told to write and merge what it holds in memory; `process` runs
//!   one, and measures CPU, memory and disk from outside
//! - `dataset` makes the traffic; `http`, `report` and `units` are shared by the subcommands
//!
//! Stores are driven over HTTP only, never linked, so that Kymo is measured as its peers are.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures with the real clock, real threads and real files"
)]

mod churn;
mod cli;
mod compare;
mod dataset;
mod error;
mod http;
mod load;
mod process;
mod promql;
mod query;
mod report;
mod restart;
mod stores;
mod units;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}
