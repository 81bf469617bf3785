//! `kymo export` and `kymo import`: what goes out comes back, and what cannot be done is said.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
};

use kymo_formats::{
    histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
    wire::{
        remote_read::ReadResponse,
        remote_write::{HistogramSample, Sample, v1},
    },
};
use tempfile::tempdir;

use crate::{
    harness::{Server, V1, now, seconds, write_file},
    remote_read::read,
};

const STALE: u64 = 0x7ff0_0000_0000_0002;
const PLAIN_NAN: u64 = 0x7ff8_0000_0000_0001;

pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

pub(crate) fn kymo(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_kymo")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) }
}

/// Runs `kymo` and expects this exit code.
pub(crate) fn kymo_ends(code: i32, args: &[&str]) -> Output {
    let output = kymo(args);
    assert_eq!(output.code, Some(code), "{args:?}\n{}\n{}", output.out, output.errors);
    output
}

/// Times and bits of floats, and histograms, by series.
type Contents = BTreeMap<String, (Vec<(i64, u64)>, Vec<HistogramSample>)>;

/// All that a server has of `job="x"`.
pub(crate) fn contents(server: &Server) -> Contents {
    let answer = read(server, 0, 1 << 53, &[], &[("job", "x")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
    let response = ReadResponse::parse(&message).unwrap();
    let series = response.results[0].iter().map(|series| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let labels: Vec<_> =
            series.labels().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        let floats = series.samples().map(|sample| (sample.ts, sample.value.to_bits())).collect();
        // Where chunks begin decides which histograms are said to go on from the one before; the samples are the same.
        let forgotten = |mut sample: HistogramSample| {
            *sample.value.reset_hint_mut() = ResetHint::Unknown;
            sample
        };
        (labels.join(","), (floats, series.histograms().map(forgotten).collect()))
    });
    series.collect()
}

fn samples(series: &Contents) -> usize {
    series.values().map(|(floats, histograms)| floats.len() + histograms.len()).sum()
}

/// Histograms of both kinds, at distances of 15 s, one with a reset and another layout.
fn histograms(ts: i64) -> Vec<HistogramSample> {
    let integer = |n: u64, offset| Histogram {
        count: 3 * n,
        zero_count: n,
        zero_threshold: 0.001,
        sum: n as f64 / 3.0,
        schema: 3,
        positive_spans: vec![Span { offset, length: 2 }],
        positive_buckets: vec![n.cast_signed(), 0],
        ..Histogram::default()
    };
    let float = FloatHistogram { count: 1.5, zero_count: 1.5, ..FloatHistogram::default() };
    let values = [
        HistogramValue::Integer(integer(5, 0)),
        HistogramValue::Integer(integer(9, 0)),
        HistogramValue::Integer(integer(2, -4)),
        HistogramValue::Float(float),
    ];
    (0..).zip(values).map(|(n, value)| HistogramSample { ts: ts + n * 15_000, start_ts: 0, value }).collect()
}

/// Metrics of all kinds; returns the time of the first samples.
fn fill(server: &Server) -> i64 {
    let ts = now() - 3_600_000 + 1;
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    let odd = [0.1, -0.0, 1e300, 5e-324, f64::INFINITY, f64::from_bits(PLAIN_NAN), 1.0 / 3.0];
    for (name, other) in
        [("requests_total", "a"), ("requests_total", "ä\"\\\n"), ("temp_celsius", ""), ("up", "")]
    {
        encoder.series(|series| {
            series.label(b"__name__", name.as_bytes());
            if !other.is_empty() {
                series.label(b"a", other.as_bytes());
            }
            series.label(b"job", b"x");
            for n in 0..2_000 {
                let value = odd.get(n).copied().unwrap_or(n as f64 * 0.7);
                // Milliseconds that are no whole seconds.
                series.sample(&Sample { ts: ts + n as i64 * 1_001, value, start_ts: 0 });
            }
            if name == "up" {
                series.sample(&Sample { ts: ts + 3_000_000, value: f64::from_bits(STALE), start_ts: 0 });
            }
        });
    }
    encoder.series(|series| {
        series.label(b"__name__", b"latency").label(b"job", b"x");
        for sample in &histograms(ts) {
            series.histogram(sample);
        }
    });
    for (family, metric_type, unit) in
        [("requests_total", 1, ""), ("temp_celsius", 2, "celsius"), ("latency", 3, "")]
    {
        encoder.metadata(&v1::Metadata {
            metric_type: kymo_formats::wire::MetricType::from_number(metric_type),
            family: family.as_bytes(),
            help: b"Some \"help\".\nMore.",
            unit: unit.as_bytes(),
        });
    }
    let answer = server.write(V1, &message);
    assert_eq!(answer.status, 204, "{}", answer.text());
    ts
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

#[test]
fn parquet_brings_everything_back_twice() {
    let (from, to) = (Server::new(), Server::new());
    fill(&from);
    let before = contents(&from);
    assert_eq!((before.len(), samples(&before)), (5, 8_005));
    let dir = tempdir().unwrap();
    let file = path(dir.path(), "samples.parquet");
    let export = ["export", "--url", &from.url, "--format", "parquet", "-o", &file];
    let output = kymo_ends(0, &export);
    assert_eq!(output.out, "exported 8001 samples and 4 histograms of 5 series\n");
    for _ in 0..2 {
        let output = kymo_ends(0, &["import", "--url", &to.url, &file]);
        assert!(output.out.contains("stored 8005, refused 0"), "{}", output.out);
        assert_eq!(contents(&to), before);
    }
    // Into the store that it comes from, too: nothing is seen as another sample.
    kymo_ends(0, &["import", "--url", &from.url, &file]);
    assert_eq!(contents(&from), before);
    let partial: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(partial, ["samples.parquet"]);
}

#[test]
fn open_metrics_says_what_it_cannot_carry() {
    let (from, to) = (Server::new(), Server::new());
    let ts = fill(&from);
    let dir = tempdir().unwrap();
    let file = path(dir.path(), "samples.txt");
    let output = kymo_ends(0, &["export", "--url", &from.url, "--format", "openmetrics", "-o", &file]);
    assert!(output.errors.contains("warning: 4 native histograms left out"), "{}", output.errors);
    assert!(output.errors.contains("warning: 1 stale markers left out"), "{}", output.errors);
    let text = kymo_ends(0, &["export", "--url", &from.url, "--format", "openmetrics"]).out;
    assert!(
        text.starts_with("# TYPE latency unknown\n") || text.starts_with("# TYPE requests counter\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE temp_celsius gauge\n# UNIT temp_celsius celsius\n"));
    assert!(text.contains("# HELP requests Some \\\"help\\\".\\nMore.\n"));
    assert!(text.ends_with("\n# EOF\n"));
    kymo_ends(0, &["import", "--url", &to.url, &file]);
    kymo_ends(0, &["import", "--url", &to.url, &file]);
    let mut expected = contents(&from);
    expected.retain(|labels, _| !labels.contains("latency"));
    for (floats, _) in expected.values_mut() {
        floats.retain(|(_, bits)| *bits != STALE);
    }
    assert_eq!(contents(&to), expected);
    let known = |server: &Server| server.get("/api/v1/metadata", &[("metric", "requests_total")]).data();
    assert_eq!(known(&to), known(&from));
    assert_eq!(to.query("requests_total{a=\"a\"}", ts + 2)[0]["value"][1], "0.1");
}

#[test]
fn a_selection_is_exported_once() {
    let from = Server::new();
    let ts = fill(&from);
    let (start, end) = (seconds(ts + 1_001), seconds(ts + 5_005));
    let common = ["export", "--url", &from.url, "--format", "openmetrics", "--start", &start, "--end", &end];
    let selectors = ["--match", r#"{a=~".+"}"#, "--match", r#"requests_total{a="a"}"#, "--match", "up"];
    let output = kymo_ends(0, &[&common[..], &selectors].concat());
    assert!(output.errors.contains("exported 15 samples and 0 histograms of 3 series"), "{}", output.errors);
    assert_eq!(output.out.matches("requests_total{a=\"a\"").count(), 5);
    let output = kymo_ends(2, &[&common[..], &["--match", "{"]].concat());
    assert!(output.errors.starts_with("error: --match: "), "{}", output.errors);
}

#[test]
fn a_directory_without_a_server_gives_the_same() {
    let from = Server::new();
    fill(&from);
    let export = |place: [&str; 2]| {
        kymo_ends(0, &[&["export"], &place[..], &["--format", "openmetrics"]].concat()).out
    };
    let by_server = export(["--url", &from.url]);
    let data = path(&from.dir, "data");
    let output = kymo_ends(2, &["export", "--data-dir", &data, "--format", "openmetrics"]);
    assert!(output.errors.contains("open"), "{}", output.errors);
    let _dir = from.stop();
    assert_eq!(export(["--data-dir", &data]), by_server);
    let none = path(Path::new(&data), "none");
    let output = kymo_ends(2, &["export", "--data-dir", &none, "--format", "openmetrics"]);
    assert!(output.errors.contains("none"), "{}", output.errors);
}

#[test]
fn what_is_refused_is_counted() {
    let to = Server::with_config("self_metrics: {enabled: false}\nretention: {age_ms: 3600000}\n");
    let dir = tempdir().unwrap();
    let file = path(dir.path(), "samples.txt");
    let ts = now();
    let line = |age_ms: i64| format!("m{{job=\"x\"}} 1 {}\n", ts - age_ms);
    write_file(
        Path::new(&file),
        &format!("# TYPE m gauge\n{}{}{}", line(7_200_000), line(7_100_000), line(1_000)),
    );
    let output = kymo_ends(1, &["import", "--url", &to.url, &file]);
    assert!(output.out.contains("stored 1, refused 2\n"), "{}", output.out);
    assert!(output.out.contains("too old sample"), "{}", output.out);
    assert_eq!(samples(&contents(&to)), 1);
}

#[test]
fn damaged_text_is_named_by_its_line() {
    let to = Server::new();
    let dir = tempdir().unwrap();
    let file = path(dir.path(), "samples.txt");
    let ts = now() / 1_000;
    let cases = [
        (format!("a 1 {ts}\nb x {ts}\n# EOF\n"), ":2: invalid sample value at byte 2"),
        (format!("a 1 {ts}\nb 1\n# EOF\n"), ":2: a sample without a time"),
        (format!("a 1 {ts}\n# EOF\nb 1 {ts}\n# EOF\n"), ":3: something behind # EOF"),
        (format!("a 1 {ts}.5\n"), ":1: invalid sample timestamp"),
    ];
    for (text, expected) in &cases {
        write_file(Path::new(&file), text);
        let output = kymo_ends(2, &["import", "--url", &to.url, &file]);
        assert!(output.errors.contains(&format!("{file}{expected}")), "{}", output.errors);
    }
    write_file(Path::new(&file), &format!("a 1 {ts}\n"));
    let output = kymo_ends(2, &["import", "--url", &to.url, "--format", "openmetrics", &file]);
    assert!(output.errors.contains("the text is cut off"), "{}", output.errors);
    write_file(Path::new(&file), "PAR1 and nothing else");
    let output = kymo_ends(2, &["import", "--url", &to.url, &file]);
    assert!(output.errors.contains("Parquet"), "{}", output.errors);
}

/// A receiver that answers with these heads, one for each request, and gives the bodies that it got.
fn receiver(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/write", listener.local_addr().unwrap());
    let thread = kymo_engine::spawn("receiver", move || {
        let mut bodies = Vec::new();
        for answer in answers {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut len = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    len = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; len];
            stream.read_exact(&mut body).unwrap();
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            bodies.push(body);
        }
        bodies
    });
    (url, thread.unwrap())
}

fn head(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_receiver_that_is_busy_is_asked_again() {
    let from = Server::new();
    from.store(&[("__name__", "m"), ("job", "x")], &[(now(), 1.0)]);
    let answers = [
        head("503 Service Unavailable", "", "not now"),
        head("429 Too Many Requests", "retry-after: 1\r\n", ""),
        head("204 No Content", "", ""),
    ];
    let (url, receiver) = receiver(answers.to_vec());
    kymo_ends(0, &["export", "--url", &from.url, "--remote-write", &url]);
    let bodies = receiver.join().unwrap();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let message = snap::raw::Decoder::new().decompress_vec(&bodies[2]).unwrap();
    let request = v1::WriteRequest::parse(&message).unwrap();
    assert_eq!(request.series().map(|series| series.samples().count()).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_receiver_that_refuses_ends_it() {
    let from = Server::new();
    from.store(&[("__name__", "m"), ("job", "x")], &[(now(), 1.0)]);
    let (url, receiver) = receiver(vec![head("400 Bad Request", "", "out of order sample")]);
    let output = kymo_ends(2, &["export", "--url", &from.url, "--remote-write", &url]);
    assert!(output.errors.contains("answers 400: out of order sample"), "{}", output.errors);
    receiver.join().unwrap();
}

#[test]
fn another_kymo_takes_all_by_remote_write() {
    let (from, to) = (Server::new(), Server::new());
    fill(&from);
    let url = format!("{}/api/v1/write", to.url);
    for connections in ["1", "3"] {
        kymo_ends(0, &["export", "--url", &from.url, "--remote-write", &url, "--connections", connections]);
        assert_eq!(contents(&to), contents(&from));
    }
    let known = |server: &Server| server.get("/api/v1/metadata", &[]).data();
    assert_eq!(known(&to), known(&from));
}

#[test]
fn an_answer_that_breaks_off_is_no_export() {
    let names = r#"{"status":"success","data":["m"]}"#;
    let chunked = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let dir = tempdir().unwrap();
    let file = path(dir.path(), "samples.parquet");
    let cases = [
        // A frame that has not ended, in a body that has not either.
        (format!("{chunked}2\r\n\x7fa\r\n"), "broke off its answer"),
        // In one that has, behind the length and within it.
        (head("200 OK", "", "\x7fabcdefg"), "broke off its answer"),
        (head("200 OK", "", "\u{80}"), "broke off its answer"),
        // A checksum that is not that of the message.
        (head("200 OK", "", "\x01abcde"), "invalid frame checksum"),
    ];
    for (answer, expected) in cases {
        let empty = r#"{"status":"success","data":{}}"#;
        let (url, source) = receiver(vec![head("200 OK", "", names), head("200 OK", "", empty), answer]);
        let url = url.trim_end_matches("/write");
        let output = kymo_ends(2, &["export", "--url", url, "--format", "parquet", "-o", &file]);
        assert!(output.errors.contains(expected), "{}", output.errors);
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
        source.join().unwrap();
    }
}
