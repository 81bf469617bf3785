//! Requests that must not harm: a clear error, nothing already stored lost, and the server goes on.

use crate::harness::{Server, V1, V2, message_v1, now, seconds};

/// The server still knows what it knew.
fn is_unharmed(server: &Server, ts: i64) {
    assert_eq!(server.query("before", ts)[0]["value"][1], "1");
}

fn prepared() -> (Server, i64) {
    let server = Server::new();
    let ts = now();
    server.store(&[("__name__", "before")], &[(ts, 1.0)]);
    (server, ts)
}

#[test]
fn damaged_and_lying_bodies_are_refused() {
    let (server, ts) = prepared();
    let good = message_v1(&[(&[("__name__", "m")], &[(ts, 1.0)])]);
    let snappy = snap::raw::Encoder::new().compress_vec(&good).unwrap();
    let mut flipped = snappy.clone();
    flipped[1] ^= 0xff;
    let mut length_lies = good.clone();
    length_lies[1] = 0x7f;
    let packed = |message: &[u8]| snap::raw::Encoder::new().compress_vec(message).unwrap();
    let cases: [(&str, Vec<u8>, u16); 9] = [
        ("empty body", vec![], 400),
        ("truncated snappy", snappy[..snappy.len() / 2].to_vec(), 400),
        ("damaged snappy", flipped, 400),
        ("4 GiB declared", b"\xff\xff\xff\xff\x0f\x00".to_vec(), 413),
        ("16 MiB declared in six bytes", b"\x80\x80\x80\x08abc".to_vec(), 400),
        ("truncated message", packed(&good[..good.len() - 3]), 400),
        ("length of a field beyond the message", packed(&length_lies), 400),
        ("endless varint", packed(&[0xff; 32]), 400),
        ("group wire type", packed(&[0x0b, 0x0b, 0x0b]), 400),
    ];
    for (what, body, status) in cases {
        for content_type in [V1, V2] {
            let headers = [("content-type", content_type), ("content-encoding", "snappy")];
            let answer = server.post("/api/v1/write", &headers, &body);
            assert_eq!(answer.status, status, "{what} as {content_type}: {}", answer.text());
            assert!(!answer.text().trim().is_empty(), "{what}: an error without a text");
        }
    }
    is_unharmed(&server, ts);
}

#[test]
fn huge_and_many_labels_are_refused_without_harm() {
    let (server, ts) = prepared();
    let huge = "x".repeat(10 << 20);
    let answer = server.write(V1, &message_v1(&[(&[("__name__", "m"), ("a", &huge)], &[(ts, 1.0)])]));
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 4096, "the error repeats the label");
    let names: Vec<String> = (0..200_000).map(|i| format!("l{i:07}")).collect();
    let mut labels: Vec<(&str, &str)> = vec![("__name__", "m")];
    labels.extend(names.iter().map(|name| (name.as_str(), "v")));
    let answer = server.write(V1, &message_v1(&[(&labels, &[(ts, 1.0)])]));
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 4096);
    is_unharmed(&server, ts);
}

#[test]
fn times_and_values_at_the_edge_are_handled() {
    let (server, ts) = prepared();
    for time in [i64::MIN, i64::MAX] {
        let answer = server.write(V1, &message_v1(&[(&[("__name__", "m")], &[(time, 1.0)])]));
        assert_eq!(answer.status, 400, "{time}");
    }
    let edges = [f64::NAN, f64::NEG_INFINITY, f64::MAX, -0.0, f64::MIN_POSITIVE / 2.0];
    let samples: Vec<_> =
        edges.iter().enumerate().map(|(i, value)| (ts - 10_000 + i as i64, *value)).collect();
    server.store(&[("__name__", "edge")], &samples);
    let values = server.get("/api/v1/query", &[("query", "edge[1m]"), ("time", &seconds(ts))]).data();
    let values: Vec<_> = values["result"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[1].as_str().unwrap().to_owned())
        .collect();
    let expected = ["NaN", "-Inf", "1.7976931348623157e+308", "-0", "1.1125369292536007e-308"];
    assert_eq!(values, expected);
    is_unharmed(&server, ts);
}

