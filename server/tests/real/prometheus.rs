//! Debian's Prometheus and node_exporter: the same questions to Prometheus and to Kymo, the same answers.
//!
//! Prometheus 2.42 closes its windows on the left, Prometheus 3 and Kymo leave them open there. So steps and ranges
//! are whole seconds, as scrapes are, and lie where no sample is on an edge.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::{
    kymo::{Kymo, api},
    process::{Process, free_port, now, say, wait_until, write_file},
};

const EXPORTER: &str = "prometheus-node-exporter";
const PROMETHEUS: &str = "prometheus";
/// Set where the peers must be there, so that the test cannot be skipped unnoticed.
const REQUIRE: &str = "KYMO_REQUIRE_PEERS";

const TOLERANCE: f64 = 1e-9;
/// Seconds that are compared, and seconds before them that windows and offsets may reach into.
const COMPARED_S: i64 = 16;
const BEFORE_S: i64 = 12;

/// In an expression, the offset that brings the steps of a subquery, whole seconds since the epoch, to where no sample
/// is.
const OFF_THE_EDGES: &str = "OFF_THE_EDGES";

/// Each has an answer that is neither empty nor all NaN.
const EXPRESSIONS: &[&str] = &[
    "up",
    "timestamp(up)",
    "scrape_duration_seconds offset 3s",
    "rate(node_cpu_seconds_total[5s])",
    "sum by (mode) (rate(node_cpu_seconds_total[10s]))",
    r#"100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[10s])))"#,
    "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0",
    "histogram_quantile(0.9, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[10s])))",
    "increase(prometheus_tsdb_head_samples_appended_total[10s])",
    r#"max_over_time(go_goroutines{job="prometheus"}[5s]) - on (job) min_over_time(go_goroutines[5s])"#,
    "quantile_over_time(0.3, scrape_duration_seconds[10s])",
    "stddev_over_time(process_resident_memory_bytes[8s]) + 1",
    r#"topk(1, scrape_samples_scraped) or sum without (job) (up)"#,
    r#"label_replace(up, "host", "$1", "instance", "(.*):.*")"#,
    "node_load1 * on (instance) group_left (nodename, release) node_uname_info",
    "max_over_time(rate(node_context_switches_total[4s] offset OFF_THE_EDGES)[6s:2s])",
    "changes(node_context_switches_total[5s]) + resets(node_intr_total[5s])",
    "deriv(node_context_switches_total[10s])",
    "predict_linear(node_context_switches_total[10s], 60)",
    r#"count_values("value", up)"#,
    r#"count by (__name__) ({__name__=~"node_(memory|netstat)_.+",instance!=""})"#,
    "irate(process_cpu_seconds_total[5s]) and on (job) up == 1",
    r#"absent(no_such_metric{job="x"})"#,
    "node_cpu_seconds_total @ end()",
    "time() - process_start_time_seconds",
];

#[test]
fn prometheus_and_kymo_answer_alike() {
    if let Some(missing) = [EXPORTER, PROMETHEUS].into_iter().find(|name| !is_installed(name)) {
        assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set and there is no {missing}");
        return say(&format!("SKIPPED prometheus: there is no {missing} on PATH"));
    }
    let dir = tempfile::tempdir().unwrap();
    let kymo = Kymo::start(&dir.path().join("kymo"), "");
    let (exporter_port, prometheus_port) = (free_port(), free_port());
    let _exporter = Process::start(
        Command::new(EXPORTER)
            .arg(format!("--web.listen-address=127.0.0.1:{exporter_port}"))
            .arg("--web.disable-exporter-metrics"),
    );
    let _prometheus = start_prometheus(dir.path(), prometheus_port, exporter_port, &kymo.url);
    let prometheus = format!("http://127.0.0.1:{prometheus_port}");

    wait_until("Prometheus has data", || {
        let expr = "min(count_over_time(up[1m]))";
        (try_value(&prometheus, expr)? >= (COMPARED_S + BEFORE_S + 2) as f64).then_some(())
    });
    let end = end_off_the_edges(&prometheus);
    wait_until("all of it is in Kymo", || {
        // One connection sends all samples in their order.
        (try_value(&kymo.url, "count(up)")? == 2.0
            && try_value(&kymo.url, "min(timestamp(up))")? > end as f64 / 1000.0)
            .then_some(())
    });
    let mut differences = Vec::new();
    let offset = format!("{}ms", 1000 - end % 1000);
    for expr in EXPRESSIONS {
        differences.extend(compare(&prometheus, &kymo.url, &expr.replace(OFF_THE_EDGES, &offset), end));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    series_and_labels_are_alike(&prometheus, &kymo.url, end);
    metadata_is_alike(&prometheus, &kymo.url);
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn start_prometheus(dir: &Path, port: u16, exporter_port: u16, kymo: &str) -> Process {
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ['127.0.0.1:{exporter_port}']}}]
  - job_name: prometheus
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
remote_write:
  - url: {kymo}/api/v1/write
    queue_config: {{max_shards: 1, batch_send_deadline: 500ms}}
    metadata_config: {{send_interval: 5s}}
