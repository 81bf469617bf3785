//! The tables of rollups, read by DuckDB and by the `deltalake` package: they say what PromQL answers.
//!
//! `KYMO_PYTHON` names an interpreter that has `duckdb`, `deltalake` and `pyarrow`. What it runs is `tables.py`, with the
//! queries of `docs/formats.md`, so that what is documented is what is tested. What it compares with comes from a second
//! server, which has the same samples and no tiers, and, for increases over windows that follow each other, from the
//! samples themselves.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Map, Value, json};

use crate::{
    days::{Days, HOUR_MS, Series},
    kymo::{Kymo, api},
    process::{say, seeded, write_file},
    prometheus::millis,
};

const PYTHON: &str = "KYMO_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/tables.py");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats.md");
const WITH_TIERS: &str = "tiers: {interval_ms: 1000, delay_ms: 60000}\n";
const WITHOUT_TIERS: &str = "tiers: {rollups: []}\nquery: {features: [promql-experimental-functions]}\n";

/// What PromQL is asked about each hour, by the name under which it is compared.
const FACTS: &[(&str, &str)] = &[
    ("count", "count_over_time"),
    ("sum", "sum_over_time"),
    ("min", "min_over_time"),
    ("max", "max_over_time"),
    ("first", "first_over_time"),
    ("last", "last_over_time"),
    ("resets", "resets"),
    ("changes", "changes"),
    ("extrapolated", "increase"),
];

#[test]
fn other_engines_read_what_promql_answers() {
    let Some(python) = std::env::var_os(PYTHON) else {
        return say(&format!(
            "SKIPPED tables: {PYTHON} names no interpreter with duckdb, deltalake and pyarrow"
        ));
    };
    let (replay, mut rng) = seeded("tables");
    let days = Days::new(&mut rng);
    let dir = tempfile::tempdir().unwrap();
    let kymo = Kymo::start(&dir.path().join("tiers"), WITH_TIERS);
    let plain = Kymo::start(&dir.path().join("plain"), WITHOUT_TIERS);
    days.write_and_roll_up(&kymo);
    days.write_all(&plain);
    let status = api(&kymo.url, "/api/v1/status/tiers", &[]);
    assert_eq!(status["tiers"].as_array().unwrap().len(), 2, "{replay}: {status}");
    let expected = json!({
        "sql": queries(),
        "folder": dir.path().join("tiers/rollups"),
        "tiers": status["tiers"],
        "series": expected(&days, &plain, &status),
    });
    let file = dir.path().join("expected.json");
    write_file(&file, expected.to_string().as_bytes());
    let Output { status, stdout, stderr } = Command::new(python).arg(SCRIPT).arg(&file).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{replay}: {status}\n{}\n{}", text(&stdout), text(&stderr));
    say(&format!("tables: {}", text(&stdout).trim_end()));
}

/// The queries that the document gives for the tables, by the comment that each begins with.
fn queries() -> Map<String, Value> {
    let text = read(Path::new(DOCUMENT));
    let section = text.split("\n## ").find(|section| section.starts_with("Rollup tables")).unwrap();
    let blocks = section.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    // Those without a name are about what these series do not have: native histograms.
    let named = blocks.filter_map(|block| {
        let (name, query) = block.split_once('\n')?;
        Some((name.strip_prefix("-- ")?.to_owned(), Value::from(query)))
    });
    named.collect()
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut crate::process::open_file(path), &mut text).unwrap();
    text
}

/// What is expected of each series: facts by hour, and its increase over all rows of the finest tier.
fn expected(days: &Days, plain: &Kymo, status: &Value) -> Value {
    let rolled_to = millis(&status["tiers"][0]["to"]);
    let mut series = Map::new();
    for one in &days.series {
        let hours = (days.start_ms..days.end_ms).step_by(3_600_000);
        let hours = hours.map(|from| hour(one, from)).collect::<Map<_, _>>();
        let total = increase(one, i64::MIN, rolled_to);
        series.insert(key(&json!(one.labels)), json!({"total": total, "hours": hours}));
    }
    for (fact, function) in FACTS {
        for metric in Days::metrics() {
            let query = format!("{function}({metric}[1h])");
            let (start, end) = (days.start_ms + HOUR_MS, days.end_ms);
            let [start, end] = [start, end].map(|ms| (ms / 1_000).to_string());
            let params = [("query", &*query), ("start", &start), ("end", &end), ("step", "1h")];
            let data = api(&plain.url, "/api/v1/query_range", &params);
            assert!(!data["result"].as_array().unwrap().is_empty(), "{query}");
            for found in data["result"].as_array().unwrap() {
                let labels = &days.find(metric, &found["metric"]).labels;
                let hours = &mut series[&key(&json!(labels))]["hours"];
                for point in found["values"].as_array().unwrap() {
                    let value: f64 = point[1].as_str().unwrap().parse().unwrap();
                    hours[point[0].to_string()][fact] = json!(value);
                }
            }
        }
    }
    Value::Object(series)
}

/// Labels as text; `serde_json` sorts objects by key.
fn key(labels: &Value) -> String {
    labels.to_string()
}

/// The hour from `from` on, by its end in seconds, with the growth since the sample before each of its samples.
fn hour(series: &Series, from: i64) -> (String, Value) {
    let grown = increase(series, from, from + HOUR_MS);
    (((from + HOUR_MS) / 1_000).to_string(), json!({"increase": grown}))
}

/// How much a counter grew by its samples in `(from, to]`, each compared with the one before it, wherever that is.
fn increase(series: &Series, from: i64, to: i64) -> f64 {
    let grown = series.points.windows(2).filter(|pair| from < pair[1].ts && pair[1].ts <= to).map(|pair| {
        let (before, value) = (pair[0].value, pair[1].value);
        if value < before { value } else { value - before }
    });
    // The sum of sums of parts is as good as this one.
    grown.sum()
}
