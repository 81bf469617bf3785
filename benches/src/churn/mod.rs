//! `kymo-bench churn`: a day of series that come and go, and what they leave behind in memory and in the index.
//!
//! - `pods` are the targets: each lives for a while and is followed by others with labels of their own

mod pods;

use std::{path::PathBuf, sync::Arc, thread, time::Instant};

use kymo_engine::{Inspection, OsFs};
use serde_json::{Value, json};

use self::pods::Pods;
use crate::{
    error::{Error, Result},
    http::{Client, HEADERS_V1},
    process::{self, Process},
    report::{self, Table},
    stores::Store,
    units::{grouped, now_ms, parse_duration_ms},
};

/// How often the store is looked at, in time of the samples.
const LOOK_EVERY_MS: i64 = 60 * 60 * 1_000;

/// Options of `kymo-bench churn`.
#[derive(Debug, clap::Args)]
pub(crate) struct ChurnArgs {
    /// Program of Kymo.
    #[arg(long)]
    kymo: PathBuf,
    /// Series that are created while the load lasts.
    #[arg(long, default_value_t = 1_000_000)]
    series: u64,
    /// Time that the samples cover.
    #[arg(long, default_value = "24h", value_parser = parse_duration_ms)]
    duration: i64,
    /// How long a series lives.
    #[arg(long, default_value = "2h", value_parser = parse_duration_ms)]
    life: i64,
    /// Time between two samples of a series.
    #[arg(long, default_value = "15s", value_parser = parse_duration_ms)]
    interval: i64,
    /// Connections.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Folder in which the store keeps its data meanwhile.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder into which the table and the figures are written.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// What the store looked like at some time of the load.
#[derive(Debug, Clone, Copy)]
struct Look {
    hour: i64,
    head_series: u64,
    head_bytes: u64,
    anon_bytes: u64,
}

/// Runs the subcommand.
pub(crate) fn run(args: &ChurnArgs) -> Result<()> {
    let store = Store::kymo(&args.kymo);
    let folder = process::scratch_folder(args.data_dir.as_deref())?;
    let data = folder.path().join("data");
    let process = Process::start(&store, &data)?;
    let pods = Pods::new(args.series, args.duration, args.life, args.interval, now_ms() - args.duration);
    let mut looks = Vec::new();
    let (mut samples, started) = (0, Instant::now());
    for from in (0..pods.scrapes()).step_by(to_index(LOOK_EVERY_MS / args.interval)) {
        let to = pods.scrapes().min(from + to_index(LOOK_EVERY_MS / args.interval));
        samples += send(&pods, from..to, args.connections, process.url())?;
        let look = look(&process, to as i64 * args.interval / LOOK_EVERY_MS)?;
        report::line(format!(
            "hour {}: {} series, {} MB",
            look.hour,
            look.head_series,
            look.anon_bytes >> 20
        ));
        looks.push(look);
    }
    let seconds = started.elapsed().as_secs_f64();
    store.compact(&Client::new(process.url()))?;
    process.settle();
    let usage = process.usage();
    drop(process);
    let fs: Arc<dyn kymo_engine::Fs> = Arc::new(OsFs);
    let inspection = kymo_engine::inspect(&fs, &data, None).map_err(|error| Error::Store {
        store: store.name.to_owned(),
        what: format!("left something that cannot be inspected: {error}"),
    })?;
    let text = document(args, &looks, &inspection, samples, usage.cpu_seconds);
    report::line(&text);
    let json = json!({
        "samples": samples,
        "seconds": seconds,
        "usage": usage.json(),
        "hours": looks.iter().map(Look::json).collect::<Vec<_>>(),
        "sections": inspection.sections.iter().map(|s| json!({"name": s.name, "bytes": s.bytes})).collect::<Vec<_>>(),
    });
    report::write_json(&args.out.join("churn.json"), &json)?;
    report::write(&args.out.join("churn.md"), &text)
}

/// Sends some scrapes of all pods; returns how many samples these were.
fn send(pods: &Pods, scrapes: std::ops::Range<usize>, connections: usize, url: &str) -> Result<u64> {
    thread::scope(|scope| {
        let part = |number: usize| {
            let scrapes = scrapes.clone();
            move || send_part(pods, scrapes, (number, connections), url)
        };
        let threads: Vec<_> = (0..connections).map(|number| scope.spawn(part(number))).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(sent) => sent,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.sum()
    })
}

fn send_part(pods: &Pods, scrapes: std::ops::Range<usize>, part: (usize, usize), url: &str) -> Result<u64> {
    let client = Client::new(url);
    let mut compressor = snap::raw::Encoder::new();
    let (mut samples, mut message) = (0, Vec::new());
    for scrape in scrapes {
        for pods_of_request in pods.requests(scrape, part) {
            message.clear();
            samples += pods.write(pods_of_request, scrape, &mut message);
            // Snappy fails only beyond 4 GiB.
            let body = compressor.compress_vec(&message).unwrap_or_default();
            let answer = client.write(&body, &HEADERS_V1)?;
            if !(200..300).contains(&answer.status) {
                let found = format!("a request was answered with {}: {}", answer.status, answer.text);
                return Err(Error::Failed { found });
            }
        }
    }
    Ok(samples)
}

fn look(process: &Process, hour: i64) -> Result<Look> {
    let (_, metrics) = Client::new(process.url()).get("/metrics")?;
    let gauge = |name: &str| {
        let values = metrics.lines().filter_map(|line| line.strip_prefix(name));
        let values =
            values.filter(|rest| rest.starts_with([' ', '{'])).filter_map(|rest| rest.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>()
    };
    Ok(Look {
        hour,
        head_series: to_u64(gauge("kymo_engine_head_series")),
        head_bytes: to_u64(gauge("kymo_engine_head_bytes")),
        anon_bytes: process.anon_now(),
    })
}

impl Look {
    fn json(&self) -> Value {
        json!({
            "hour": self.hour,
            "head_series": self.head_series,
            "head_bytes": self.head_bytes,
            "anon_bytes": self.anon_bytes,
        })
    }
}

fn document(
    args: &ChurnArgs,
    looks: &[Look],
    inspection: &Inspection,
    samples: u64,
    cpu_seconds: f64,
) -> String {
    let mut memory = Table::new(["hour", "series in memory", "head, MB", "anonymous memory, MB"]);
    for look in looks {
        let megabytes = |bytes: u64| grouped(bytes >> 20);
        memory.row([
            look.hour.to_string(),
            grouped(look.head_series),
            megabytes(look.head_bytes),
            megabytes(look.anon_bytes),
        ]);
    }
    let mut disk = Table::new(["section", "bytes", "bytes per sample", "bytes per series"]);
    let mut row = |name: &str, bytes: u64| {
        let per = |of: u64| format!("{:.3}", bytes as f64 / (of as f64).max(1.0));
        disk.row([name.to_owned(), grouped(bytes), per(samples), per(args.series)]);
    };
    inspection.sections.iter().for_each(|section| row(section.name, section.bytes));
    let data = bytes_of(inspection, DATA);
    let chunks = bytes_of(inspection, CHUNKS);
    let index = inspection.sections.iter().map(|section| section.bytes).sum::<u64>() - data - chunks;
    row("all data", data);
    row("all that says where chunks are and what they amount to", chunks);
    row("label index: all that finds series", index);
    format!(
        "{}\n\n{} series of 10 labels over {} h, each living {} h, {} samples; {:.2} us of CPU a sample until compacted. \
         The label index is {:.1} % of the data, with the chunk directory and summaries {:.1} %.\n\n{}\n{}\n",
        process::machine(),
        grouped(args.series),
        args.duration / 3_600_000,
        args.life / 3_600_000,
        grouped(samples),
        cpu_seconds * 1e6 / (samples as f64).max(1.0),
        100.0 * index as f64 / (data as f64).max(1.0),
        100.0 * (index + chunks) as f64 / (data as f64).max(1.0),
        memory.markdown(),
        disk.markdown()
    )
}

/// Sections of values and timestamps.
const DATA: &[&str] = &["chunk data", "chunk page checksums", "timestamp columns"];
/// Sections that describe chunks.
const CHUNKS: &[&str] = &["chunk directory", "chunk summaries"];

fn bytes_of(inspection: &Inspection, names: &[&str]) -> u64 {
    let sections = inspection.sections.iter().filter(|section| names.contains(&section.name));
    sections.map(|section| section.bytes).sum()
}

fn to_index(number: i64) -> usize {
    usize::try_from(number).unwrap_or(1).max(1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "gauges of counts and bytes")]
const fn to_u64(gauge: f64) -> u64 {
    gauge as u64
}