"
    );
    write_file(&config, text.as_bytes());
    let mut process = Process::start(
        Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}")),
    );
    process.wait_for_line("Server is ready");
    process
}

/// A moment just past, in milliseconds, such that neither a sample nor a step of a subquery has the same fraction of a
/// second.
fn end_off_the_edges(prometheus: &str) -> i64 {
    let ups = api(prometheus, "/api/v1/query", &[("query", "up[1m]")]);
    let mut fractions: Vec<i64> = ups["result"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|series| series["values"].as_array().unwrap())
        .map(|sample| millis(&sample[0]).rem_euclid(1000))
        .chain([0])
        .collect();
    fractions.sort_unstable();
    fractions.push(fractions[0] + 1000);
    let (gap, begin) = fractions.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max().unwrap();
    assert!(gap >= 2, "samples at every fraction of a second: {fractions:?}");
    now() / 1000 * 1000 - 1000 + (begin + gap / 2) % 1000
}

/// The differences between two answers to `expr`, in words.
fn compare(prometheus: &str, kymo: &str, expr: &str, end: i64) -> Option<String> {
    let [expected, found] = [prometheus, kymo].map(|url| range(url, expr, end));
    let is_telling = expected.values().flatten().any(|(_, value)| !value.is_nan());
    if !is_telling {
        return Some(format!("{expr}: tells nothing, Prometheus answers {expected:?}"));
    }
    if !expected.keys().eq(found.keys()) {
        let only = |a: &Answer, b: &Answer| -> Vec<String> {
            a.keys().filter(|labels| !b.contains_key(*labels)).take(3).cloned().collect()
        };
        let (missing, surplus) = (only(&expected, &found), only(&found, &expected));
        return Some(format!("{expr}: missing series {missing:?}, surplus series {surplus:?}"));
    }
    expected.iter().zip(found.values()).find_map(|((labels, expected), found)| {
        let alike = expected.len() == found.len()
            && expected.iter().zip(found).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1));
        (!alike).then(|| format!("{expr}: {labels}\n  Prometheus {expected:?}\n  Kymo       {found:?}"))
    })
}

fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

/// Times in milliseconds and values, by labels.
type Answer = BTreeMap<String, Vec<(i64, f64)>>;

fn range(url: &str, expr: &str, end: i64) -> Answer {
    let (start, end) = (seconds(end - COMPARED_S * 1000), seconds(end));
    let params = [("query", expr), ("start", &start), ("end", &end), ("step", "1")];
    let data = api(url, "/api/v1/query_range", &params);
    assert_eq!(data["resultType"], "matrix", "{expr}");
    let series = data["result"].as_array().unwrap().iter();
    series.map(|series| (labels(&series["metric"]), points(&series["values"]))).collect()
}

fn points(values: &Value) -> Vec<(i64, f64)> {
    let values = values.as_array().unwrap().iter();
    values.map(|point| (millis(&point[0]), point[1].as_str().unwrap().parse().unwrap())).collect()
}

fn series_and_labels_are_alike(prometheus: &str, kymo: &str, end: i64) {
    let (start, end) = (seconds(end - COMPARED_S * 1000), seconds(end));
    let ask = |url: &str, path: &str, selector: &str| {
        let data = api(url, path, &[("start", &start), ("end", &end), ("match[]", selector)]);
        let mut items: Vec<_> = data.as_array().unwrap().iter().map(labels).collect();
        items.sort_unstable();
        items
    };
    let calls = [
        ("/api/v1/series", "node_cpu_seconds_total"),
        ("/api/v1/labels", r#"{job="node"}"#),
        ("/api/v1/label/mode/values", "node_cpu_seconds_total"),
        ("/api/v1/label/__name__/values", r#"{job=~".+"}"#),
    ];
    for (path, selector) in calls {
        let expected = ask(prometheus, path, selector);
        assert!(!expected.is_empty(), "{path} {selector}");
        assert_eq!(ask(kymo, path, selector), expected, "{path} {selector}");
    }
}

/// Prometheus knows metadata from its scrapes, Kymo from remote write.
fn metadata_is_alike(prometheus: &str, kymo: &str) {
    for metric in ["node_cpu_seconds_total", "node_load1", "prometheus_http_request_duration_seconds"] {
        let ask = |url: &str| api(url, "/api/v1/metadata", &[("metric", metric)]);
        let expected = ask(prometheus);
        assert!(expected[metric][0]["help"].is_string(), "{expected}");
        let found =
            wait_until("metadata arrives", || Some(ask(kymo)).filter(|found| found[metric].is_array()));
        assert_eq!(found, expected);
    }
}

/// The value of an instant query with one series, if there is one yet.
fn try_value(url: &str, expr: &str) -> Option<f64> {
    api(url, "/api/v1/query", &[("query", expr)])["result"][0]["value"][1].as_str()?.parse().ok()
}

/// Labels as text; `serde_json` sorts objects by key.
fn labels(json: &Value) -> String {
    json.to_string()
}

/// A time in seconds, as milliseconds.
pub(crate) fn millis(json: &Value) -> i64 {
    let digits = format!("{:.3}", json.as_f64().unwrap());
    digits.replace('.', "").parse().unwrap()
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
