//! `kymo-bench load`: remote-write traffic made of recorded pages.
//!
//! - `connection` makes the requests of one connection ahead of time, sends them, and tries again
//! - `ack_log` writes down what was acknowledged, for `verify`
//! - `outcome` adds up what happened
//! - `pace` keeps the rate, and keeps connections together

pub(crate) mod ack_log;
mod connection;
pub(crate) mod outcome;
mod pace;

use std::{path::PathBuf, thread, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use self::{ack_log::AckLog, connection::Connection, outcome::Outcome, pace::Pace};
use crate::{
    dataset::{
        Protocol, Setup,
        fleet::Fleet,
        plan::{ConnectionPlan, series_of},
        recording::Recording,
    },
    error::{Error, Result},
    report,
    units::{grouped, now_ms, parse_duration_ms},
};

/// Options of `kymo-bench load`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LoadArgs {
    /// Address of the store, such as http://127.0.0.1:5966.
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// Append a line to this file after each acknowledgement.
    #[arg(long)]
    pub(crate) ack_log: Option<PathBuf>,
    /// Write the summary to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Which traffic is sent, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TrafficArgs {
    /// Archive of recorded pages (tar compressed with zstd).
    #[arg(long)]
    pub(crate) recording: PathBuf,
    /// Copies of each recorded exporter.
    #[arg(long, default_value_t = 10)]
    pub(crate) instances: usize,
    /// Leave out targets beyond so many series.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    pub(crate) series_max: usize,
    /// Connections, among which the targets are shared.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Samples per request.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) batch: usize,
    /// Time between two scrapes of a target.
    #[arg(long, default_value = "15s", value_parser = parse_duration_ms)]
    pub(crate) interval: i64,
    /// Time that the samples cover.
    #[arg(long, default_value = "1h", value_parser = parse_duration_ms, conflicts_with = "samples")]
    pub(crate) duration: i64,
    /// Samples to send, rounded up to whole scrapes. Series that the recording does not show at all times
    /// make it a little less.
    #[arg(long)]
    pub(crate) samples: Option<u64>,
    /// Samples per second, instead of as many as the store takes.
    #[arg(long)]
    pub(crate) rate: Option<u64>,
    /// Version of the remote-write protocol.
    #[arg(long, value_enum, default_value = "1")]
    pub(crate) protocol: Protocol,
    /// Time of the first scrape in milliseconds since 1970; without it the last scrape is now.
    #[arg(long)]
    pub(crate) start: Option<i64>,
    /// Scrapes are late by up to this much.
    #[arg(long, default_value = "0ms", value_parser = parse_duration_ms)]
    pub(crate) jitter: i64,
    /// Distinguishes two loads that are alike otherwise.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many scrapes one connection may be ahead of another. Stores bound how old a sample may be.
    #[arg(long, default_value_t = 40)]
    pub(crate) scrapes_ahead_max: u64,
    /// How long a request that fails for now (no answer, 429, 5xx) is tried again.
    #[arg(long, default_value = "30s", value_parser = parse_duration_ms)]
    pub(crate) retry_for: i64,
    /// Show no progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &LoadArgs) -> Result<()> {
    let recording = Recording::open(&args.traffic.recording)?;
    let load = Load::new(recording, args.traffic.clone())?;
    let ack_log = args.ack_log.as_ref().map(|path| AckLog::create(path, &load.setup)).transpose()?;
    let outcome = load.run(&args.url, ack_log.as_ref());
    report::line(outcome.table(load.fleet.series_count()).markdown());
    if let Some(path) = &args.json {
        report::write_json(path, &outcome.json(&load.setup, load.fleet.series_count()))?;
    }
    outcome.check()
}

/// A load that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Load {
    /// What the traffic follows from.
    pub(crate) setup: Setup,
    /// The targets.
    pub(crate) fleet: Fleet,
    args: TrafficArgs,
}

impl Load {
    /// Makes the fleet and fixes its times.
    pub(crate) fn new(recording: Recording, args: TrafficArgs) -> Result<Self> {
        if args.interval <= args.jitter || args.connections == 0 {
            let found = "the interval must be longer than the jitter, and connections more than none";
            return Err(Error::Failed { found: found.to_owned() });
        }
        let mut setup = Setup {
            instances: args.instances,
            series_max: args.series_max,
            connections: args.connections,
            batch: args.batch,
            interval_ms: args.interval,
            start_ms: 0,
            scrapes: 0,
            jitter_ms: args.jitter,
            seed: args.seed,
            protocol: args.protocol,
        };
        let series = Fleet::new(recording.clone(), &setup).series_count().max(1) as u64;
        setup.scrapes = match args.samples {
            Some(samples) => samples.div_ceil(series),
            None => (args.duration / args.interval).cast_unsigned(),
        };
        let covered_ms = setup.scrapes.cast_signed() * args.interval;
        setup.start_ms = args.start.unwrap_or_else(|| now_ms() - covered_ms);
        Ok(Self { fleet: Fleet::new(recording, &setup), setup, args })
    }

    /// Samples that will be sent at most.
    fn samples_max(&self) -> u64 {
        self.fleet.series_count() as u64 * self.setup.scrapes
    }

    /// Sends everything to the store at `url`.
    pub(crate) fn run(&self, url: &str, ack_log: Option<&AckLog>) -> Outcome {
        let progress = self.progress_bar();
        let pace = Pace::new(self.args.scrapes_ahead_max, self.rates());
        let started = Instant::now();
        let mut outcome = Outcome::default();
        thread::scope(|scope| {
            let connections: Vec<_> = (0..self.setup.connections)
                .map(|number| {
                    let (progress, pace) = (&progress, &pace);
                    scope.spawn(move || {
                        let plan = ConnectionPlan::new(&self.fleet, &self.setup, number);
                        Connection {
                            number,
                            url,
                            plan: &plan,
                            fleet: &self.fleet,
                            setup: &self.setup,
                            pace,
                            ack_log,
                            progress,
                            retry_for_ms: self.args.retry_for,
                        }
                        .run()
                    })
                })
                .collect();
            for connection in connections {
                match connection.join() {
                    Ok(part) => outcome.add(part),
                    Err(_) => outcome.gave_up.push("a connection ended by a bug of this program".to_owned()),
                }
            }
        });
        outcome.elapsed = started.elapsed();
        outcome.latencies_ms.sort_by(f64::total_cmp);
        progress.finish_and_clear();
        outcome
    }

    /// Samples per second of each connection: its share of the rate is that of its series.
    fn rates(&self) -> Vec<Option<f64>> {
        let all = (self.fleet.series_count() as f64).max(1.0);
        (0..self.setup.connections)
            .map(|connection| {
                let own = series_of(&self.fleet, &self.setup, connection).count() as f64;
                self.args.rate.map(|rate| rate as f64 * own / all)
            })
            .collect()
    }

    fn progress_bar(&self) -> ProgressBar {
        if self.args.quiet {
            return ProgressBar::hidden();
        }
        let series = grouped(self.fleet.series_count() as u64);
        report::note(format!("{series} series, {} scrapes", self.setup.scrapes));
        let style = "{bar:40} {percent:>3} %  {human_pos} samples  {per_sec}  {eta} left";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(self.samples_max()).with_style(style)
    }
}
