//! `kymo-bench promql`: the CPU that queries take in Kymo and in Prometheus, on the same data in the same run.
//!
//! Both stores are loaded and left alone; then each query is asked of one after the other, in several rounds,
//! because the machine's speed drifts: the ratio within a round is what counts.
//!
//! - `queries` says what is asked, `answers` whether both answered the same
//! - `figures` has what was measured as a table and as JSON

mod answers;
mod figures;
mod queries;

use std::path::{Path, PathBuf};

use self::{
    answers::Difference,
    figures::{Figures, Measured},
    queries::Query,
};
use crate::{
    dataset::{Protocol, recording::Recording, synthetic::Services},
    error::{Error, Result},
    http::Client,
    load::{Load, TrafficArgs},
    process::Process,
    query::effort::{self, Effort},
    report,
    stores::Store,
    units::now_ms,
};

const INTERVAL_MS: i64 = 15_000;
/// Time before the first step that windows reach back to.
const LEAD_MS: i64 = 45 * 60_000;
/// Graphs end this long before the last sample, and off the beat of samples and subqueries: up to Prometheus 3 a
/// window had the sample on its left edge, and since then it has not.
const OFF_BEAT_MS: i64 = 23_000;

/// Options of `kymo-bench promql`.
#[derive(Debug, clap::Args)]
pub(crate) struct PromqlArgs {
    /// Program of Kymo.
    #[arg(long)]
    kymo: PathBuf,
    /// Program of Prometheus.
    #[arg(long)]
    prometheus: PathBuf,
    /// Archive of recorded pages for the queries of the dashboard; without it these are left out.
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Copies of each recorded exporter.
    #[arg(long, default_value_t = 10)]
    instances: usize,
    /// Counters that the heaviest queries read, in hundreds of ten jobs.
    #[arg(long, default_value_t = 10)]
    hundreds: usize,
    /// Most steps of a graph; queries that ask for more are asked for these.
    #[arg(long, default_value_t = 1_000)]
    steps_max: i64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Measure Kymo as it is after the load, without writing what is in memory to blocks.
    #[arg(long)]
    head: bool,
    /// Folder in which the stores keep their data meanwhile.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder into which the table and the figures are written.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
    /// Name of the files written.
    #[arg(long, default_value = "promql")]
    name: String,
}

/// Runs the subcommand.
pub(crate) fn run(args: &PromqlArgs) -> Result<()> {
    let mut figures = Figures::new(args);
    for scene in scenes(args)? {
        scene.measure(args, &mut figures)?;
    }
    let text = figures.document();
    report::line(&text);
    report::write_json(&args.out.join(format!("{}.json", args.name)), &figures.json())?;
    report::write(&args.out.join(format!("{}.md", args.name)), &text)
}

/// Some data, and queries over them. Each has stores of its own: Prometheus refuses what is an hour older than
/// the newest sample it has, so data cannot be added to.
struct Scene {
    load: Load,
    queries: Vec<Query>,
}

fn scenes(args: &PromqlArgs) -> Result<Vec<Scene>> {
    let mut queries = queries::operators();
    queries.iter_mut().for_each(|query| query.steps = query.steps.min(args.steps_max));
    let pages = usize::try_from(duration_ms(args.steps_max) / INTERVAL_MS).unwrap_or_default();
    let services = Services { jobs: 10, handlers: 20, pages, seed: 1 };
    let traffic = traffic(args.hundreds, args.steps_max);
    let mut scenes = vec![Scene { load: Load::new(services.recording(), traffic)?, queries }];
    if let Some(recording) = &args.recording {
        let traffic = self::traffic(args.instances, queries::STEPS);
        let load = Load::new(Recording::open(recording)?, traffic)?;
        scenes.push(Scene { load, queries: queries::dashboards("1m") });
    }
    Ok(scenes)
}

const fn duration_ms(steps: i64) -> i64 {
    steps * INTERVAL_MS + LEAD_MS
}