#[test]
fn parameters_that_make_no_sense_are_named() {
    let (server, ts) = prepared();
    let end = seconds(ts);
    let range = |start: &str, end: &str, step: &str| {
        server
            .get("/api/v1/query_range", &[("query", "up"), ("start", start), ("end", end), ("step", step)])
            .error()
    };
    let bad = |text: &str| (400, "bad_data".to_owned(), text.to_owned());
    let no_time = |name: &str, text: &str| {
        bad(&format!(r#"invalid parameter "{name}": cannot parse "{text}" to a valid timestamp"#))
    };
    for text in ["", "NaN", "Inf", "x", "9223372036854775807", "-9223372036854775808", "1e308"] {
        assert_eq!(range(text, &end, "15"), no_time("start", text));
        assert_eq!(range("0", text, "15"), no_time("end", text));
    }
    assert_eq!(
        range("2", "1", "15"),
        bad(r#"invalid parameter "end": end timestamp must not be before start time"#)
    );
    let step = "zero or negative query resolution step widths are not accepted. Try a positive integer";
    for text in ["0", "-1", "0.0001"] {
        assert_eq!(range("0", "1", text), bad(&format!(r#"invalid parameter "step": {step}"#)));
    }
    assert_eq!(range("0", "1", ""), bad(r#"invalid parameter "step": cannot parse "" to a valid duration"#));
    assert_eq!(
        range("0", "1", "1e300"),
        bad(r#"invalid parameter "step": cannot parse "1e300" to a valid duration. It overflows int64"#)
    );
    let points = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    assert_eq!(range("0", "11001", "1"), bad(points));
    let widest = ["-9223309901257974", "9223309901257974"];
    assert_eq!(range(widest[0], widest[1], "9223372036"), bad(points));
    let answer =
        server.get("/api/v1/query_range", &[("query", "1"), ("start", "0"), ("end", "11000"), ("step", "1")]);
    assert_eq!(answer.data()["result"][0]["values"].as_array().unwrap().len(), 11_001);
    assert_eq!(
        server.get("/api/v1/query", &[("query", "1"), ("time", "NaN")]).error(),
        bad(
            r#"invalid parameter "time": invalid time value for 'time': cannot parse "NaN" to a valid timestamp"#
        )
    );
    assert_eq!(server.get("/api/v1/series", &[]).error(), bad("no match[] parameter provided"));
    assert_eq!(server.get("/api/v1/labels", &[("match[]", "{}")]).error().0, 400);
    assert_eq!(
        server
            .get("/api/v1/query_range", &[("query", "up[5m]"), ("start", "0"), ("end", "1"), ("step", "1")])
            .error(),
        bad(
            r#"invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector"#
        )
    );
    is_unharmed(&server, ts);
}

#[test]
fn expressions_that_explode_are_refused() {
    let (server, ts) = prepared();
    let query = |expr: &str| server.form("/api/v1/query", &[("query", expr)]);
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(query(&deep).error().0, 400);
    assert_eq!(query(&format!("{}1", "-".repeat(10_000))).status / 100, 4);
    assert_eq!(query(&format!("{{a=~\"{}x{}\"}}", "(".repeat(5000), ")*".repeat(5000))).error().0, 400);
    assert_eq!(query(r#"{a=~"(((((((a{100}){100}){100}){100}){100}){100})"}"#).error().0, 400);
    assert_eq!(query("{a=~\"(\"}").error().0, 400);
    assert_eq!(query("").error().0, 400);
    assert_eq!(query("\u{0}").error().0, 400);
    let (status, kind, text) = query("vector(1) + on(x) group_left() {__name__=~\".+\"}[1y]").error();
    assert_eq!((status, kind.as_str()), (400, "bad_data"), "{text}");
    is_unharmed(&server, ts);
}

#[test]
fn an_expensive_query_ends_at_its_timeout() {
    let (server, ts) = prepared();
    let samples: Vec<_> = (0..1000).map(|i| (ts - 1_000_000 + i * 1000, 1.0)).collect();
    server.store(&[("__name__", "m")], &samples);
    let expr = "sum_over_time(count_over_time(m[1h:1s])[1h:1s])";
    let range = [
        ("query", expr),
        ("start", &*seconds(ts - 10_000_000)),
        ("end", &*seconds(ts)),
        ("step", "1"),
        ("timeout", "1ms"),
    ];
    let (status, kind, text) = server.form("/api/v1/query_range", &range).error();
    assert!(matches!((status, kind.as_str()), (503, "timeout") | (422, "execution")), "{status} {text}");
    is_unharmed(&server, ts);
}

#[test]
fn a_query_ends_when_its_client_leaves() {
    let (server, ts) = prepared();
    let running = |count: &str| {
        let deadline = now() + 60_000;
        let line = format!("kymo_queries_running {count}\n");
        while !server.get("/metrics", &[]).text().contains(&line) {
            assert!(now() < deadline, "never {line}");
        }
    };
    // Some hundred thousand windows of 86,400 values each: minutes of work.
    let form = format!(
        "query=quantile_over_time(0.5,vector(time())[1d:1s])&start={}&end={}&step=1",
        seconds(ts - 10_000_000),
        seconds(ts)
    )
    .replace('+', "%2B");
    let request = format!(
        "POST /api/v1/query_range HTTP/1.1\r\nHost: kymo\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let client = server.send(request.as_bytes());
    running("1");
    drop(client);
    running("0");
    is_unharmed(&server, ts);
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let (server, ts) = prepared();
    assert_eq!(server.get("/api/v1/nothing", &[]).status, 404);
    assert_eq!(server.get("/nothing", &[]).text(), "404 page not found\n");
    assert_eq!(server.get("/-/flush", &[]).status, 405);
    let answer = server.form("/api/v1/metadata", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (405, "Method Not Allowed\n"));
    assert_eq!(answer.header("allow"), "GET,HEAD");
    assert_eq!(server.get("/api/v1/label//values", &[]).error().2, r#"invalid label name: """#);
    assert_eq!(
        server.get("/api/v1/label/%ff/values", &[]).error(),
        (400, "bad_data".to_owned(), "invalid label name: not UTF-8".to_owned())
    );
    is_unharmed(&server, ts);
}

/// Texts of a megabyte, in the body of a request, end in the parser's error, whichever way they are odd.
#[test]
fn huge_expressions_are_refused_without_harm() {
    let (server, ts) = prepared();
    let deep = |open: &str, inner: &str, close: &str| {
        let count = 1_000_000 / (open.len() + close.len());
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let nested = "nested more than 500 levels deep";
    for (expr, problem) in [
        (deep("(", "x", ")"), nested),
        (deep("-", "x", ""), nested),
        (deep("a+", "a", ""), nested),
        (deep("2^", "2", ""), nested),
        (deep("sum(", "x", ")"), nested),
        (deep("", "x", "[5m:1m]"), nested),
        (format!("x[{}]", deep("(", "5m", ")")), nested),
        (deep("[", "x", "]"), "unexpected \"[\""),
        (deep("", "x", " offset 5m"), "offset may not be set multiple times"),
        (format!("x{{a=~'{}'}}", deep("(?i)a", "", "")), "expression too large"),
        ("9".repeat(1_000_000), "value out of range"),
    ] {
        for path in ["/api/v1/query", "/api/v1/parse_query", "/api/v1/format_query"] {
            let (status, kind, text) = server.form(path, &[("query", &expr)]).error();
            assert_eq!((status, kind.as_str()), (400, "bad_data"), "{}", &expr[..20]);
            assert!(text.contains(problem), "{} {}", &expr[..20], &text[..text.len().min(200)]);
        }
    }
    is_unharmed(&server, ts);
}
