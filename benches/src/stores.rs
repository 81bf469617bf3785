//! How each store is started and told to compact.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    http::Client,
};

/// How long a store may take to compact.
const COMPACT_TIMEOUT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(200);

/// Which stores are measured.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Program of Kymo.
    #[arg(long)]
    kymo: Option<PathBuf>,
    /// Program of Prometheus.
    #[arg(long)]
    prometheus: Option<PathBuf>,
    /// Program of VictoriaMetrics (single node).
    #[arg(long)]
    victoria_metrics: Option<PathBuf>,
}

impl StoreArgs {
    /// The stores, in the order in which they are measured.
    pub(crate) fn chosen(&self) -> Vec<Store> {
        let kymo = self.kymo.as_deref().map(Store::kymo);
        let prometheus = self.prometheus.as_deref().map(Store::prometheus);
        let victoria_metrics = self.victoria_metrics.as_deref().map(Store::victoria_metrics);
        [kymo, prometheus, victoria_metrics].into_iter().flatten().collect()
    }
}

/// A store that can be measured.
#[derive(Debug)]
pub(crate) struct Store {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Its program.
    pub(crate) program: PathBuf,
    /// Answers 200 when the store takes requests.
    pub(crate) ready_path: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Kymo,
    Prometheus,
    VictoriaMetrics,
}

impl Store {
    /// Kymo, whose program is at `program`.
    pub(crate) fn kymo(program: &Path) -> Self {
        Self { name: "Kymo", program: program.to_path_buf(), ready_path: "/-/ready", kind: Kind::Kymo }
    }

    /// Prometheus, whose program is at `program`.
    pub(crate) fn prometheus(program: &Path) -> Self {
        Self {
            name: "Prometheus",
            program: program.to_path_buf(),
            ready_path: "/-/ready",
            kind: Kind::Prometheus,
        }
    }

    /// VictoriaMetrics, whose program is at `program`.
    pub(crate) fn victoria_metrics(program: &Path) -> Self {
        let kind = Kind::VictoriaMetrics;
        Self { name: "VictoriaMetrics", program: program.to_path_buf(), ready_path: "/health", kind }
    }

    /// Arguments to serve `address` from the folder `data`, whose parent may hold a configuration.
    pub(crate) fn arguments(&self, address: &str, data: &Path) -> Result<Vec<OsString>> {
        let with = |name: &str, value: &Path| {
            let mut argument = OsString::from(name);
            argument.push(value);
            argument
        };
        Ok(match self.kind {
            Kind::Kymo => {
                let listen = ["--listen", address].map(OsString::from);
                let data = [OsString::from("--data-dir"), data.into()];
                [OsString::from("serve")].into_iter().chain(data).chain(listen).collect()
            }
            Kind::Prometheus => {
                let config = data.with_file_name("prometheus.yml");
                // Nothing to scrape: the load is all that the process has to do.
                fs::write(&config, "global: {}\n").map_err(Error::file("write", &config))?;
                vec![
                    with("--config.file=", &config),
                    with("--storage.tsdb.path=", data),
                    format!("--web.listen-address={address}").into(),
                    "--web.enable-remote-write-receiver".into(),
                ]
            }
            Kind::VictoriaMetrics => vec![
                with("-storageDataPath=", data),
                format!("-httpListenAddr={address}").into(),
                "-retentionPeriod=100y".into(),
            ],
        })
    }

    /// Has the store write and merge what it would write and merge sooner or later, and waits for it.
    pub(crate) fn compact(&self, client: &Client) -> Result<()> {
        match self.kind {
            Kind::Kymo => {
                self.expect_success(client.post("/-/flush")?)?;
                self.expect_success(client.post("/-/compact")?)
            }
            Kind::Prometheus => Ok(()),
            Kind::VictoriaMetrics => {
                self.expect_success(client.get("/internal/force_flush")?)?;
                self.expect_success(client.get("/internal/force_merge")?)?;
                self.wait_for_merges(client)
            }
        }
    }

    fn expect_success(&self, (status, answer): (u16, String)) -> Result<()> {
        if status < 300 {
            return Ok(());
        }
        let what = format!("refused to compact with {status}: {answer}");
        Err(Error::Store { store: self.name.to_owned(), what })
    }

    /// VictoriaMetrics merges in the background and says in its metrics when it is done.
    fn wait_for_merges(&self, client: &Client) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < COMPACT_TIMEOUT {
            thread::sleep(POLL);
            let (_, metrics) = client.get("/metrics")?;
            let merging = |line: &str| {
                let active =
                    line.starts_with("vm_active_merges{") || line.starts_with("vm_active_force_merges");
                active && !line.ends_with(" 0")
            };
            if !metrics.lines().any(merging) {
                return Ok(());
            }
        }
        Err(Error::Store { store: self.name.to_owned(), what: "did not finish merging".to_owned() })
    }
}
