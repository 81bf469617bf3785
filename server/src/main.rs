//! The `kymo` binary.
//!
//! * `cli`, `config` - what the operator says; `query_command`, `explain_command`, `tiers_command`, `verify_command`,
//!   `inspect_command`, `snapshot_command`, `restore_command`, `transfer` - commands beside `serve`, with `client` for calls
//!   of a server, `table` for what they print and `progress` for how far they are; `app`, `shutdown` - the parts put together
//! * `listen` - connections and TLS; `access` - who may do what
//! * `http`, `ingest` - protocols; `promql`, `store` - what they need of the crates below
//! * `telemetry` - our own metrics and logs
//! * `allocator` - who gives out memory, and when it goes back to the system

mod access;
mod allocator;
mod app;
mod cli;
mod client;
mod config;
mod explain_command;
mod http;
mod ingest;
mod inspect_command;
mod listen;
mod progress;
mod promql;
mod query_command;
mod restore_command;
mod serve;
mod shutdown;
mod snapshot_command;
mod table;
mod telemetry;
mod tiers_command;
mod transfer;
mod verify_command;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Query(args)) => query_command::run(&args),
        Some(Command::Explain(args)) => explain_command::run(&args),
        Some(Command::Tiers(args)) => tiers_command::tiers(&args),
        Some(Command::Rollup(args)) => tiers_command::roll_up(&args),
        Some(Command::Verify(args)) => verify_command::run(&args),
        Some(Command::Inspect(args)) => inspect_command::run(&args),
        Some(Command::Snapshot(args)) => snapshot_command::run(&args),
        Some(Command::Export(args)) => transfer::export(&args),
        Some(Command::Import(args)) => transfer::import(&args),
        Some(Command::HashPassword) => access::hash_password(),
        Some(Command::NewToken) => access::new_token(),
        Some(Command::Restore(args)) => restore_command::run(&args),
    }
}
