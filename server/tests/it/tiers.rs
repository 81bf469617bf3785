//! The tiers of a running server: what is told of them, rolling up on request, what a query has read and where.

use serde_json::Value;

use crate::{
    harness::{Server, now, seconds},
    transfer::{kymo, kymo_ends},
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const WITHOUT_TIERS: &str = "self_metrics: {enabled: false}\ntiers: {rollups: []}\n";

/// A server with two counters that had a sample each minute of the last six whole hours, and the end of the last one.
fn server_with_hours() -> (Server, i64) {
    let server = Server::new();
    let now = now();
    let hour = now - now % HOUR_MS;
    // A little further than the hour, and perhaps than the clock, so that the hour is over by the time of the data.
    let samples: Vec<_> = (1..)
        .map(|n| (hour - 6 * HOUR_MS + n * MINUTE_MS, n as f64))
        .take_while(|(ts, _)| *ts < hour + 5 * MINUTE_MS)
        .collect();
    for value in ["a", "b"] {
        server.store(&[("__name__", "requests_total"), ("job", value)], &samples);
    }
    (server, hour)
}

fn tier<'a>(answer: &'a Value, table: &str) -> &'a Value {
    answer["tiers"].as_array().unwrap().iter().find(|tier| tier["table"] == table).unwrap()
}

#[test]
fn tiers_are_rolled_up_on_request() {
    let (server, hour) = server_with_hours();
    let before = server.get("/api/v1/status/tiers", &[]).data();
    assert_eq!(tier(&before, "rollup_5m")["rows"], 0, "{before}");
    assert_eq!(server.get("/api/v1/admin/tiers/rollup", &[]).status, 405);
    let after = server.form("/api/v1/admin/tiers/rollup", &[]).data();
    let (fine, coarse) = (tier(&after, "rollup_5m"), tier(&after, "rollup_1h"));
    assert_eq!(
        (&fine["series"], &fine["isRead"], &fine["place"]),
        (&2.into(), &true.into(), &"local".into())
    );
    assert_eq!(fine["rows"], 2 * 6 * 12, "{fine}");
    assert_eq!(coarse["rows"], 2 * 6, "{coarse}");
    assert_eq!(coarse["from"].as_f64(), Some(((hour - 6 * HOUR_MS) / 1_000) as f64));
    assert_eq!(coarse["to"].as_f64(), Some((hour / 1_000) as f64));
    assert!(coarse["bytes"].as_u64().unwrap() > 0 && coarse["objects"].as_u64().unwrap() > 0, "{coarse}");
    let later = server.form("/api/v1/admin/tiers/rollup", &[]).data();
    assert_eq!((&later["jobs"], &later["rows"]), (&after["jobs"], &after["rows"]), "nothing is left to do");
}

#[test]
fn a_query_tells_what_it_has_read_and_where() {
    let (server, hour) = server_with_hours();
    server.form("/api/v1/admin/tiers/rollup", &[]).data();
    let (start, end) = (seconds(hour - 2 * HOUR_MS), seconds(hour));
    let parts = |expr: &str| {
        let params = [("query", expr), ("start", &*start), ("end", &*end), ("step", "1h"), ("stats", "true")];
        let explained = server.form("/api/v1/explain", &params).data();
        assert!(explained.get("result").is_none(), "{explained}");
        let answered = server.form("/api/v1/query_range", &params).data();
        let what = |selectors: &Value, key: &str| selectors[0]["parts"][0][key].clone();
        for key in ["source", "exact", "series", "rows", "bytes"] {
            assert_eq!(what(&answered["stats"]["selectors"], key), what(&explained["selectors"], key));
        }
        let selectors = explained["selectors"].as_array().unwrap();
        assert_eq!(selectors.len(), 1, "{explained}");
        selectors[0]["parts"].as_array().unwrap().clone()
    };
    let aligned = parts("increase(requests_total[1h])");
    assert_eq!(aligned.len(), 1, "{aligned:?}");
    assert_eq!((&aligned[0]["source"], &aligned[0]["exact"]), (&"1h".into(), &true.into()));
    assert_eq!((&aligned[0]["series"], &aligned[0]["rows"]), (&2.into(), &6.into()));
    assert!(aligned[0]["bytes"].as_u64().unwrap() > 0);
    // Beside samples, a row of an hour is cheaper than its 60 of them, and one of five minutes is not.
    assert_eq!(server.post("/-/flush", &[], b"").status, 200);
    for (expr, source) in
        [("increase(requests_total[1h])", "1h"), ("increase(requests_total[5m])", "samples")]
    {
        assert_eq!(parts(expr)[0]["source"], source, "{expr}");
    }
    let unaligned = parts("increase(requests_total[61m])");
    assert!(unaligned.iter().all(|part| part["source"] == "samples"), "the samples are there: {unaligned:?}");
    assert_eq!(server.form("/api/v1/explain", &[("query", "sum(")]).error().1, "bad_data");
}

#[test]
fn commands_show_tiers_roll_up_and_explain() {
    let (server, hour) = server_with_hours();
    let rolled = kymo_ends(0, &["rollup", "--now", "--url", &server.url]).out;
    let (first, table) = rolled.split_once('\n').unwrap();
    assert!(first.contains(" jobs wrote ") && !first.starts_with('0'), "{first}");
    let tiers = kymo_ends(0, &["tiers", "--url", &server.url]).out;
    assert_eq!(table.trim_start(), tiers);
    let line = tiers.lines().find(|line| line.contains("rollup_1h")).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!((cells[1], cells[9], cells[10]), ("local", "2", "12"), "{tiers}");
    let again = kymo_ends(0, &["rollup", "--now", "--url", &server.url]).out;
    assert!(again.starts_with("0 jobs wrote 0 rows"), "{again}");

    let time = seconds(hour);
    let expr = "increase(requests_total[1h])";
    let args = ["explain", expr, "--time", &time, "--range", "2h", "--step", "1h", "--url", &server.url];
    let explained = kymo_ends(0, &args).out;
    assert!(
        explained.lines().any(|line| line.trim_start().starts_with("1h ") && line.contains("exact")),
        "{explained}"
    );
}

#[test]
fn without_tiers_there_is_nothing_to_roll_up() {
    let server = Server::with_config(WITHOUT_TIERS);
    server.store(&[("__name__", "m")], &[(now() - HOUR_MS, 1.0)]);
    assert_eq!(server.form("/api/v1/admin/tiers/rollup", &[]).data()["tiers"], Value::Array(Vec::new()));
    assert!(kymo_ends(0, &["tiers", "--url", &server.url]).out.starts_with("no tiers"));
    let refused = kymo(&["rollup", "--url", &server.url]);
    assert!(refused.code != Some(0) && refused.errors.contains("--now"), "{}", refused.errors);
}
