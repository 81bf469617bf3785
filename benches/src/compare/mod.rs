//! `kymo-bench compare`: the same load and queries on several stores, one after the other, on this machine.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    dataset::recording::Recording,
    error::Result,
    http::Client,
    load::{
        Load, TrafficArgs,
        ack_log::{AckLog, Acknowledged},
        outcome::Outcome,
    },
    process::{self, Process, Usage},
    query::{self, QueriesArgs},
    report::{self, Table},
    stores::{Store, StoreArgs},
    units::{grouped, now_ms, quantile},
    verify::verify,
};

/// Options of `kymo-bench compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    stores: StoreArgs,
    #[command(flatten)]
    traffic: TrafficArgs,
    #[command(flatten)]
    queries: QueriesArgs,
    /// Folder in which the stores keep their data meanwhile.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder into which the table and the figures are written.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
    /// Name of the files written.
    #[arg(long, default_value = "compare")]
    name: String,
    /// Leave out the restart and the check of what was kept, which take long with many samples.
    #[arg(long)]
    no_verify: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let recording = Recording::open(&args.traffic.recording)?;
    // All stores get the same bytes, so the times of the samples are fixed before the first one starts.
    let start = args.traffic.start.unwrap_or_else(|| now_ms() - covered_ms(&recording, &args.traffic));
    let traffic = TrafficArgs { start: Some(start), ..args.traffic.clone() };
    let mut figures = Vec::new();
    for store in args.stores.chosen() {
        report::note(format!("== {}", store.name));
        let load = Load::new(recording.clone(), traffic.clone())?;
        figures.push(measure(&store, &load, args)?);
    }
    let text = document(&figures);
    report::line(&text);
    let json = json!({ "stores": figures.iter().map(Figures::json).collect::<Vec<_>>() });
    report::write_json(&args.out.join(format!("{}.json", args.name)), &json)?;
    report::write(&args.out.join(format!("{}.md", args.name)), &text)
}

fn covered_ms(recording: &Recording, traffic: &TrafficArgs) -> i64 {
    // Only the number of scrapes matters here; it does not depend on the start.
    let start = Some(0);
    Load::new(recording.clone(), TrafficArgs { start, ..traffic.clone() })
        .map_or(0, |load| load.setup.scrapes.cast_signed() * load.setup.interval_ms)
}

/// What was measured of one store.
#[derive(Debug)]
struct Figures {
    store: &'static str,
    series: usize,
    setup: Value,
    outcome: Outcome,
    /// From the first byte sent to the last acknowledgement.
    until_ack: Usage,
    /// From the first byte sent until the store had merged what it merges.
    until_compact: Usage,
    disk_bytes: u64,
    /// Of these, bytes of the write-ahead log.
    log_bytes: u64,
    query_total_ms: f64,
    query_cpu_ms: f64,
    queries: Value,
    /// From the start after a kill to the first answer.
    restart_ms: Option<f64>,
    verified: Option<Value>,
}

fn measure(store: &Store, load: &Load, args: &CompareArgs) -> Result<Figures> {
    let folder = process::scratch_folder(args.data_dir.as_deref())?;
    let ack_path = folder.path().join("acknowledged");
    let data = folder.path().join("data");
    let process = Process::start(store, &data)?;
    let ack_log = AckLog::create(&ack_path, &load.setup)?;
    let before = process.usage();
    let outcome = load.run(process.url(), Some(&ack_log));
    let until_ack = process.usage().since(&before);
    let client = Client::new(process.url());
    store.compact(&client)?;
    process.settle();
    let until_compact = process.usage().since(&before);
    let disk_bytes = process::folder_bytes(&data)?;
    let log_bytes = process::folder_bytes(&data.join("wal")).unwrap_or(0);
    let end = load.setup.start_ms + load.setup.scrapes.cast_signed() * load.setup.interval_ms;
    let timings = query::measure(
        &client,
        &QueriesArgs { end: Some(args.queries.end.unwrap_or(end)), ..args.queries.clone() },
        Some(&|| process.cpu_ms()),
    )?;
    let (restart_ms, verified) = if args.no_verify {
        (None, None)
    } else {
        let (ms, findings) = restart(store, process, &data, &ack_path, load)?;
        (Some(ms), Some(findings))
    };
    Ok(Figures {
        store: store.name,
        series: load.fleet.series_count(),
        setup: outcome.json(&load.setup, load.fleet.series_count()),
        outcome,
        until_ack,
        until_compact,
        disk_bytes,
        log_bytes,
        query_total_ms: timings.total_ms(),
        query_cpu_ms: timings.total_cpu_ms(),
        queries: timings.json(),
        restart_ms,
        verified,
    })
}

