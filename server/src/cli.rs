//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Kymo stores metrics that Prometheus sends by remote write, and answers PromQL.
#[derive(Debug, Parser)]
#[command(name = "kymo", version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// What to do; without a command Kymo serves.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: receive remote write, answer queries.
    Serve(ServeArgs),
    /// Ask a running server and print the answer as a table.
    Query(QueryArgs),
    /// Have a running server evaluate a query, and show what it read: tiers, blocks, chunks, rows and bytes
    Explain(QueryArgs),
    /// Show the tiers of rollups of a running server: how far they are, and how large
    Tiers(TiersArgs),
    /// Have a running server roll up every window that is complete, and wait for it
    Rollup(RollupArgs),
    /// Check every byte of a data directory that no server has open: exit code 0 when it is whole, 1 when something
    /// is damaged, 2 when it cannot be checked
    Verify(VerifyArgs),
    /// Show what a data directory that no server has open consists of: blocks, sections, encodings, labels
    Inspect(InspectArgs),
    /// Have a running server write a copy of all its data beside them, while it goes on
    Snapshot(SnapshotArgs),
    /// Check a snapshot, or any other data directory that no server has open, and copy it to where a store is to be
    Restore(RestoreArgs),
    /// Read a password from standard input and print its hash, for `access.users` of the configuration
    HashPassword,
    /// Print a new token, and its hash for `access.tokens` of the configuration
    NewToken,
}

/// Where to serve, and from what.
#[derive(Debug, Args, Default)]
pub(crate) struct ServeArgs {
    /// Directory of all data [default: ./kymo-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:5966]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// YAML file with all other settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Parts of PromQL to switch on, by upstream's names, as `query.features` of the configuration does
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) enable_feature: Vec<String>,
}

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// PromQL expression
    pub(crate) expr: String,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    /// Evaluate at this time (seconds or RFC 3339) instead of now; with --range, where the range ends
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// Evaluate over a range of this length, e.g. 1h
    #[arg(long, value_name = "DURATION")]
    pub(crate) range: Option<String>,
    /// Distance of the points of a range, e.g. 15s [default: a tenth of the range]
    #[arg(long, value_name = "DURATION", requires = "range")]
    pub(crate) step: Option<String>,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Directory of all data; nothing in it is changed
    #[arg(long, value_name = "DIR", default_value = "./kymo-data")]
    pub(crate) data_dir: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Directory of all data; nothing in it is changed
    #[arg(long, value_name = "DIR", default_value = "./kymo-data")]
    pub(crate) data_dir: PathBuf,
    /// Only the block of this id
    #[arg(long, value_name = "ID")]
    pub(crate) block: Option<u64>,
    /// Rows of the tables of metrics and labels
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Print JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whom to ask for a snapshot.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    pub(crate) server: ServerAddress,
}

/// Whom to ask for its tiers.
#[derive(Debug, Args)]
pub(crate) struct TiersArgs {
    #[command(flatten)]
    pub(crate) server: ServerAddress,
}

/// Whom to have roll up.
#[derive(Debug, Args)]
pub(crate) struct RollupArgs {
    /// At once, also windows that would not be worth a job yet
    #[arg(long, required = true)]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
}

/// A running server, and who asks it.
#[derive(Debug, Args)]
pub(crate) struct ServerAddress {
    /// Address of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5966")]
    pub(crate) url: String,
    /// Name of a user; the password is in the file, or in the environment as `KYMO_PASSWORD`
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    pub(crate) user: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// File with a token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the certificates to trust, instead of those of the public authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// What to restore, and where.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The snapshot; nothing in it is changed
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshot: PathBuf,
    /// Directory of the new store: it must not exist, or be empty
    #[arg(long, value_name = "DIR", default_value = "./kymo-data")]
    pub(crate) data_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_serves_with_the_same_options() {
        let cli = Cli::parse_from(["kymo", "--listen", "127.0.0.1:0"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen.unwrap().port(), 0);
        let cli = Cli::parse_from(["kymo", "serve", "--data-dir", "/tmp/x"]);
        assert!(matches!(cli.command, Some(Command::Serve(args)) if args.data_dir.is_some()));
    }

    #[test]
    fn features_are_named_as_for_prometheus() {
        let cli = Cli::parse_from(["kymo", "--enable-feature=a,b", "--enable-feature", "c"]);
        assert_eq!(cli.serve.enable_feature, ["a", "b", "c"]);
    }

    #[test]
    fn a_step_needs_a_range() {
        assert!(Cli::try_parse_from(["kymo", "query", "up", "--step", "15s"]).is_err());
        assert!(Cli::try_parse_from(["kymo", "query", "up", "--step", "15s", "--range", "1h"]).is_ok());
    }
}
