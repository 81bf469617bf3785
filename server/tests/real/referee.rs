//! Tiers whose samples are gone, beside a Prometheus that has them all.
//!
//! `promtool` makes blocks of the samples, Debian's `prometheus` serves them. Kymo gets the same by remote write, rolls
//! them up, and is started again with a retention that leaves nothing but the last hours of samples: what it answers
//! about the days before comes from the tiers, and `/api/v1/explain` says so.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::{
    days::{Days, HOUR_MS, MINUTE_MS, Point, Series},
    kymo::{Kymo, api},
    process::{Process, free_port, say, seeded, wait_until, write_file},
    prometheus::millis,
};

/// Set where the peers must be there, so that the test cannot be skipped unnoticed.
const REQUIRE: &str = "KYMO_REQUIRE_PEERS";
const CONFIG: &str = "tiers: {interval_ms: 1000, delay_ms: 60000}\n\
                      query: {features: [promql-experimental-functions]}\n";
/// Samples of so many hours stay in the end, and so many more may: blocks go as a whole.
const KEPT_HOURS: i64 = 3;
const LOST_BEFORE_MS: i64 = 12 * HOUR_MS;

/// By so much of itself a change may differ: what counters lost by resets is added up in another order.
const ERROR: f64 = 1e-12;
/// Of the sum of the magnitudes of its terms a sum may be off by this part.
const SUM_ERROR: f64 = 1e-15;

/// Functions whose answers are the same to the bit.
const EXACT: [&str; 6] =
    ["resets", "changes", "count_over_time", "min_over_time", "max_over_time", "last_over_time"];
const CHANGES: [&str; 3] = ["rate", "increase", "delta"];

/// Range, step and offset in minutes, and the tier that answers: the coarsest that they are multiples of.
const ALIGNED: [(i64, i64, i64, &str); 8] = [
    (5, 5, 0, "5m"),
    (15, 5, 0, "5m"),
    (60, 10, 0, "5m"),
    (120, 60, 55, "5m"),
    (60, 60, 0, "1h"),
    (180, 60, 0, "1h"),
    (24 * 60, 60, 0, "1h"),
    (60, 120, 180, "1h"),
];

/// A question about all series of a metric.
struct Question<'a> {
    function: &'a str,
    metric: &'a str,
    range_ms: i64,
    step_ms: i64,
    offset_ms: i64,
    start_ms: i64,
    end_ms: i64,
}

/// Values by time in milliseconds, by labels.
type Values = BTreeMap<String, BTreeMap<i64, f64>>;

impl Question<'_> {
    fn text(&self) -> String {
        let offset = match self.offset_ms {
            0 => String::new(),
            offset => format!(" offset {offset}ms"),
        };
        format!("{}({}[{}ms]{offset})", self.function, self.metric, self.range_ms)
    }

    /// The window of the answer at `ts`, open on the left.
    fn window(&self, ts: i64) -> (i64, i64) {
        (ts - self.offset_ms - self.range_ms, ts - self.offset_ms)
    }

    fn ask<T>(&self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
        let (start, end, step) = (seconds(self.start_ms), seconds(self.end_ms), seconds(self.step_ms));
        call(&[("query", &self.text()), ("start", &start), ("end", &end), ("step", &step)])
    }

    fn values(&self, url: &str) -> Values {
        let data = self.ask(|params| api(url, "/api/v1/query_range", params));
        let series = data["result"].as_array().unwrap().iter();
        let point = |point: &Value| (millis(&point[0]), point[1].as_str().unwrap().parse().unwrap());
        let points = |series: &Value| series["values"].as_array().unwrap().iter().map(point).collect();
        series.map(|series| (series["metric"].to_string(), points(series))).collect()
    }

    /// The parts that the answer is made of, as `SOURCE exact` or `SOURCE approximate`, and the warnings.
    fn sources(&self, kymo: &Kymo) -> (Vec<String>, Vec<String>) {
        let answer = self.ask(|params| kymo.get("/api/v1/explain", params));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json: Value = serde_json::from_slice(&answer.body).unwrap();
        let parts = json["data"]["selectors"][0]["parts"].as_array().unwrap().iter();
        let source = |part: &Value| {
            let exact = if part["exact"] == true { "exact" } else { "approximate" };
            format!("{} {exact}", part["source"].as_str().unwrap())
        };
        let texts = |list: &Value| list.as_array().map_or_else(Vec::new, |list| list.clone());
        let warnings = texts(&json["warnings"]).iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        (parts.map(source).collect(), warnings)
    }
}

