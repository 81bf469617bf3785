//! Three days of samples that tiers are made of: gauges and counters, with jitter, resets and gaps, and samples that come
//! late.
//!
//! Times are multiples of 125 ms, which a double holds as seconds, and none is on an edge of a window, which Prometheus
//! before 3.0 takes for a part of the window that begins there.

use std::{collections::BTreeMap, time::Duration};

use kymo_engine::Rng;
use kymo_formats::wire::{
    MetricType,
    remote_write::{Sample, v1},
};
use serde_json::Value;

use crate::{
    kymo::{Kymo, agent, api, post},
    process::{now, pause, wait_until},
};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Samples go on so long after the last whole hour, so that its windows are complete.
const AFTER_MS: i64 = 15 * MINUTE_MS;
const SAMPLES_PER_REQUEST: usize = 2_000;

/// What the values of a series are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whole numbers that grow. Far from zero even after a reset: near it Prometheus before 2.51 reckoned otherwise.
    Requests,
    /// Fractions that grow.
    Seconds,
    Gauge,
    /// A gauge below zero.
    Negative,
    /// A gauge with a sample now and then.
    Sparse,
}

/// When a sample is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wave {
    InTime,
    /// Once the others have arrived: by the time of the data, all hours are over then.
    Last,
    /// When its windows have been rolled up.
    Late,
}

/// A sample, and when it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) ts: i64,
    pub(crate) value: f64,
    wave: Wave,
}

/// A series.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    /// In the order of time.
    pub(crate) points: Vec<Point>,
}

/// All series, and the whole hours that they cover.
#[derive(Debug)]
pub(crate) struct Days {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) series: Vec<Series>,
}

/// Names and values of labels.
type Pairs = &'static [(&'static str, &'static str)];

/// Metrics, labels, and what the values are like. Some labels have names of columns, or differ from others in case only.
const SERIES: &[(&str, Pairs, Kind)] = &[
    ("requests_total", &[("job", "api"), ("instance", "a")], Kind::Requests),
    ("requests_total", &[("job", "api"), ("instance", "b"), ("code", "200")], Kind::Requests),
    ("requests_total", &[("job", "api"), ("instance", "b"), ("code", "500")], Kind::Requests),
    ("busy_seconds_total", &[("job", "api"), ("instance", "a")], Kind::Seconds),
    ("busy_seconds_total", &[("job", "api"), ("instance", "b")], Kind::Seconds),
    ("temperature", &[("job", "home"), ("room", "kitchen")], Kind::Gauge),
    ("temperature", &[("job", "home"), ("room", "cellar")], Kind::Gauge),
    ("level", &[("job", "home")], Kind::Negative),
    ("odd", &[("job", "a"), ("Job", "b"), ("sum", "1"), ("src", "x"), ("ts", "now")], Kind::Gauge),
    ("odd", &[("job", "a"), ("Job", "B"), ("Count", "many"), ("labels", "{}")], Kind::Gauge),
    ("odd", &[("Job", "c"), ("metric", "other"), ("day", "2026-11-27"), ("h_x", "x")], Kind::Requests),
    ("rare", &[("job", "home"), ("JOB", "d")], Kind::Sparse),
];

