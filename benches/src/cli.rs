//! The command line.

use clap::{Parser, Subcommand};

use crate::{churn, compare, error::Result, load, promql, query, restart, verify};

/// Drives Prometheus, VictoriaMetrics, Kymo and other remote-write stores with the same load.
#[derive(Debug, Parser)]
#[command(name = "kymo-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send remote-write traffic made of recorded /metrics pages.
    Load(load::LoadArgs),
    /// Check that every sample that a store acknowledged to `load` can be read back.
    Verify(verify::VerifyArgs),
    /// Time the queries of a dashboard.
    Query(query::QueryArgs),
    /// Compare the CPU that queries take in Kymo and in Prometheus.
    Promql(promql::PromqlArgs),
    /// Start stores one after the other, load and query each, and print one table.
    Compare(compare::CompareArgs),
    /// Kill stores with a full log, and time how long they take to answer again.
    Restart(restart::RestartArgs),
    /// Write series that come and go for a day, and look at Kymo's memory and index.
    Churn(churn::ChurnArgs),
}

/// Parses the command line and runs what it asks for.
pub(crate) fn run() -> Result<()> {
    match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Promql(args) => promql::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Restart(args) => restart::run(&args),
        Command::Churn(args) => churn::run(&args),
    }
}