#[test]
fn tiers_answer_as_prometheus_does_with_the_samples() {
    if let Some(missing) = ["prometheus", "promtool"].into_iter().find(|name| !is_installed(name)) {
        assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set and there is no {missing}");
        return say(&format!("SKIPPED referee: there is no {missing} on PATH"));
    }
    let (replay, mut rng) = seeded("referee");
    let days = Days::new(&mut rng);
    let dir = tempfile::tempdir().unwrap();
    let (_process, prometheus) = start_prometheus(dir.path(), &days);
    let kymo = start_without_samples(&dir.path().join("kymo"), &days);

    let mut differences = Vec::new();
    let mut compared = 0;
    for (range, step, offset, tier) in ALIGNED {
        for metric in Days::metrics() {
            for function in EXACT.iter().chain(&CHANGES).chain(&["sum_over_time", "first_over_time"]) {
                if !is_asked(function, metric) {
                    continue;
                }
                let [range_ms, step_ms, offset_ms] = [range, step, offset].map(|minutes| minutes * MINUTE_MS);
                let start_ms = days.start_ms + range_ms + (offset_ms + HOUR_MS - 1) / HOUR_MS * HOUR_MS;
                let end_ms = days.end_ms - LOST_BEFORE_MS;
                let question = Question { function, metric, range_ms, step_ms, offset_ms, start_ms, end_ms };
                let (sources, warnings) = question.sources(&kymo);
                if sources != [format!("{tier} exact")] || !warnings.is_empty() {
                    differences.push(format!("{}: {sources:?} {warnings:?}", question.text()));
                }
                compared += compare(&question, &days, &prometheus, &kymo, &mut differences);
            }
        }
    }
    say(&format!("referee: {compared} values of aligned windows compared"));
    differences.truncate(20);
    assert!(differences.is_empty(), "{replay}:\n{}", differences.join("\n"));
    assert!(compared > 100_000, "{compared}");
    unaligned(&days, &prometheus, &kymo, &replay);
}

/// Counters have no sums where they were not reset. Of what is near zero beside its changes Prometheus before 2.51
/// extrapolated a rate otherwise; counters are not, here.
fn is_asked(function: &str, metric: &str) -> bool {
    let is_counter = metric.ends_with("_total");
    match function {
        "sum_over_time" => !is_counter,
        "rate" | "increase" => is_counter,
        _ => true,
    }
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A Prometheus whose blocks have all samples.
fn start_prometheus(dir: &Path, days: &Days) -> (Process, String) {
    let (text, data) = (dir.join("samples.txt"), dir.join("prometheus"));
    write_file(&text, open_metrics(days).as_bytes());
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &data])
        .output()
        .unwrap();
    assert!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&made.stderr));
    let (config, port) = (dir.join("prometheus.yml"), free_port());
    write_file(&config, b"global: {evaluation_interval: 1m}\n");
    let mut process = Process::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}")),
    );
    process.wait_for_line("Server is ready");
    (process, format!("http://127.0.0.1:{port}"))
}

fn open_metrics(days: &Days) -> String {
    let mut lines = String::new();
    for series in &days.series {
        let labels = series.labels.iter().filter(|(name, _)| *name != "__name__");
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
        for Point { ts, value, .. } in &series.points {
            let (metric, labels) = (&series.labels["__name__"], labels.join(","));
            lines += &format!("{metric}{{{labels}}} {value} {}.{:03}\n", ts / 1_000, ts % 1_000);
        }
    }
    lines + "# EOF\n"
}

