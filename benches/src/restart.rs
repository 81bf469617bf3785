//! `kymo-bench restart`: how long a store that is killed with a full log takes until it answers again.

use std::{path::PathBuf, time::Instant};

use serde_json::{Value, json};

use crate::{
    dataset::recording::Recording,
    error::{Error, Result},
    http::Client,
    load::{Load, TrafficArgs},
    process::{self, Process},
    report::{self, Table},
    stores::{Store, StoreArgs},
    units::{grouped, quantile},
};

/// Options of `kymo-bench restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    stores: StoreArgs,
    #[command(flatten)]
    traffic: TrafficArgs,
    /// How often each store is killed. Nothing is written in between.
    #[arg(long, default_value_t = 6)]
    kills: usize,
    /// Folder in which the stores keep their data meanwhile.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder into which the table and the figures are written.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// What was measured of one store.
#[derive(Debug)]
struct Figures {
    store: &'static str,
    samples: u64,
    /// Series with a sample at the end of the load, as the store counts them before the first kill.
    series: u64,
    restarts: Vec<Restart>,
}

/// One start after a kill.
#[derive(Debug, Clone, Copy)]
struct Restart {
    /// Until the store said that it is ready, milliseconds.
    ready_ms: f64,
    /// Until it had counted all series, milliseconds.
    counted_ms: f64,
    /// User and system time until then, seconds.
    cpu_seconds: f64,
    series: u64,
}

/// Runs the subcommand.
pub(crate) fn run(args: &RestartArgs) -> Result<()> {
    let recording = Recording::open(&args.traffic.recording)?;
    let mut figures = Vec::new();
    for store in args.stores.chosen() {
        report::note(format!("== {}", store.name));
        let load = Load::new(recording.clone(), args.traffic.clone())?;
        figures.push(measure(&store, &load, args)?);
    }
    let text = document(&figures);
    report::line(&text);
    let json = json!({ "stores": figures.iter().map(Figures::json).collect::<Vec<_>>() });
    report::write_json(&args.out.join("restart.json"), &json)?;
    report::write(&args.out.join("restart.md"), &text)?;
    match figures.iter().find(|figures| figures.lost() && figures.store == "Kymo") {
        Some(_) => Err(Error::Failed { found: "series are missing after a kill".to_owned() }),
        None => Ok(()),
    }
}

fn measure(store: &Store, load: &Load, args: &RestartArgs) -> Result<Figures> {
    let folder = process::scratch_folder(args.data_dir.as_deref())?;
    let data = folder.path().join("data");
    let mut process = Process::start(store, &data)?;
    let samples = load.run(process.url(), None).samples;
    let end = load.setup.start_ms + load.setup.scrapes.cast_signed() * load.setup.interval_ms;
    let series = count_series(&Client::new(process.url()), end)?;
    let mut restarts = Vec::new();
    for _ in 0..args.kills {
        process.kill()?;
        let started = Instant::now();
        let ms = || started.elapsed().as_secs_f64() * 1e3;
        process = Process::start(store, &data)?;
        let ready_ms = ms();
        let series = count_series(&Client::new(process.url()), end)?;
        restarts.push(Restart {
            ready_ms,
            counted_ms: ms(),
            cpu_seconds: process.usage().cpu_seconds,
            series,
        });
    }
    Ok(Figures { store: store.name, samples, series, restarts })
}

/// Number of series with a sample shortly before `end_ms`, as the store counts them.
fn count_series(client: &Client, end_ms: i64) -> Result<u64> {
    let time = (end_ms as f64 / 1e3).to_string();
    let form = [("query", "count({__name__=~\".+\"})"), ("time", &time)];
    let result = client.query("/api/v1/query", &form)?;
    let count = result.first().and_then(|series| series["value"][1].as_str()?.parse().ok());
    Ok(count.unwrap_or(0))
}

impl Figures {
    fn lost(&self) -> bool {
        self.restarts.iter().any(|restart| restart.series != self.series)
    }

    fn median(&self, of: impl Fn(&Restart) -> f64) -> f64 {
        let mut all: Vec<f64> = self.restarts.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        quantile(&all, 0.5)
    }

    fn worst(&self, of: impl Fn(&Restart) -> f64) -> f64 {
        self.restarts.iter().map(of).fold(0.0, f64::max)
    }

    fn json(&self) -> Value {
        let restarts = self.restarts.iter().map(|restart| {
            json!({
                "ready_ms": restart.ready_ms,
                "counted_ms": restart.counted_ms,
                "cpu_seconds": restart.cpu_seconds,
                "series": restart.series,
            })
        });
        json!({
            "store": self.store,
            "samples": self.samples,
            "series": self.series,
            "restarts": restarts.collect::<Vec<_>>(),
        })
    }
}

fn document(figures: &[Figures]) -> String {
    let mut table = Table::new(["figure"].into_iter().chain(figures.iter().map(|figures| figures.store)));
    let mut row = |title: &str, cell: &dyn Fn(&Figures) -> String| {
        table.row([title.to_owned()].into_iter().chain(figures.iter().map(cell)));
    };
    row("samples acknowledged", &|f| grouped(f.samples));
    row("series counted before the kills", &|f| grouped(f.series));
    row("series counted after them, least", &|f| {
        grouped(f.restarts.iter().map(|restart| restart.series).min().unwrap_or(0))
    });
    row("ready, median, ms", &|f| format!("{:.0}", f.median(|restart| restart.ready_ms)));
    row("ready, worst, ms", &|f| format!("{:.0}", f.worst(|restart| restart.ready_ms)));
    row("ready and all series counted, median, ms", &|f| {
        format!("{:.0}", f.median(|restart| restart.counted_ms))
    });
    row("ready and all series counted, worst, ms", &|f| {
        format!("{:.0}", f.worst(|restart| restart.counted_ms))
    });
    row("cpu until then, median, s", &|f| format!("{:.2}", f.median(|restart| restart.cpu_seconds)));
    let rest = "Each store is loaded, killed (SIGKILL) right after the last acknowledgement, and killed again after each \
                count. Series are counted with count({__name__=~\".+\"}) at the end of the load.";
    format!("{}\n\n{}\n{rest}\n", process::machine(), table.markdown())
}
