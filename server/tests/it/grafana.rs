//! What Grafana's Prometheus data source asks, as it asks it.

use serde_json::json;

use crate::harness::{Server, V2, message_v2, now, seconds};

#[test]
fn the_health_check_is_a_query_at_time_four() {
    let server = Server::new();
    let answer = server.form("/api/v1/query", &[("query", "1+1"), ("time", "4")]);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#);
    let info = server.get("/api/v1/status/buildinfo", &[]).data();
    assert!(info["version"].as_str().unwrap().starts_with('3'));
    assert_eq!(info.get("features"), None, "Grafana would take us for another program");
}

#[test]
fn explore_draws_a_range_and_shows_an_instant() {
    let server = Server::new();
    let end = now();
    let samples: Vec<_> = (0..5).map(|i| (end - 60_000 + i64::from(i) * 15_000, f64::from(i))).collect();
    server.store(&[("__name__", "m"), ("job", "a<b")], &samples);
    let range = [("query", "m"), ("start", &*seconds(end - 60_000)), ("end", &*seconds(end)), ("step", "15")];
    for answer in [server.form("/api/v1/query_range", &range), server.get("/api/v1/query_range", &range)] {
        let values: Vec<_> =
            samples.iter().map(|(ts, value)| json!([ts / 1000, value.to_string()])).collect();
        let expected = json!({"resultType": "matrix", "result": [
            {"metric": {"__name__": "m", "job": "a<b"}, "values": values}
        ]});
        assert_eq!(answer.data(), expected);
        assert!(answer.text().contains(r#""job":"a<b""#), "labels are not escaped for HTML");
    }
    assert_eq!(server.query("m", end + 1)[0]["value"][1], "4");
    let limited = server.form("/api/v1/query", &[("query", "m"), ("stats", "all"), ("limit", "1")]);
    assert!(limited.data()["stats"]["samples"]["peakSamples"].is_u64());
}

#[test]
fn the_label_browser_sees_series_names_and_values() {
    let server = Server::new();
    let ts = now();
    server.store(&[("__name__", "a_total"), ("job", "x")], &[(ts, 1.0)]);
    server.store(&[("__name__", "b_total"), ("job", "y"), ("http.status", "200")], &[(ts, 1.0)]);
    let (start, end) = (seconds(ts - 3_600_000), seconds(ts + 1000));
    let range = [("start", start.as_str()), ("end", end.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&range[..], more].concat();

    let series = with(&[("match[]", r#"{__name__!=""}"#), ("limit", "40000")]);
    assert_eq!(server.form("/api/v1/series", &series).data().as_array().unwrap().len(), 2);
    let names = server.form("/api/v1/labels", &with(&[("limit", "40000")])).data();
    assert_eq!(names, json!(["__name__", "http.status", "job"]));
    let matched = with(&[("match[]", r#"a_total{job="x"}"#)]);
    assert_eq!(server.get("/api/v1/labels", &matched).data(), json!(["__name__", "job"]));
    assert_eq!(server.get("/api/v1/label/job/values", &range).data(), json!(["x", "y"]));
    assert_eq!(server.get("/api/v1/label/job/values", &matched).data(), json!(["x"]));
    assert_eq!(server.get("/api/v1/label/U__http_2e_status/values", &range).data(), json!(["200"]));
    let two = with(&[("match[]", "a_total"), ("match[]", "b_total")]);
    assert_eq!(server.get("/api/v1/label/__name__/values", &two).data(), json!(["a_total", "b_total"]));
    let cut = server.get("/api/v1/label/__name__/values", &with(&[("limit", "1")])).json();
    assert_eq!(cut["data"], json!(["a_total"]));
    assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
}

#[test]
fn metadata_comes_from_remote_write() {
    let server = Server::new();
    assert_eq!(server.get("/api/v1/metadata", &[]).text(), r#"{"status":"success","data":{}}"#);
    let symbols = ["", "__name__", "a_bucket", "help < text", "seconds"];
    let message = message_v2(&symbols, |request| {
        request.series(|series| {
            series.label_refs(&[1, 2]).sample(&kymo_formats::wire::remote_write::Sample {
                ts: now(),
                value: 1.0,
                start_ts: 0,
            });
            series.metadata(kymo_formats::wire::MetricType::Histogram, 3, 4);
        });
    });
    assert_eq!(server.write(V2, &message).status, 204);
    let answer = server.get("/api/v1/metadata", &[("limit", "10")]);
    assert_eq!(
        answer.data(),
        json!({"a": [{"type": "histogram", "help": "help < text", "unit": "seconds"}]})
    );
    assert!(answer.text().contains(r"help \u003c text"), "ordinary strings are escaped for HTML");
    assert_eq!(server.get("/api/v1/metadata", &[("metric", "none")]).data(), json!({}));
}

#[test]
fn the_probe_for_exemplars_asks_for_the_year_55000() {
    let server = Server::new();
    let ms = now().to_string();
    let probe = [("query", "test"), ("start", ms.as_str()), ("end", ms.as_str())];
    assert_eq!(server.form("/api/v1/query_exemplars", &probe).data(), json!([]));
    assert_eq!(server.get("/api/v1/query_exemplars", &[("query", "1+1")]).status, 204);
}

#[test]
fn rules_alerts_and_targets_are_empty_in_upstreams_shape() {
    let server = Server::new();
    let cases = [
        ("/api/v1/rules", r#"{"groups":[]}"#),
        ("/api/v1/alerts", r#"{"alerts":[]}"#),
        ("/api/v1/targets", r#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}"#),
        ("/api/v1/targets/metadata", "[]"),
        ("/api/v1/scrape_pools", r#"{"scrapePools":[]}"#),
        ("/api/v1/alertmanagers", r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#),
        ("/api/v1/notifications", "[]"),
    ];
    for (path, data) in cases {
        assert_eq!(
            server.get(path, &[]).text(),
            format!(r#"{{"status":"success","data":{data}}}"#),
            "{path}"
        );
        assert_eq!(
            server.form(path, &[]).status,
            405,
            "{path} is for GET only, and Grafana falls back to it"
        );
    }
    let (status, kind, text) = server.get("/api/v1/rules", &[("type", "x")]).error();
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    assert_eq!(text, r#"invalid parameter "type": not supported value "x""#);
}

#[test]
fn the_editor_formats_and_parses() {
    let server = Server::new();
    let formatted = server.form("/api/v1/format_query", &[("query", "sum( rate(a{b='c'}[5m]) )by(d)")]);
    assert_eq!(formatted.data(), json!(r#"sum by (d) (rate(a{b="c"}[5m]))"#));
    let parsed = server.get("/api/v1/parse_query", &[("query", "foo{a!='b'}")]).data();
    assert_eq!(parsed["type"], "vectorSelector");
    assert_eq!(parsed["matchers"][0], json!({"name": "a", "type": "!=", "value": "b"}));
    let (status, kind, text) = server.get("/api/v1/parse_query", &[("query", "foo{")]).error();
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    assert!(text.starts_with(r#"invalid parameter "query": 1:5: parse error: "#), "{text}");
}

#[test]
fn answers_are_compressed_and_open_to_browsers() {
    let server = Server::new();
    let raw = |encoding: &str| {
        let head = format!(
            "GET /api/v1/features HTTP/1.1\r\nHost: k\r\nOrigin: http://g\r\n{encoding}Connection: close\r\n\r\n"
        );
        server.raw(head.as_bytes())
    };
    let answers = [raw(""), raw("Accept-Encoding: gzip\r\n")];
    assert!(answers[1].len() < answers[0].len() / 3 * 2);
    let [plain, compressed] = answers.map(|answer| String::from_utf8_lossy(&answer).to_lowercase());
    assert!(plain.contains("access-control-allow-origin: *\r\n"), "{plain}");
    assert!(plain.contains(r#"{"status":"success","data":{"api":{"#), "{plain}");
    assert!(!plain.contains("content-encoding"), "{plain}");
    assert!(compressed.contains("content-encoding: gzip\r\n"), "{compressed}");
    // The client of these tests decompresses by itself.
    let answer = server.get_with("/api/v1/features", &[("accept-encoding", "gzip")]);
    assert_eq!(answer.data()["api"]["remote_write_receiver"], true);
}

#[test]
fn a_form_may_be_compressed() {
    use std::io::Write as _;
    let server = Server::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"query=1%2B1&time=4").unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "gzip")];
    let answer = server.post("/api/v1/query", &headers, &encoder.finish().unwrap());
    assert_eq!(answer.data()["result"], json!([4, "2"]));
}

#[test]
fn status_pages_have_upstreams_fields() {
    let server = Server::new();
    server.store(&[("__name__", "m")], &[(now(), 1.0)]);
    let has = |path: &str, pointers: &[&str]| {
        let data = server.get(path, &[]).data();
        for pointer in pointers {
            assert!(data.pointer(pointer).is_some(), "{path} has no {pointer}: {data}");
        }
    };
    has("/api/v1/status/config", &["/yaml"]);
    has("/api/v1/status/flags", &["/data-dir", "/listen"]);
    has(
        "/api/v1/status/runtimeinfo",
        &["/startTime", "/reloadConfigSuccess", "/storageRetention", "/corruptionCount"],
    );
    has(
        "/api/v1/status/tsdb",
        &["/headStats/numSeries", "/seriesCountByMetricName", "/labelValueCountByLabelName"],
    );
    has("/api/v1/status/tsdb/blocks", &["/blocks"]);
    has("/api/v1/status/walreplay", &["/min", "/max", "/current"]);
    has(
        "/api/v1/features",
        &["/api/remote_write_receiver", "/promql_functions/rate", "/promql_operators/>="],
    );
    has("/api/v1/status/kymo", &["/series", "/levels", "/wal_bytes", "/open_to_network"]);
}
