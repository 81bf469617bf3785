//! A running Kymo and the calls that these tests make.

use std::{
    path::Path,
    process::{Command, ExitStatus},
};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::process::{PATIENCE, Process, write_file};

/// A running server; killed when it is dropped.
pub(crate) struct Kymo {
    process: Process,
    _config: NamedTempFile,
    pub(crate) url: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Kymo {
    /// A server on the data in `dir`, ready to answer, without metrics of its own among the data.
    pub(crate) fn start(dir: &Path, config: &str) -> Self {
        Self::start_with(dir, config, Process::start)
    }

    /// The same, with the process started by `start`.
    pub(crate) fn start_with(dir: &Path, config: &str, start: impl FnOnce(&mut Command) -> Process) -> Self {
        let (mut process, file) = Self::launch_with(dir, config, start);
        let line = process.wait_for_line("listening");
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        let url = format!("http://{address}");
        process.wait_for_line("ready series=");
        Self { process, _config: file, url }
    }

    /// A server that may fail to start.
    pub(crate) fn launch(dir: &Path, config: &str) -> (Process, NamedTempFile) {
        Self::launch_with(dir, config, Process::start)
    }

    fn launch_with(
        dir: &Path,
        config: &str,
        start: impl FnOnce(&mut Command) -> Process,
    ) -> (Process, NamedTempFile) {
        let file = NamedTempFile::new().unwrap();
        write_file(file.path(), format!("self_metrics: {{enabled: false}}\n{config}").as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
        (start(command.arg("--config").arg(file.path())), file)
    }

    /// A line of the process's status, in MB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory_mb(&self, line: &str) -> u64 {
        self.process.memory_mb(line)
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Asks the server to stop, as `systemctl stop` would, and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process.signal("-TERM");
        self.process.wait()
    }

    pub(crate) fn get(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        get(&self.url, path, params)
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        post(&agent(), &format!("{}{path}", self.url), headers, body).unwrap()
    }

    /// An admin call that must succeed.
    pub(crate) fn admin(&self, path: &str) {
        let answer = self.post(path, &[], b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build()
        .into()
}

pub(crate) fn get(url: &str, path: &str, params: &[(&str, &str)]) -> Answer {
    let request = agent().get(format!("{url}{path}")).query_pairs(params.iter().copied());
    answer(request.call()).unwrap()
}

/// Posts through `agent`, which keeps its connection.
pub(crate) fn post(
    agent: &ureq::Agent,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let mut request = agent.post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body))
}

/// The `data` of a successful call of the Prometheus API at `url`, whoever answers there.
pub(crate) fn api(url: &str, path: &str, params: &[(&str, &str)]) -> Value {
    let answer = get(url, path, params);
    assert_eq!(answer.status, 200, "{url}{path} {params:?}: {}", answer.text());
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap();
    json["data"].take()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ureq::Error> {
    let mut response = result?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
    Ok(Answer { status, retry_after, body })
}