/// The traffic that graphs of so many steps are about; it ends now.
fn traffic(instances: usize, steps: i64) -> TrafficArgs {
    let duration = duration_ms(steps);
    let now = now_ms() / INTERVAL_MS * INTERVAL_MS;
    TrafficArgs {
        recording: PathBuf::new(),
        instances,
        series_max: usize::MAX,
        connections: 2,
        batch: 2_000,
        interval: INTERVAL_MS,
        duration,
        samples: None,
        rate: None,
        protocol: Protocol::V1,
        start: Some(now - duration),
        jitter: 0,
        seed: 1,
        scrapes_ahead_max: 40,
        retry_for: 30_000,
        quiet: false,
    }
}

impl Scene {
    fn measure(self, args: &PromqlArgs, figures: &mut Figures) -> Result<()> {
        let setup = &self.load.setup;
        let end_ms = setup.start_ms + setup.scrapes.cast_signed() * setup.interval_ms - OFF_BEAT_MS;
        let kymo = Running::start(&Store::kymo(&args.kymo), &self.load, args)?;
        let prometheus = Running::start(&Store::prometheus(&args.prometheus), &self.load, args)?;
        figures.series += self.load.fleet.series_count();
        let mut measured = Vec::new();
        for query in self.queries {
            let graph = Graph::new(&query, end_ms);
            let answers = [&kymo, &prometheus].map(|store| graph.answer(&store.client));
            let [kymo, prometheus] = answers;
            let difference = Difference::between(&kymo?, &prometheus?);
            measured.push(Measured { query, difference, kymo: Vec::new(), prometheus: Vec::new() });
        }
        for round in 1..=args.rounds.max(1) {
            report::note(format!("round {round} of {}", args.rounds));
            for measured in &mut measured {
                let graph = Graph::new(&measured.query, end_ms);
                measured.kymo.push(kymo.effort(&graph)?);
                measured.prometheus.push(prometheus.effort(&graph)?);
            }
        }
        figures.queries.append(&mut measured);
        Ok(())
    }
}

/// A store with the data in it.
struct Running {
    process: Process,
    client: Client,
    #[expect(dead_code, reason = "held until the process has ended: its data are removed with it")]
    folder: tempfile::TempDir,
}

impl Running {
    fn start(store: &Store, load: &Load, args: &PromqlArgs) -> Result<Self> {
        report::note(format!("== {}", store.name));
        let parent = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder =
            tempfile::tempdir_in(&parent).map_err(Error::file("create a folder in", parent.clone()))?;
        let process = Process::start(store, &folder.path().join("data"))?;
        load.run(process.url(), None).check()?;
        let client = Client::new(process.url());
        if !args.head {
            store.compact(&client)?;
        }
        process.settle();
        Ok(Self { process, client, folder })
    }

    fn effort(&self, graph: &Graph<'_>) -> Result<Effort> {
        effort::measure(&|| self.process.cpu_ms(), || graph.ask(&self.client))
    }
}

/// A range query with its times.
struct Graph<'q> {
    expr: &'q str,
    start: String,
    end: String,
}

impl<'q> Graph<'q> {
    fn new(query: &'q Query, end_ms: i64) -> Self {
        let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
        let start_ms = end_ms - (query.steps - 1) * INTERVAL_MS;
        Self { expr: &query.expr, start: seconds(start_ms), end: seconds(end_ms) }
    }

    fn form(&self) -> [(&str, &str); 4] {
        [("query", self.expr), ("start", &self.start), ("end", &self.end), ("step", "15")]
    }

    fn ask(&self, client: &Client) -> Result<()> {
        client.ask("/api/v1/query_range", &self.form()).map(drop)
    }

    fn answer(&self, client: &Client) -> Result<Vec<serde_json::Value>> {
        client.query("/api/v1/query_range", &self.form())
    }
}

/// What a program calls its version, in one line.
fn version(program: &Path) -> String {
    let output = std::process::Command::new(program).arg("--version").output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}
