//! Blocks of a real Prometheus, with native histograms and deletions: out of Kymo, through Prometheus, into another
//! Kymo.

use std::{path::Path, process::Command};

use kymo_formats::{
    histogram::{FloatHistogram, Histogram, HistogramValue, Span},
    wire::remote_write::{HistogramSample, Sample, v1},
};
use serde_json::Value;

use crate::{
    kymo::{Kymo, agent, api, post},
    process::{Process, free_port, now, say, wait_until, write_file},
};

const PROMETHEUS: &str = "prometheus";
/// Set where the peers must be there, so that the test cannot be skipped unnoticed.
const REQUIRE: &str = "KYMO_REQUIRE_PEERS";
const ROWS: i64 = 300;

#[test]
fn a_block_with_histograms_and_deletions_comes_back() {
    let installed = Command::new(PROMETHEUS).arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set and there is no {PROMETHEUS}");
        return say("SKIPPED blocks: there is no prometheus on PATH");
    }
    let dir = tempfile::tempdir().unwrap();
    let from = Kymo::start(&dir.path().join("from"), "");
    let to = Kymo::start(&dir.path().join("to"), "");
    // Whole seconds, and in the last hour, which is what Prometheus takes.
    let start = now() / 1_000 * 1_000 - ROWS * 5_000;
    fill(&from, start);

    let port = free_port();
    let config = dir.path().join("prometheus.yml");
    write_file(&config, b"global: {scrape_interval: 1h}\n");
    let data = dir.path().join("prometheus");
    let url = format!("http://127.0.0.1:{port}");
    let prometheus = start_prometheus(&config, &data, &url);
    kymo(&["export", "--url", &from.url, "--remote-write", &format!("{url}/api/v1/write")]);

    let copy = data.join("snapshots").join(snapshot(&url));
    drop(prometheus);
    // A Prometheus on the copy has a block, and notes in it what is deleted.
    let _prometheus = start_prometheus(&config, &copy, &url);
    let end = start + ROWS * 5_000;
    let [gone, back] = [start + 100_000, start + 200_000];
    for server in [&url, &from.url] {
        delete(server, gone, back);
    }
    kymo(&["import", "--url", &to.url, copy.to_str().unwrap()]);
    let quantile = "histogram_quantile(0.7, histograms)";
    for expr in ["floats", "histograms", "float_histograms", quantile, "count_over_time(floats[20m])"] {
        assert_eq!(answer(&to.url, expr, start, end), answer(&from.url, expr, start, end), "{expr}");
    }
}

fn start_prometheus(config: &Path, data: &Path, url: &str) -> Process {
    let process = Process::start(
        Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={}", url.trim_start_matches("http://")))
            .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"])
            .arg("--enable-feature=native-histograms"),
    );
    wait_until("Prometheus is ready", || {
        let answer = agent().get(format!("{url}/-/ready")).call().ok()?;
        (answer.status() == 200).then_some(())
    });
    process
}

/// Deletes what is in the middle of the float series.
fn delete(url: &str, start: i64, end: i64) {
    let [start, end] = [start, end].map(|ts| ts / 1_000);
    let url = format!("{url}/api/v1/admin/tsdb/delete_series?match[]=floats&start={start}&end={end}");
    // Prometheus compresses even an answer without a body, which then has no end.
    let headers = [("accept-encoding", "identity")];
    assert_eq!(post(&agent(), &url, &headers, b"").unwrap().status, 204);
}

fn kymo(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_kymo")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

fn answer(url: &str, expr: &str, start: i64, end: i64) -> Value {
    let [start, end] = [start, end].map(|ts| (ts / 1_000).to_string());
    let params = [("query", expr), ("start", &start), ("end", &end), ("step", "5")];
    let answer = api(url, "/api/v1/query_range", &params)["result"].take();
    assert_ne!(answer, Value::Array(Vec::new()), "{url} {expr}");
    answer
}

/// The name of a copy of all that Prometheus has, its head as a block.
fn snapshot(url: &str) -> String {
    let answer = post(&agent(), &format!("{url}/api/v1/admin/tsdb/snapshot"), &[], b"").unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["data"]["name"].as_str().unwrap().to_owned()
}

fn fill(server: &Kymo, start: i64) {
    let histogram = |n: i64| Histogram {
        // A reset, and another layout.
        count: 4 * (n % 200).unsigned_abs() + 3,
        zero_count: 3,
        zero_threshold: 0.001,
        sum: n as f64 / 3.0,
        schema: 2,
        positive_spans: vec![
            Span { offset: i32::try_from(n / 100).unwrap(), length: 1 },
            Span { offset: 2, length: 2 },
        ],
        positive_buckets: vec![n % 200, 0, 0],
        negative_spans: vec![Span { offset: -1, length: 1 }],
        negative_buckets: vec![n % 200],
        ..Histogram::default()
    };
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    encoder.series(|series| {
        series.label(b"__name__", b"floats").label(b"job", b"x");
        for n in 0..ROWS {
            series.sample(&Sample { ts: start + n * 5_000, value: n as f64 * 0.1, start_ts: 0 });
        }
    });
    encoder.series(|series| {
        series.label(b"__name__", b"histograms").label(b"job", b"x");
        for n in 0..ROWS {
            let value = HistogramValue::Integer(histogram(n));
            series.histogram(&HistogramSample { ts: start + n * 5_000, start_ts: 0, value });
        }
    });
    encoder.series(|series| {
        series.label(b"__name__", b"float_histograms").label(b"job", b"x");
        for n in 0..ROWS {
            let float: FloatHistogram = histogram(n).to_float();
            let value = HistogramValue::Float(float);
            series.histogram(&HistogramSample { ts: start + n * 5_000, start_ts: 0, value });
        }
    });
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
    let answer = server.post("/api/v1/write", &headers, &body);
    assert_eq!(answer.status, 204, "{}", answer.text());
}
