//! `kymo-bench verify`: can every acknowledged sample be read back?
//!
//! The traffic is made again from the setup in the log, and compared with what the store answers, target
//! by target, bit by bit.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    dataset::{
        fleet::Fleet,
        plan::{labels_of, series_of},
        recording::Recording,
    },
    error::{Error, Result},
    http::Client,
    load::ack_log::Acknowledged,
    report::{self, Table},
    units::grouped,
};

/// Samples asked for at once; answers are held in memory as JSON.
const SAMPLES_PER_QUERY: u64 = 200_000;
/// Discrepancies that are shown.
const SHOWN_MAX: usize = 10;

/// Options of `kymo-bench verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Address of the store.
    #[arg(long)]
    url: String,
    /// The recording that was loaded.
    #[arg(long)]
    recording: PathBuf,
    /// The log of acknowledgements that `load` wrote.
    #[arg(long)]
    ack_log: PathBuf,
    /// Write the result to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the subcommand.
pub(crate) fn run(args: &VerifyArgs) -> Result<()> {
    let acknowledged = Acknowledged::read(&args.ack_log)?;
    let fleet = Fleet::new(Recording::open(&args.recording)?, &acknowledged.setup);
    let found = verify(&Client::new(&args.url), &fleet, &acknowledged)?;
    report::line(found.table().markdown());
    if let Some(path) = &args.json {
        report::write_json(path, &found.json())?;
    }
    found.check()
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Acknowledged samples.
    pub(crate) expected: u64,
    /// Acknowledged samples that the store does not have.
    pub(crate) missing: u64,
    /// Those of the missing ones whose value is not a number; some stores drop them on purpose.
    pub(crate) missing_nan: u64,
    /// Samples with another value than was sent, acknowledged or not.
    pub(crate) different: u64,
    /// Samples at times at which none was sent.
    pub(crate) unexpected: u64,
    /// The first discrepancies.
    examples: Vec<String>,
}

/// The samples of one series: time to bits of the value.
type Points = BTreeMap<i64, u64>;

/// Compares what the store at `client` has with what was acknowledged.
pub(crate) fn verify(client: &Client, fleet: &Fleet, acknowledged: &Acknowledged) -> Result<Findings> {
    let mut findings = Findings::default();
    for connection in 0..acknowledged.setup.connections {
        verify_connection(client, fleet, acknowledged, connection, &mut findings)?;
    }
    Ok(findings)
}

fn verify_connection(
    client: &Client,
    fleet: &Fleet,
    acknowledged: &Acknowledged,
    connection: usize,
    findings: &mut Findings,
) -> Result<()> {
    let setup = &acknowledged.setup;
    let series: Vec<_> = series_of(fleet, setup, connection).collect();
    let batches = series.len().div_ceil(setup.batch.max(1));
    let mut position = 0;
    for series in series.chunk_by(|one, next| one.0 == next.0) {
        let target = series[0].0;
        let scrapes_per_query = (SAMPLES_PER_QUERY / series.len() as u64).max(1);
        let mut first = 0;
        while first < setup.scrapes {
            let end = (first + scrapes_per_query).min(setup.scrapes);
            let mut stored = read_target(client, fleet, target, first, end)?;
            for (i, (_, series)) in series.iter().enumerate() {
                let batch = (position + i) / setup.batch.max(1);
                let acked = |scrape: u64| {
                    let round = usize::try_from(scrape).unwrap_or(usize::MAX);
                    acknowledged.contains(connection, round.saturating_mul(batches) + batch)
                };
                let key =
                    key(labels_of(fleet, target, *series).map(|(name, value)| (text(name), text(value))));
                let points = stored.remove(&key).unwrap_or_default();
                findings.compare(fleet, (target, *series), first..end, points, acked, &key);
            }
            for (key, points) in stored {
                findings.unexpected += points.len() as u64;
                findings.example(|| format!("series that was never sent: {key}"));
            }
            first = end;
        }
        position += series.len();
    }
    Ok(())
}