/// Kills the store without warning, starts it on the same data, and reads everything back.
fn restart(
    store: &Store,
    process: Process,
    data: &Path,
    ack_path: &Path,
    load: &Load,
) -> Result<(f64, Value)> {
    process.kill()?;
    let started = Instant::now();
    let process = Process::start(store, data)?;
    let client = Client::new(process.url());
    client.query("/api/v1/query", &[("query", "1")])?;
    let restart_ms = started.elapsed().as_secs_f64() * 1e3;
    let findings = verify(&client, &load.fleet, &Acknowledged::read(ack_path)?)?;
    Ok((restart_ms, findings.json()))
}

impl Figures {
    fn cpu_us_per_sample(&self, usage: &Usage) -> f64 {
        usage.cpu_seconds * 1e6 / (self.outcome.samples as f64).max(1.0)
    }

    fn json(&self) -> Value {
        json!({
            "store": self.store,
            "series": self.series,
            "load": self.setup,
            "cpu_us_per_sample_until_ack": self.cpu_us_per_sample(&self.until_ack),
            "cpu_us_per_sample_until_compact": self.cpu_us_per_sample(&self.until_compact),
            "until_ack": self.until_ack.json(),
            "until_compact": self.until_compact.json(),
            "disk_bytes": self.disk_bytes,
            "log_bytes": self.log_bytes,
            "disk_bytes_per_sample": self.disk_bytes as f64 / (self.outcome.samples as f64).max(1.0),
            "queries": self.queries,
            "restart_ms": self.restart_ms,
            "verified": self.verified,
        })
    }
}

/// The table of all stores, and what one has to know to read it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are far below 2^64 and never negative"
)]
fn document(figures: &[Figures]) -> String {
    let mut table = Table::new(["figure"].into_iter().chain(figures.iter().map(|figures| figures.store)));
    let mut row = |title: &str, cell: &dyn Fn(&Figures) -> String| {
        table.row([title.to_owned()].into_iter().chain(figures.iter().map(cell)));
    };
    let per_series = |bytes: u64, f: &Figures| grouped(bytes / (f.series as u64).max(1));
    row("series", &|f| grouped(f.series as u64));
    row("samples acknowledged", &|f| grouped(f.outcome.samples));
    row("samples per second", &|f| grouped(f.outcome.samples_per_second() as u64));
    row("latency p50, ms", &|f| format!("{:.2}", quantile(&f.outcome.latencies_ms, 0.5)));
    row("latency p99, ms", &|f| format!("{:.2}", quantile(&f.outcome.latencies_ms, 0.99)));
    row("cpu per sample until acknowledged, us", &|f| format!("{:.2}", f.cpu_us_per_sample(&f.until_ack)));
    row("cpu per sample until compacted, us", &|f| format!("{:.2}", f.cpu_us_per_sample(&f.until_compact)));
    row("anonymous memory per series, mean, B", &|f| per_series(f.until_ack.anon_mean, f));
    row("anonymous memory per series, peak, B", &|f| per_series(f.until_compact.anon_max, f));
    row("resident memory per series, mean, B", &|f| per_series(f.until_ack.rss_mean, f));
    row("resident memory per series, peak, B", &|f| per_series(f.until_compact.rss_max, f));
    let per_sample =
        |bytes: u64, f: &Figures| format!("{:.2}", bytes as f64 / (f.outcome.samples as f64).max(1.0));
    row("disk per sample without the log, B", &|f| per_sample(f.disk_bytes - f.log_bytes, f));
    row("disk per sample with the log, B", &|f| per_sample(f.disk_bytes, f));
    row("25 dashboard queries, sum of medians, ms", &|f| format!("{:.1}", f.query_total_ms));
    row("25 dashboard queries, sum of cpu, ms", &|f| format!("{:.1}", f.query_cpu_ms));
    row("queries without an answer", &|f| f.queries["empty"].to_string());
    row("restart after kill -9, ms", &|f| f.restart_ms.map_or("-".to_owned(), |ms| format!("{ms:.0}")));
    let mut verified = |title: &str, key: &str| {
        row(title, &|f| f.verified.as_ref().map_or("-".to_owned(), |found| found[key].to_string()));
    };
    verified("acknowledged samples missing then", "missing");
    verified("of these not a number", "missing_nan");
    verified("samples with another value", "different");
    row("requests not acknowledged", &|f| {
        let refused: u64 = f.outcome.refused.values().map(|(count, _)| count).sum();
        if f.outcome.gave_up.is_empty() { refused.to_string() } else { format!("{refused}, gave up") }
    });
    let machine = process::machine();
    let rest = "CPU is user and system time of the store's process. Prometheus has no way to be told to compact: \
                its disk figure is that of its write-ahead log and of what it compacted by itself. Kymo's log is allocated \
                ahead, in segments of 64 MiB, whatever is in them. Stores that do not sync \
                before they acknowledge do less work per request.";
    format!("{machine}\n\n{}\n{rest}\n", table.markdown())
}
