//! Parts of PromQL that are off unless named.

use serde_json::json;

use crate::harness::{Server, now};

const ALL: &str = "promql-experimental-functions, promql-extended-range-selectors, promql-binop-fill-modifiers, \
                   promql-delayed-name-removal, promql-per-step-stats, use-start-timestamps, type-and-unit-labels";

fn with_all() -> Server {
    Server::with_config(&format!("self_metrics: {{enabled: false}}\nquery: {{features: [{ALL}]}}\n"))
}

#[test]
fn what_is_not_named_is_refused_as_upstream_refuses_it() {
    let (plain, full) = (Server::new(), with_all());
    let cases = [
        ("mad_over_time(m[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"),
        (
            "limitk(1, m)",
            "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("rate(m[5m] anchored)", "1:6: parse error: anchored modifier is experimental and not enabled"),
        ("m + fill(0) m", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ];
    for (expr, message) in cases {
        for path in ["/api/v1/query", "/api/v1/parse_query", "/api/v1/format_query"] {
            let (status, kind, text) = plain.get(path, &[("query", expr)]).error();
            assert_eq!((status, kind.as_str()), (400, "bad_data"), "{path} {expr}");
            assert_eq!(text, format!("invalid parameter \"query\": {message}"), "{path} {expr}");
            full.get(path, &[("query", expr)]).data();
        }
    }
}

#[test]
fn the_list_of_features_tells_what_is_on() {
    for (server, on) in [(Server::new(), false), (with_all(), true)] {
        let features = server.get("/api/v1/features", &[]).data();
        for (category, name) in [
            ("promql", "anchored"),
            ("promql", "fill"),
            ("promql", "delayed_name_removal"),
            ("promql", "per_step_stats"),
            ("promql", "type_and_unit_labels"),
            ("promql_functions", "info"),
            ("promql_operators", "limitk"),
        ] {
            assert_eq!(features[category][name], json!(on), "{category} {name}");
        }
    }
}

#[test]
fn names_are_removed_when_told() {
    let ts = now();
    // Removed at once, the name is no longer there to be copied.
    for (server, expected) in [(Server::new(), json!({})), (with_all(), json!({"was": "m"}))] {
        server.store(&[("__name__", "m")], &[(ts, 2.0)]);
        let expr = r#"label_replace(abs(m), "was", "$1", "__name__", "(.*)")"#;
        let result = &server.get("/api/v1/query", &[("query", expr)]).data()["result"];
        assert_eq!(result[0]["metric"], expected);
    }
}

#[test]
fn steps_are_counted_when_told_and_asked() {
    let ts = now() / 1000 * 1000;
    let [start, end] = [ts - 1000, ts].map(|ms| (ms / 1000).to_string());
    let step = [("query", "m"), ("start", &*start), ("end", &*end), ("step", "1")];
    for (server, told) in [(Server::new(), false), (with_all(), true)] {
        server.store(&[("__name__", "m")], &[(ts - 500, 2.0)]);
        for (stats, asked) in [("true", false), ("all", true)] {
            let answer = server.get("/api/v1/query_range", &[&step[..], &[("stats", stats)]].concat());
            let samples = &answer.data()["stats"]["samples"];
            assert_eq!(samples["totalQueryableSamples"], 1, "{samples}");
            let counts = json!([[(ts - 1000) / 1000, 0], [ts / 1000, 1]]);
            let expected = if told && asked { counts } else { json!(null) };
            assert_eq!(samples["totalQueryableSamplesPerStep"], expected, "{stats}");
            assert_eq!(samples["samplesReadPerStep"], expected, "{stats}");
        }
    }
}