/// All samples of a target from one scrape to before another.
fn read_target(
    client: &Client,
    fleet: &Fleet,
    target: usize,
    first: u64,
    end: u64,
) -> Result<BTreeMap<String, Points>> {
    // A range selects what is newer than its start, or in older stores as old, and not newer than its end.
    let (start_ms, end_ms) = (fleet.ts(target, first) - 1, fleet.ts(target, end - 1));
    let selector =
        format!("{{instance=\"{}\",job=\"{}\"}}", fleet.targets[target].instance, fleet.exporter(target).job);
    let query = format!("{selector}[{}ms]", end_ms - start_ms);
    let time = format!("{}.{:03}", end_ms.div_euclid(1_000), end_ms.rem_euclid(1_000));
    let result = client.query("/api/v1/query", &[("query", &query), ("time", &time), ("nocache", "1")])?;
    let mut all = BTreeMap::<String, Points>::new();
    for series in &result {
        let labels = series["metric"].as_object().into_iter().flatten();
        let key =
            key(labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())));
        let points = series["values"].as_array().into_iter().flatten();
        all.entry(key).or_default().extend(points.filter_map(point).filter(|(ts, _)| *ts > start_ms));
    }
    Ok(all)
}

#[expect(clippy::cast_possible_truncation, reason = "times in milliseconds are far below 2^53")]
fn point(pair: &Value) -> Option<(i64, u64)> {
    let ts = (pair[0].as_f64()? * 1e3).round() as i64;
    let value: f64 = pair[1].as_str()?.parse().ok()?;
    Some((ts, value.to_bits()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A label set as text, the same whatever the order.
fn key(labels: impl Iterator<Item = (String, String)>) -> String {
    let mut labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    labels.sort_unstable();
    labels.join(",")
}

impl Findings {
    fn compare(
        &mut self,
        fleet: &Fleet,
        (target, series): (usize, usize),
        scrapes: std::ops::Range<u64>,
        mut points: Points,
        acked: impl Fn(u64) -> bool,
        key: &str,
    ) {
        for scrape in scrapes {
            let Some(value) = fleet.value(target, series, scrape) else { continue };
            let ts = fleet.ts(target, scrape);
            let found = points.remove(&ts);
            let acked = acked(scrape);
            self.expected += u64::from(acked);
            match found {
                None if acked => {
                    self.missing += 1;
                    self.missing_nan += u64::from(value.is_nan());
                    self.example(|| format!("missing: {key} at {ts}"));
                }
                Some(bits)
                    if bits != value.to_bits() && !(value.is_nan() && f64::from_bits(bits).is_nan()) =>
                {
                    self.different += 1;
                    self.example(|| format!("{} instead of {value}: {key} at {ts}", f64::from_bits(bits)));
                }
                _ => {}
            }
        }
        self.unexpected += points.len() as u64;
        if let Some(ts) = points.keys().next() {
            self.example(|| format!("never sent: {key} at {ts}"));
        }
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < SHOWN_MAX {
            self.examples.push(text());
        }
    }

    /// The findings for people.
    fn table(&self) -> Table {
        let mut table = Table::new(["verify", "samples"]);
        table.row(["acknowledged", &grouped(self.expected)]);
        table.row(["missing", &grouped(self.missing)]);
        table.row(["missing, not a number", &grouped(self.missing_nan)]);
        table.row(["with another value", &grouped(self.different)]);
        table.row(["never sent", &grouped(self.unexpected)]);
        table
    }

    /// The findings for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "expected": self.expected,
            "missing": self.missing,
            "missing_nan": self.missing_nan,
            "different": self.different,
            "unexpected": self.unexpected,
            "examples": self.examples,
        })
    }

    fn check(&self) -> Result<()> {
        if self.missing + self.different + self.unexpected == 0 {
            return Ok(());
        }
        Err(Error::Failed { found: self.examples.join("\n") })
    }
}
