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
    /// Copy samples to a Parquet file, to OpenMetrics text or to another store, while the server runs
    Export(ExportArgs),
    /// Bring samples from Prometheus's blocks, OpenMetrics text or Parquet files to a running server: exit code 0 when
    /// all is stored, 1 when some samples were refused, 2 when it ended early. Doing it again changes nothing
    Import(ImportArgs),
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
#[derive(Debug, Clone, Args)]
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

/// What to export, from where, and to what.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only series that satisfy this selector, e.g. '{job="node"}'; may be given several times, for series that satisfy
    /// any of them
    #[arg(long = "match", value_name = "SELECTOR")]
    pub(crate) matches: Vec<String>,
    /// Only samples from this time on (seconds or RFC 3339)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) start: Option<String>,
    /// Only samples up to this time, included
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) end: Option<String>,
    /// What to write: a table with one row for each sample, or text
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "remote_write")]
    pub(crate) format: Option<ExportFormat>,
    /// File to write; it has its name once it is whole. Text goes to standard output without one, or with `-`
    #[arg(short, long, value_name = "FILE", requires = "format")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) to: ExportTarget,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    /// Read a data directory that no server has open, instead of asking a server
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "user", "token_file", "ca_file"])]
    pub(crate) data_dir: Option<PathBuf>,
}

impl ExportArgs {
    /// Whether data goes to standard output, so that nothing else may.
    pub(crate) fn writes_to_stdout(&self) -> bool {
        let dash = std::path::Path::new("-");
        self.to.remote_write.is_none() && self.output.as_deref().is_none_or(|output| output == dash)
    }
}

/// What a file of samples is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Columns metric, labels, ts and value, and h_... for native histograms; sorted by labels and time
    Parquet,
    /// Text that Prometheus and others read; without native histograms
    Openmetrics,
}

/// Another store.
#[derive(Debug, Args)]
pub(crate) struct ExportTarget {
    /// Send to this address by remote write 1.0, native histograms included, e.g. http://other:9090/api/v1/write
    #[arg(long, value_name = "URL")]
    pub(crate) remote_write: Option<String>,
    /// Name of a user there
    #[arg(long, value_name = "NAME", requires_all = ["remote_write", "to_password_file"], conflicts_with = "to_token_file")]
    pub(crate) to_user: Option<String>,
    /// File with the user's password there
    #[arg(long, value_name = "FILE", requires = "to_user")]
    pub(crate) to_password_file: Option<PathBuf>,
    /// File with a token for there
    #[arg(long, value_name = "FILE", requires = "remote_write")]
    pub(crate) to_token_file: Option<PathBuf>,
    /// PEM file with the certificates to trust there
    #[arg(long, value_name = "FILE", requires = "remote_write")]
    pub(crate) to_ca_file: Option<PathBuf>,
    /// One more header for there, e.g. 'X-Scope-OrgID: team'; may be given several times
    #[arg(long, value_name = "NAME: VALUE", requires = "remote_write")]
    pub(crate) to_header: Vec<String>,
    /// Connections there. Samples of a series take the same one, so that they arrive in order
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) connections: u8,
}

/// What to import, and to where.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files, `-` for standard input; a block of Prometheus's, or the data directory of a Prometheus
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// What they are [default: what they look like; text without `# EOF` at its end is Prometheus's]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<ImportFormat>,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    /// Connections to the server, each of which has at most three requests of a megabyte
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) connections: u8,
}

/// What a file of samples is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ImportFormat {
    /// Text that ends with `# EOF`; times are seconds
    Openmetrics,
    /// Prometheus's text; times are milliseconds, and each sample must have one
    Prometheus,
    /// A block of Prometheus's, or a directory of them. What is only in the head and its log is not read
    Tsdb,
    /// A table as `kymo export` writes it
    Parquet,
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
