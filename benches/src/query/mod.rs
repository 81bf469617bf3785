//! `kymo-bench query`: how long the queries of a dashboard take.
//!
//! - `dashboard` has the queries
//! - `effort` measures the CPU of one that is too short for the clock of processes

pub(crate) mod dashboard;
pub(crate) mod effort;

use std::{path::PathBuf, time::Instant};

use serde_json::{Value, json};

use crate::{
    error::Result,
    http::Client,
    report::{self, Table},
    units::{now_ms, parse_duration_ms, quantile},
};

/// Options of `kymo-bench query`.
#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// Address of the store.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    queries: QueriesArgs,
    /// Write the result to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Which queries are asked, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct QueriesArgs {
    /// The queries.
    #[arg(long, value_enum, default_value = "dashboard")]
    pub(crate) set: Set,
    /// How often each query is asked.
    #[arg(long, default_value_t = 10)]
    pub(crate) repeat: usize,
    /// Time that a graph covers.
    #[arg(long, default_value = "1h", value_parser = parse_duration_ms)]
    pub(crate) range: i64,
    /// Time between two points of a graph.
    #[arg(long, default_value = "15s", value_parser = parse_duration_ms)]
    pub(crate) step: i64,
    /// Window of rates.
    #[arg(long, default_value = "1m")]
    pub(crate) rate_window: String,
    /// End of the graphs in milliseconds since 1970; without it now.
    #[arg(long)]
    pub(crate) end: Option<i64>,
    /// The node that the dashboard shows.
    #[arg(long, default_value = "host-0")]
    pub(crate) instance: String,
}

/// A set of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// One node, as the dashboard Node Exporter Full shows it.
    Dashboard,
    /// The same queries over all nodes at once.
    Fleet,
}

impl Set {
    /// A query of the dashboard as it is asked in this set.
    pub(crate) fn query(self, query: &str, instance: &str, rate_window: &str) -> String {
        let node = match self {
            Self::Dashboard => format!("instance=\"{instance}\",job=\"node\""),
            Self::Fleet => "job=\"node\"".to_owned(),
        };
        query.replace("$node", &node).replace("$window", rate_window)
    }
}

/// Runs the subcommand.
pub(crate) fn run(args: &QueryArgs) -> Result<()> {
    let timings = measure(&Client::new(&args.url), &args.queries, None)?;
    report::line(timings.table().markdown());
    if let Some(path) = &args.json {
        report::write_json(path, &timings.json())?;
    }
    Ok(())
}

/// Times of all queries.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    queries: Vec<Timing>,
}

/// Times of one query.
#[derive(Debug)]
struct Timing {
    title: &'static str,
    /// Ascending.
    ms: Vec<f64>,
    /// CPU of the store per evaluation, where the store's process is known.
    cpu_ms: Option<f64>,
    series: usize,
    points: usize,
    hash: u64,
}

/// Asks every query and measures the time until its answer has been read, and with the clock of the store's
/// process the CPU that it takes.
pub(crate) fn measure(
    client: &Client,
    args: &QueriesArgs,
    cpu_ms: Option<&dyn Fn() -> f64>,
) -> Result<Timings> {
    // Graphs end on a multiple of the step, as Grafana aligns them.
    let end_ms = args.end.unwrap_or_else(now_ms) / args.step.max(1) * args.step.max(1);
    let start_ms = end_ms - args.range;
    let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
    let (start, end, step) = (seconds(start_ms), seconds(end_ms), seconds(args.step));
    let mut timings = Timings::default();
    for (title, query) in dashboard::QUERIES {
        let query = args.set.query(query, &args.instance, &args.rate_window);
        // VictoriaMetrics would otherwise answer repeated queries out of a cache of results.
        let form = [("query", &*query), ("start", &start), ("end", &end), ("step", &step), ("nocache", "1")];
        let mut timing = Timing { title, ms: Vec::new(), cpu_ms: None, series: 0, points: 0, hash: 0 };
        for _ in 0..args.repeat.max(1) {
            let asked = Instant::now();
            let result = client.query("/api/v1/query_range", &form)?;
            timing.ms.push(asked.elapsed().as_secs_f64() * 1e3);
            timing.series = result.len();
            timing.points =
                result.iter().filter_map(|series| series["values"].as_array()).map(Vec::len).sum();
            timing.hash = hash(&result);
        }
        timing.ms.sort_by(f64::total_cmp);
        if let Some(cpu_ms) = cpu_ms {
            let effort = effort::measure(cpu_ms, || client.ask("/api/v1/query_range", &form).map(drop))?;
            timing.cpu_ms = Some(effort.cpu_ms);
        }
        timings.queries.push(timing);
    }
    Ok(timings)
}

