//! Starts and stops servers, sends requests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use kymo_engine::{Clock as _, SystemClock};
use kymo_formats::wire::remote_write::{Sample, v1, v2};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time for anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const V1: &str = "application/x-protobuf";
pub(crate) const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    pub(crate) url: String,
    pub(crate) dir: DataDir,
}

/// Where a server has its data; removed with the last who holds it, if it was made for a server.
#[derive(Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
    _made: Option<Arc<TempDir>>,
}

impl DataDir {
    fn new() -> Self {
        let made = tempfile::tempdir().unwrap();
        Self { path: made.path().to_owned(), _made: Some(Arc::new(made)) }
    }
}

impl Deref for DataDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl From<&Self> for DataDir {
    fn from(dir: &Self) -> Self {
        dir.clone()
    }
}

impl From<&Path> for DataDir {
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), _made: None }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The data of a successful call.
    pub(crate) fn data(&self) -> Value {
        let mut json = self.json();
        assert_eq!((self.status, &json["status"]), (200, &Value::from("success")), "{}", self.text());
        json["data"].take()
    }

    /// Status, type and text of a failed call.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        assert_eq!(json["status"], "error", "{}", self.text());
        assert!(json.get("data").is_none() && json.get("warnings").is_none(), "{}", self.text());
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (self.status, text("errorType"), text("error"))
    }

    /// Samples, histograms and exemplars that a write request says were stored.
    pub(crate) fn written(&self) -> [&str; 3] {
        ["samples", "histograms", "exemplars"].map(|kind| {
            let name = format!("x-prometheus-remote-write-{kind}-written");
            self.headers.iter().find(|(key, _)| *key == name).map_or("missing", |(_, value)| value)
        })
    }
}

impl Server {
    /// A server on an empty directory, without metrics of its own among the data.
    pub(crate) fn new() -> Self {
        Self::with_config("self_metrics: {enabled: false}\n")
    }

    pub(crate) fn with_config(config: &str) -> Self {
        Self::open(DataDir::new(), config)
    }

    /// A server on the data in `dir`.
    pub(crate) fn open(dir: impl Into<DataDir>, config: &str) -> Self {
        Self::launch(dir.into(), "127.0.0.1:0", config)
    }

    /// A server on an empty directory that listens on this address.
    pub(crate) fn open_at(listen: &str, config: &str) -> Self {
        Self::launch(DataDir::new(), listen, config)
    }

    fn launch(dir: DataDir, listen: &str, config: &str) -> Self {
        let file = dir.join("kymo.yaml");
        write_file(&file, config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_kymo"))
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(dir.join("data"))
            .arg("--config")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reader = kymo_engine::spawn("log reader", move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        drop(reader.unwrap());
        let mut server = Self { child, lines, url: String::new(), dir };
        let line = server.wait_for_line("listening");
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        server.url = format!("http://{address}");
        server.wait_for_line("ready series=");
        server
    }

    /// The next line of the log that contains `text`.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {text:?}: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Ends the server in order; gives its data back.
    pub(crate) fn stop(mut self) -> DataDir {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
        self.dir.clone()
    }

    /// Ends the server at once; gives its data back.
    pub(crate) fn kill(mut self) -> DataDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.dir.clone()
    }

    pub(crate) fn get(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        let request = agent().get(format!("{}{path}", self.url)).query_pairs(params.iter().copied());
        answer(request.call())
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = agent().get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call())
    }

    /// Sends bytes, and returns all that comes back until the server closes the connection.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.send(bytes);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Sends bytes on a connection of their own.
    pub(crate) fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// As Grafana asks by default: a form.
    pub(crate) fn form(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        answer(agent().post(format!("{}{path}", self.url)).send_form(params.iter().copied()))
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = agent().post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    /// Sends an uncompressed message the way senders do: compressed.
    pub(crate) fn write(&self, content_type: &str, message: &[u8]) -> Answer {
        let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
        let headers = [("content-type", content_type), ("content-encoding", "snappy")];
        self.post("/api/v1/write", &headers, &body)
    }

    /// Stores samples of one series.
    pub(crate) fn store(&self, labels: &[(&str, &str)], samples: &[(i64, f64)]) {
        let answer = self.write(V1, &message_v1(&[(labels, samples)]));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Result of an instant query.
    pub(crate) fn query(&self, expr: &str, ts: i64) -> Value {
        let time = seconds(ts);
        self.form("/api/v1/query", &[("query", expr), ("time", &time)]).data()["result"].take()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Milliseconds, whole seconds.
pub(crate) fn now() -> i64 {
    SystemClock::new().now().0 / 1000 * 1000
}

pub(crate) fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Labels and samples of one series.
pub(crate) type SeriesRows<'a> = (&'a [(&'a str, &'a str)], &'a [(i64, f64)]);

pub(crate) fn message_v1(series: &[SeriesRows<'_>]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    for (labels, samples) in series {
        encoder.series(|series| {
            for (name, value) in *labels {
                series.label(name.as_bytes(), value.as_bytes());
            }
            for (ts, value) in *samples {
                series.sample(&Sample { ts: *ts, value: *value, start_ts: 0 });
            }
        });
    }
    message
}

/// The symbols and series of a request of version 2.0, the first symbol empty.
pub(crate) fn message_v2(symbols: &[&str], write: impl FnOnce(&mut v2::RequestEncoder<'_>)) -> Vec<u8> {
    let mut message = Vec::new();
    // Symbols by hand, so that tests can refer to them by number, and beyond them.
    for symbol in symbols {
        message.push(0x22);
        message.push(u8::try_from(symbol.len()).unwrap());
        message.extend_from_slice(symbol.as_bytes());
    }
    write(&mut v2::RequestEncoder::new(&mut message));
    message
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .accept_encoding(ureq::config::AutoHeaderValue::None)
        .build()
        .into()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = result.unwrap();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap();
    Answer { status, headers, body }
}

#[expect(clippy::disallowed_methods, reason = "the operator's side of the test")]
pub(crate) fn write_file(path: &Path, text: &str) {
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