/// A Kymo whose samples of all but the last hours are gone.
fn start_without_samples(data: &Path, days: &Days) -> Kymo {
    let mut kymo = Kymo::start(data, CONFIG);
    days.write_and_roll_up(&kymo);
    assert!(kymo.terminate().success());
    drop(kymo);
    let kymo = Kymo::start(data, &format!("{CONFIG}retention: {{age_ms: {}}}\n", KEPT_HOURS * HOUR_MS));
    wait_until("old samples are gone, and the tiers have been read", || {
        let blocks = api(&kymo.url, "/api/v1/status/tsdb/blocks", &[]);
        let oldest =
            blocks["blocks"].as_array().unwrap().iter().map(|block| block["minTime"].as_i64().unwrap());
        let tiers = api(&kymo.url, "/api/v1/status/tiers", &[]);
        let are_read = tiers["tiers"].as_array().unwrap().iter().all(|tier| tier["isRead"] == true);
        (are_read && oldest.min()? > days.end_ms - LOST_BEFORE_MS).then_some(())
    });
    kymo
}

/// Compares the answers to a question, and returns how many values there were.
fn compare(
    question: &Question<'_>,
    days: &Days,
    prometheus: &str,
    kymo: &Kymo,
    differences: &mut Vec<String>,
) -> usize {
    let found = question.values(&kymo.url);
    let expected = match question.function {
        // Prometheus has it since 3.0.
        "first_over_time" => firsts(question, days),
        _ => question.values(prometheus),
    };
    if expected.is_empty() || !expected.keys().eq(found.keys()) {
        let (expected, found) = (expected.keys(), found.keys());
        differences.push(format!("{}: {expected:?}, found {found:?}", question.text()));
        return 0;
    }
    for ((labels, expected), found) in expected.iter().zip(found.values()) {
        if !expected.keys().eq(found.keys()) {
            differences.push(format!("{} {labels}: other times", question.text()));
            continue;
        }
        let differing =
            expected.iter().filter(|(ts, value)| !is_same(question, days, labels, **ts, **value, found[*ts]));
        let first = differing.take(1);
        differences.extend(first.map(|(ts, expected)| {
            format!("{} {labels} at {ts}: {} instead of {expected}", question.text(), found[ts])
        }));
    }
    expected.values().map(BTreeMap::len).sum()
}

fn is_same(question: &Question<'_>, days: &Days, labels: &str, ts: i64, expected: f64, found: f64) -> bool {
    match question.function {
        "rate" | "increase" | "delta" => (expected - found).abs() <= ERROR * expected.abs().max(found.abs()),
        "sum_over_time" => {
            let magnitude: f64 =
                points(question, days, labels, ts).iter().map(|point| point.value.abs()).sum();
            (expected - found).abs() <= SUM_ERROR * magnitude
        }
        _ => expected.to_bits() == found.to_bits(),
    }
}

/// The samples in the window of an answer.
fn points<'a>(question: &Question<'_>, days: &'a Days, labels: &str, ts: i64) -> &'a [Point] {
    let (from, to) = question.window(ts);
    days.find(question.metric, &serde_json::from_str(labels).unwrap()).within(from, to)
}

fn firsts(question: &Question<'_>, days: &Days) -> Values {
    let of_metric = days.series.iter().filter(|series| series.labels["__name__"] == question.metric);
    let step = usize::try_from(question.step_ms).unwrap();
    let values = of_metric.map(|series| {
        let times = (question.start_ms..=question.end_ms).step_by(step);
        let first = |ts: i64| {
            let (from, to) = question.window(ts);
            series.within(from, to).first().map(|point| (ts, point.value))
        };
        (serde_json::json!(series.labels).to_string(), times.filter_map(first).collect())
    });
    values.collect()
}

/// Range and step in seconds, of which no tier is a divisor.
const UNALIGNED: [(i64, i64); 3] = [(47 * 60, 13 * 60), (61 * 60 + 7, 17 * 60), (6 * 3_600 + 1, 29 * 60)];

/// The functions whose answers are bounded by what the windows hold that the ends of a range cut.
const BOUNDED: [&str; 7] = [
    "count_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "rate",
    "increase",
];