/// A hash of the answer that depends neither on the order of series and labels nor on how numbers are
/// written.
fn hash(result: &[Value]) -> u64 {
    let mut series: Vec<_> = result.iter().map(series_bytes).collect();
    series.sort_unstable();
    xxhash_rust::xxh3::xxh3_64(&series.concat())
}

fn series_bytes(series: &Value) -> Vec<u8> {
    // Objects of `serde_json` are sorted by key.
    let mut bytes = series["metric"].to_string().into_bytes();
    for point in series["values"].as_array().into_iter().flatten() {
        let value: f64 = point[1].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        bytes.extend_from_slice(&point[0].as_f64().unwrap_or_default().to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

impl Timings {
    /// Sum of the medians: the time of the whole dashboard, its panels drawn one after the other.
    pub(crate) fn total_ms(&self) -> f64 {
        self.queries.iter().map(|timing| quantile(&timing.ms, 0.5)).sum()
    }

    /// CPU of the whole dashboard.
    pub(crate) fn total_cpu_ms(&self) -> f64 {
        self.queries.iter().filter_map(|timing| timing.cpu_ms).sum()
    }

    /// Queries without an answer: a sign that the store has not got the data.
    pub(crate) fn empty(&self) -> usize {
        self.queries.iter().filter(|timing| timing.series == 0).count()
    }

    /// The times for people.
    fn table(&self) -> Table {
        let mut table = Table::new(["query", "median ms", "min ms", "max ms", "series", "points", "answer"]);
        for timing in &self.queries {
            let [min, median, max] =
                [0.0, 0.5, 1.0].map(|share| format!("{:.2}", quantile(&timing.ms, share)));
            let (series, points) = (timing.series.to_string(), timing.points.to_string());
            let hash = format!("{:016x}", timing.hash);
            table.row([timing.title, &median, &min, &max, &series, &points, &hash]);
        }
        table.row(["all", &format!("{:.2}", self.total_ms())]);
        table
    }

    /// The times for programs.
    pub(crate) fn json(&self) -> Value {
        let queries: Vec<_> = self
            .queries
            .iter()
            .map(|timing| {
                json!({
                    "title": timing.title,
                    "median_ms": quantile(&timing.ms, 0.5),
                    "min_ms": quantile(&timing.ms, 0.0),
                    "max_ms": quantile(&timing.ms, 1.0),
                    "cpu_ms": timing.cpu_ms,
                    "series": timing.series,
                    "points": timing.points,
                    "hash": format!("{:016x}", timing.hash),
                })
            })
            .collect();
        json!({ "total_ms": self.total_ms(), "total_cpu_ms": self.total_cpu_ms(), "empty": self.empty(), "queries": queries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_ignores_order_and_spelling_but_no_value() {
        let one = json!({"metric": {"a": "1", "b": "2"}, "values": [[1.5, "10"], [2, "NaN"]]});
        let same = json!({"values": [[1.5, "1e1"], [2.0, "NaN"]], "metric": {"b": "2", "a": "1"}});
        let other = json!({"metric": {"a": "1", "b": "2"}, "values": [[1.5, "11"], [2, "NaN"]]});
        assert_eq!(hash(&[one.clone(), other.clone()]), hash(&[other.clone(), same]));
        assert_ne!(hash(&[one]), hash(&[other]));
    }

    #[test]
    fn a_dashboard_has_25_queries_with_different_titles() {
        let mut titles: Vec<_> = dashboard::QUERIES.iter().map(|(title, _)| title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), 25);
        assert!(dashboard::QUERIES.iter().all(|(_, query)| query.contains("$node")));
    }
}