impl Days {
    /// The days that end with the last full hour, from a seed.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let end_ms = (now() - AFTER_MS).div_euclid(HOUR_MS) * HOUR_MS;
        let start_ms = end_ms - 3 * DAY_MS;
        let series = SERIES.iter().map(|(metric, labels, kind)| {
            let labels = labels.iter().copied().chain([("__name__", *metric)]);
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Series { labels, points: points(*kind, start_ms, end_ms, rng) }
        });
        Self { start_ms, end_ms, series: series.collect() }
    }

    /// The names of the metrics.
    pub(crate) fn metrics() -> Vec<&'static str> {
        let mut names: Vec<_> = SERIES.iter().map(|(metric, ..)| *metric).collect();
        names.dedup();
        names
    }

    /// The series of these labels, the name left out where `labels` have none.
    pub(crate) fn find(&self, metric: &str, labels: &Value) -> &Series {
        let labels = labels.as_object().unwrap();
        let is_it = |series: &&Series| {
            let others = series.labels.iter().filter(|(name, _)| *name != "__name__");
            series.labels["__name__"] == metric
                && others.clone().all(|(name, value)| labels.get(name).is_some_and(|it| it == value))
                && others.count() == labels.keys().filter(|name| *name != "__name__").count()
        };
        self.series.iter().find(is_it).unwrap_or_else(|| panic!("{metric} {labels:?}"))
    }

    /// Writes all samples, and has the server roll up what was in time and then what was late.
    pub(crate) fn write_and_roll_up(&self, kymo: &Kymo) {
        self.write(kymo, Wave::InTime);
        kymo.admin("/-/flush");
        // The time of the data is the median of what arrived in a second or so.
        pause(Duration::from_secs(3));
        self.write(kymo, Wave::Last);
        let rolled_up = || {
            kymo.admin("/api/v1/admin/tiers/rollup");
            let status = api(&kymo.url, "/api/v1/status/tiers", &[]);
            let tiers = status["tiers"].as_array().unwrap().clone();
            tiers.iter().all(|tier| tier["to"].as_f64() >= Some(self.end_ms as f64 / 1e3)).then_some(tiers)
        };
        let before = wait_until("all hours are rolled up", rolled_up);
        self.write(kymo, Wave::Late);
        kymo.admin("/-/flush");
        let after = rolled_up().unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after["windowsDue"], 0, "{after}");
            assert!(after["version"].as_i64() > before["version"].as_i64(), "{before} {after}");
        }
    }

    /// Writes all samples.
    pub(crate) fn write_all(&self, kymo: &Kymo) {
        [Wave::InTime, Wave::Last, Wave::Late].iter().for_each(|wave| self.write(kymo, *wave));
        kymo.admin("/-/flush");
    }

    /// Writes what belongs to a wave, by remote write.
    fn write(&self, kymo: &Kymo, wave: Wave) {
        let agent = agent();
        let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
        for series in &self.series {
            let points: Vec<&Point> = series.points.iter().filter(|point| point.wave == wave).collect();
            // The store takes the samples of a request for as old as the first one.
            let per_request = if wave == Wave::Last { 1 } else { SAMPLES_PER_REQUEST };
            for points in points.chunks(per_request) {
                let body = snap::raw::Encoder::new().compress_vec(&message(series, points)).unwrap();
                let answer = post(&agent, &format!("{}/api/v1/write", kymo.url), &headers, &body).unwrap();
                assert_eq!(answer.status, 204, "{}", answer.text());
            }
        }
    }
}

impl Series {
    /// The samples in `(from, to]`.
    pub(crate) fn within(&self, from: i64, to: i64) -> &[Point] {
        let at = |ts: i64| self.points.partition_point(|point| point.ts <= ts);
        &self.points[at(from)..at(to)]
    }
}

fn message(series: &Series, points: &[&Point]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    let metric = &series.labels["__name__"];
    encoder.series(|encoder| {
        for (name, value) in &series.labels {
            encoder.label(name.as_bytes(), value.as_bytes());
        }
        for point in points {
            encoder.sample(&Sample { ts: point.ts, value: point.value, start_ts: 0 });
        }
    });
    if metric.ends_with("_total") {
        let metric_type = MetricType::Counter;
        encoder.metadata(&v1::Metadata { metric_type, family: metric.as_bytes(), help: b"", unit: b"" });
    }
    message
}

fn points(kind: Kind, from: i64, end_ms: i64, rng: &mut Rng) -> Vec<Point> {
    let below = |rng: &mut Rng, bound: u64| i64::try_from(rng.below(bound)).unwrap();
    let offset = 5_000 + 125 * below(rng, 300);
    let mut value = if kind == Kind::Seconds { 800.25 } else { 900.0 };
    let (mut points, mut minute) = (Vec::new(), from);
    while minute + MINUTE_MS < end_ms + AFTER_MS {
        let grown = below(rng, 1_000) as f64;
        value = match kind {
            Kind::Requests if rng.below(400) == 0 => 700.0 + grown,
            Kind::Requests => value + grown,
            Kind::Seconds if rng.below(300) == 0 => 700.0 + grown / 1_000.0,
            Kind::Seconds => value + grown / 7_000.0,
            Kind::Gauge | Kind::Sparse => 15.0 + grown / 97.0,
            Kind::Negative => -1.0 - grown / 3.0,
        };
        let ts = minute + offset + 125 * below(rng, 40);
        let wave = match rng.below(29) {
            _ if ts > end_ms => Wave::Last,
            0 => Wave::Late,
            _ => Wave::InTime,
        };
        points.push(Point { ts, value, wave });
        minute += match rng.below(250) {
            // A gap of up to three hours.
            0 => MINUTE_MS * (2 + below(rng, 180)),
            _ if kind == Kind::Sparse => MINUTE_MS * (1 + below(rng, 15)),
            _ => MINUTE_MS,
        };
    }
    points
}