/// Answers of which no tier fits the windows say so, name the tier, and are off by no more than the document says.
fn unaligned(days: &Days, prometheus: &str, kymo: &Kymo, replay: &str) {
    let mut differences = Vec::new();
    let mut worst: BTreeMap<(i64, &str), f64> = BTreeMap::new();
    for (range_s, step_s) in UNALIGNED {
        for metric in Days::metrics() {
            for function in BOUNDED.iter().filter(|function| is_asked(function, metric)) {
                let (range_ms, step_ms) = (range_s * 1_000, step_s * 1_000);
                let start_ms = days.start_ms + 7 * HOUR_MS + 17_061;
                let end_ms = days.end_ms - LOST_BEFORE_MS;
                let question =
                    Question { function, metric, range_ms, step_ms, offset_ms: 0, start_ms, end_ms };
                let (sources, warnings) = question.sources(kymo);
                if sources != ["5m approximate"] || !warnings.iter().any(|it| it.contains("the 5m tier")) {
                    differences.push(format!("{}: {sources:?} {warnings:?}", question.text()));
                }
                let off = how_far_off(&question, days, prometheus, kymo, &mut differences);
                let worst = worst.entry((range_s, function)).or_default();
                *worst = worst.max(off);
            }
        }
    }
    for ((range_s, function), off) in worst {
        say(&format!(
            "referee: {function} over {range_s} s, steady series: off by {:.1} % at most",
            off * 100.0
        ));
    }
    differences.truncate(20);
    assert!(differences.is_empty(), "{replay}:\n{}", differences.join("\n"));
}

/// The largest part of itself by which an answer is off, of windows without gaps and resets.
fn how_far_off(
    question: &Question<'_>,
    days: &Days,
    prometheus: &str,
    kymo: &Kymo,
    differences: &mut Vec<String>,
) -> f64 {
    let (expected, found) = (question.values(prometheus), question.values(&kymo.url));
    let mut worst = 0.0_f64;
    for (labels, expected) in &expected {
        let series = days.find(question.metric, &serde_json::from_str(labels).unwrap());
        for (ts, expected) in expected {
            let (from, to) = question.window(*ts);
            let is_steady = is_steady(series, from, to);
            // What is extrapolated from a few samples is anything.
            if matches!(question.function, "rate" | "increase") && !is_steady {
                continue;
            }
            let found = found.get(labels).and_then(|found| found.get(ts)).copied().unwrap_or_default();
            let off = (found - expected).abs();
            // Sums are added up in another order.
            if off > bound(question.function, series, from, to) + ERROR * expected.abs() {
                let text = question.text();
                differences.push(format!("{text} {labels} at {ts}: {found} instead of {expected}"));
            }
            if is_steady {
                worst = worst.max(off / expected.abs());
            }
        }
    }
    worst
}

/// Whether there is a sample each minute, and no reset.
fn is_steady(series: &Series, from: i64, to: i64) -> bool {
    let points = series.within(from - 7 * MINUTE_MS, to + 7 * MINUTE_MS);
    let minute = 2 * MINUTE_MS;
    let ends = points.first().zip(points.last());
    ends.is_some_and(|(first, last)| first.ts <= from && to <= last.ts)
        && points.windows(2).all(|pair| pair[1].ts - pair[0].ts < minute && pair[0].value <= pair[1].value)
}

/// By how much an answer may be off: by what the windows of the tier hold within which the range begins and ends.
fn bound(function: &str, series: &Series, from: i64, to: i64) -> f64 {
    let width = 5 * MINUTE_MS;
    let cut = |edge: i64| {
        let begin = edge.div_euclid(width) * width;
        series.within(begin, begin + width)
    };
    let edges = [cut(from), cut(to)];
    let values = || edges.iter().flat_map(|points| points.iter().map(|point| point.value));
    // From the sample before the window to the one after it.
    let grown = |edge: i64| {
        let begin = edge.div_euclid(width) * width;
        match series.within(begin - MINUTE_MS, begin + width + MINUTE_MS) {
            [first, .., last] => last.value - first.value,
            _ => 0.0,
        }
    };
    match function {
        // Of each of the two a half counts, whichever part is inside.
        "count_over_time" => edges.iter().map(|points| points.len() as f64 / 2.0).sum(),
        "sum_over_time" => values().map(f64::abs).sum(),
        "rate" | "increase" => {
            let seconds = if function == "rate" { (to - from) as f64 / 1e3 } else { 1.0 };
            (grown(from) + grown(to)) / seconds
        }
        _ => (values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)).max(0.0),
    }
}
