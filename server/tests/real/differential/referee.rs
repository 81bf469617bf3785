//! The other server: which one it is, what it knows, and how it is started.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{
    kymo::api,
    process::{Process, free_port, say, write_file},
};

/// Path of the program to compare with; Debian's `prometheus` otherwise.
const REFEREE: &str = "KYMO_REFEREE";
/// Upstream's names of features to switch on in both servers, with commas between them.
const FEATURES: &str = "KYMO_FEATURES";
/// Set where the peers must be there, so that the test cannot be skipped unnoticed.
const REQUIRE: &str = "KYMO_REQUIRE_PEERS";

/// Major and minor version of Prometheus.
pub(crate) type Version = (u32, u32);

/// The version whose language is Kymo's.
pub(crate) const OURS: Version = (3, 14);
/// Since this version windows are open on the left.
pub(crate) const LEFT_OPEN: Version = (3, 0);

/// A running Prometheus with remote write switched on; killed when it is dropped.
pub(crate) struct Referee {
    _process: Process,
    pub(crate) url: String,
    pub(crate) version: Version,
}

/// Features that both servers are started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Features(Vec<String>);

impl Features {
    /// Those that the environment names.
    pub(crate) fn from_env() -> Self {
        let names = std::env::var(FEATURES).unwrap_or_default();
        Self(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|feature| feature == name)
    }

    /// Kymo's configuration that says the same.
    pub(crate) fn config(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        format!("query: {{features: [{}]}}\n", self.0.join(", "))
    }
}

impl Referee {
    /// Starts the referee on an empty directory. `None`, and it says so, when there is none and none is required.
    pub(crate) fn start(test: &str, dir: &Path, features: &Features) -> Option<Self> {
        let program = std::env::var(REFEREE).unwrap_or_else(|_| "prometheus".to_owned());
        if !Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set and there is no {program}");
            say(&format!("SKIPPED {test}: there is no {program} on PATH"));
            return None;
        }
        let (config, port) = (dir.join("referee.yml"), free_port());
        write_file(&config, b"global: {evaluation_interval: 1m}\n");
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("referee").display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--query.max-concurrency=100");
        if !features.0.is_empty() {
            command.arg(format!("--enable-feature={}", features.0.join(",")));
        }
        let mut process = Process::start(&mut command);
        process.wait_for_line("Server is ready");
        let url = format!("http://127.0.0.1:{port}");
        let build = api(&url, "/api/v1/status/buildinfo", &[]);
        // A build from source that nobody stamped has none; whoever builds one does so for the newest.
        let version = version(&build).unwrap_or(OURS);
        say(&format!("{test}: the referee is Prometheus {}.{}, {build}", version.0, version.1));
        Some(Self { _process: process, url, version })
    }
}

/// What of the environment chose the referee, as it is written before a command.
pub(crate) fn environment() -> String {
    let set = |name: &str| std::env::var(name).map(|value| format!("{name}={value} ")).unwrap_or_default();
    set(REFEREE) + &set(FEATURES)
}

fn version(build: &Value) -> Option<Version> {
    let mut numbers = build["version"].as_str()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
