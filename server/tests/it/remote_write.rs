//! Remote write 1.0 and 2.0: negotiation, partial writes, what is stored.

use kymo_formats::{
    histogram::{FloatHistogram, Histogram, HistogramValue, Span},
    wire::{
        MetricType,
        remote_write::{HistogramSample, Sample, v1},
    },
};
use serde_json::json;

use crate::harness::{Server, V1, V2, message_v1, message_v2, now, seconds};

const SYMBOLS: [&str; 6] = ["", "__name__", "m", "job", "a", "trace_id"];

fn sample(ts: i64, value: f64) -> Sample {
    Sample { ts, value, start_ts: 0 }
}

#[test]
fn the_head_decides_before_the_body() {
    let server = Server::new();
    let message = message_v1(&[(&[("__name__", "m")], &[(now(), 1.0)])]);
    let snappy = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let v1_named = "application/x-protobuf;proto=prometheus.WriteRequest";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16);
    let cases: [Case<'_>; 8] = [
        (&[("content-type", V1), ("content-encoding", "snappy")], &snappy, 204),
        (&[("content-type", v1_named), ("content-encoding", "snappy")], &snappy, 204),
        (&[("content-encoding", "snappy")], &snappy, 204),
        (&[("content-type", V1)], &message, 204),
        (&[("content-type", "application/json"), ("content-encoding", "snappy")], b"{}", 415),
        (&[("content-type", "application/x-protobuf;proto=other.Message")], &message, 415),
        (&[("content-type", V1), ("content-encoding", "gzip")], &snappy, 415),
        (&[("content-type", V1), ("content-encoding", "zstd")], &snappy, 415),
    ];
    for (headers, body, status) in cases {
        let answer = server.post("/api/v1/write", headers, body);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert_eq!(answer.body.is_empty(), status == 204);
    }
    assert_eq!(server.get("/api/v1/write", &[]).status, 405);
}

#[test]
fn both_versions_store_and_count() {
    let server = Server::new();
    let ts = now();
    let first =
        server.write(V1, &message_v1(&[(&[("__name__", "m"), ("job", "v1")], &[(ts, 1.5), (ts + 1, 2.5)])]));
    assert_eq!((first.status, first.written()), (204, ["2", "0", "0"]));
    let message = message_v2(&SYMBOLS, |request| {
        request.series(|series| {
            series.label_refs(&[1, 2, 3, 4]).sample(&sample(ts, 3.5)).exemplar(&[5, 4], 1.0, ts);
        });
    });
    let second = server.write(V2, &message);
    assert_eq!((second.status, second.written()), (204, ["1", "0", "1"]));
    let result = server.query("sum by (job) (m)", ts + 1);
    assert_eq!(result[0]["metric"], json!({"job": "a"}));
    assert_eq!((&result[0]["value"][1], &result[1]["value"][1]), (&json!("3.5"), &json!("2.5")));
    let exemplars = server.get("/api/v1/query_exemplars", &[("query", "m")]).data();
    assert_eq!(exemplars[0]["seriesLabels"], json!({"__name__": "m", "job": "a"}));
    assert_eq!(exemplars[0]["exemplars"][0]["labels"], json!({"trace_id": "a"}));
}

#[test]
fn what_is_wrong_does_not_cost_what_is_right() {
    let server = Server::new();
    let ts = now();
    let message = message_v2(&SYMBOLS, |request| {
        // A reference beyond the table, an odd number of them, no name, nothing in it, and one that is right.
        request.series(|series| {
            series.label_refs(&[1, 99]).sample(&sample(ts, 1.0));
        });
        request.series(|series| {
            series.label_refs(&[1, 2, 3]).sample(&sample(ts, 1.0));
        });
        request.series(|series| {
            series.label_refs(&[3, 4]).sample(&sample(ts, 1.0));
        });
        request.series(|series| {
            series.label_refs(&[1, 2]);
        });
        request.series(|series| {
            series.label_refs(&[1, 2, 3, 4]).sample(&sample(ts, 7.0));
        });
    });
    let answer = server.write(V2, &message);
    assert_eq!((answer.status, answer.written()), (400, ["1", "0", "0"]), "{}", answer.text());
    let text = answer.text();
    assert!(text.starts_with("parsing labels for series [1 99]: "), "{text}");
    assert!(
        text.contains(
            r#"TimeSeries must contain at least one sample or histogram for series {__name__="m"}"#
        ),
        "{text}"
    );
    assert_eq!(server.query("m", ts)[0]["value"][1], "7");
}

#[test]
fn invalid_label_sets_are_named_and_the_rest_is_stored() {
    let server = Server::new();
    let ts = now();
    let rows: &[(i64, f64)] = &[(ts, 1.0)];
    let message = message_v1(&[
        (&[("job", "no name")], rows),
        (&[("__name__", "m"), ("a", "1"), ("a", "2")], rows),
        (&[("__name__", "m"), ("z", "unsorted"), ("b", "1")], rows),
        (&[("__name__", "ok")], rows),
    ]);
    let answer = server.write(V1, &message);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.written(), ["2", "0", "0"], "{}", answer.text());
    let text = answer.text();
    assert!(text.contains("no name"), "{text}");
    assert_eq!(server.query(r#"count({__name__=~"m|ok"})"#, ts)[0]["value"][1], "2");
}

#[test]
fn repeats_succeed_and_contradictions_do_not() {
    let server = Server::new();
    let ts = now();
    let labels = [("__name__", "m")];
    server.store(&labels, &[(ts, 1.0)]);
    server.store(&labels, &[(ts, 1.0)]);
    let answer = server.write(V1, &message_v1(&[(&labels, &[(ts, 2.0), (ts + 1, 3.0)])]));
    assert_eq!((answer.status, answer.written()), (400, ["1", "0", "0"]));
    assert_eq!(answer.text(), "duplicate sample for timestamp for series {__name__=\"m\"}\n");
    let answer = server.write(V1, &message_v1(&[(&labels, &[(ts + 3_600_000, 2.0)])]));
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("out of bounds"), "{}", answer.text());
}

#[test]
fn late_samples_are_welcome() {
    let server = Server::new();
    let ts = now();
    let labels = [("__name__", "m")];
    server.store(&labels, &[(ts, 3.0)]);
    server.store(&labels, &[(ts - 86_400_000, 1.0), (ts - 60_000, 2.0)]);
    let end = seconds(ts);
    let range = [("query", "m[2d]"), ("time", end.as_str())];
    let values = server.get("/api/v1/query", &range).data()["result"][0]["values"].take();
    let values: Vec<_> = values.as_array().unwrap().iter().map(|pair| pair[1].as_str().unwrap()).collect();
    assert_eq!(values, ["1", "2", "3"]);
}

#[test]
fn native_histograms_are_stored_and_shown() {
    let server = Server::new();
    let ts = now();
    let histogram = Histogram {
        count: 3,
        sum: 4.5,
        zero_threshold: 0.5,
        zero_count: 1,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![1, 0],
        ..Histogram::default()
    };
    let float = FloatHistogram {
        count: 1.5,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![1.5],
        ..FloatHistogram::default()
    };
    let mut message = Vec::new();
    let values = [HistogramValue::Integer(histogram), HistogramValue::Float(float)];
    for (name, value) in ["h", "f"].into_iter().zip(values) {
        v1::WriteRequestEncoder::new(&mut message).series(|series| {
            series.label(b"__name__", name.as_bytes());
            series.histogram(&HistogramSample { ts, start_ts: 0, value });
        });
    }
    let answer = server.write(V1, &message);
    assert_eq!((answer.status, answer.written()), (204, ["0", "2", "0"]), "{}", answer.text());
    assert_eq!(
        server.query("h", ts)[0]["histogram"][1],
        json!({"count": "3", "sum": "4.5", "buckets": [
            [3, "-0.5", "0.5", "1"], [0, "0.5", "1", "1"], [0, "1", "2", "1"]
        ]})
    );
    assert_eq!(server.query("histogram_count(f)", ts)[0]["value"][1], "1.5");
}

#[test]
fn late_exemplars_are_reported_to_those_who_understand() {
    let server = Server::new();
    let ts = now();
    let mut old = Vec::new();
    for exemplar_ts in [ts, ts - 1000] {
        v1::WriteRequestEncoder::new(&mut old).series(|series| {
            series.label(b"__name__", b"m").label(b"job", b"a");
            series.sample(&sample(ts, 1.0));
            series.exemplar([(&b"trace_id"[..], &b"x"[..])], 1.0, exemplar_ts);
        });
    }
    let answer = server.write(V1, &old);
    assert_eq!((answer.status, answer.written()), (204, ["2", "0", "1"]), "{}", answer.text());
    let late = message_v2(&SYMBOLS, |request| {
        request.series(|series| {
            series.label_refs(&[1, 2, 3, 4]).sample(&sample(ts, 1.0)).exemplar(&[5, 4], 1.0, ts - 2000);
        });
    });
    let answer = server.write(V2, &late);
    assert_eq!((answer.status, answer.written()), (400, ["1", "0", "0"]));
    assert_eq!(answer.text(), "out of order exemplar for series {__name__=\"m\", job=\"a\"}\n");
}

/// Prometheus 3.14 sends each exemplar in a series without samples.
#[test]
fn exemplars_may_come_without_samples() {
    let server = Server::new();
    let ts = now();
    let message = message_v2(&SYMBOLS, |request| {
        request.series(|series| {
            series.label_refs(&[1, 2, 3, 4]).exemplar(&[5, 4], 1.0, ts);
        });
        request.series(|series| {
            series.label_refs(&[1, 2, 3, 4]).exemplar(&[5, 3], 2.0, ts);
        });
    });
    let answer = server.write(V2, &message);
    assert_eq!((answer.status, answer.written()), (204, ["0", "0", "2"]), "{}", answer.text());
    let exemplars = server.get("/api/v1/query_exemplars", &[("query", "m")]).data();
    assert_eq!(exemplars[0]["exemplars"].as_array().map(Vec::len), Some(2), "{exemplars}");
}

#[test]
fn a_request_too_large_for_one_commit_is_stored_whole() {
    const COUNT: i64 = 600_000;
    let server = Server::new();
    let ts = now();
    let samples: Vec<_> = (1..=COUNT).map(|i| (ts - COUNT + i, 1.0)).collect();
    let answer = server.write(V1, &message_v1(&[(&[("__name__", "m")], &samples)]));
    assert_eq!((answer.status, answer.written()), (204, ["600000", "0", "0"]), "{}", answer.text());
    assert_eq!(server.query("count_over_time(m[1h])", ts)[0]["value"][1], "600000");
}

#[test]
fn a_body_may_come_in_pieces() {
    let server = Server::new();
    let ts = now();
    let message = message_v1(&[(&[("__name__", "m")], &[(ts, 1.0)])]);
    let mut request = b"POST /api/v1/write HTTP/1.1\r\nHost: kymo\r\nTransfer-Encoding: chunked\r\n\
                        Connection: close\r\n\r\n"
        .to_vec();
    for piece in message.chunks(5) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = String::from_utf8(server.raw(&request)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(server.query("m", ts)[0]["value"][1], "1");
}

#[test]
fn type_and_unit_become_labels_if_switched_on() {
    let symbols = ["", "__name__", "m_seconds", "__type__", "summary", "seconds", "help", "n"];
    let ts = now();
    let message = message_v2(&symbols, |request| {
        request.series(|series| {
            // The label that was sent gives way to what the metadata say.
            series.label_refs(&[1, 2, 3, 4]).sample(&sample(ts, 1.0)).metadata(MetricType::Counter, 6, 5);
        });
        request.series(|series| {
            series.label_refs(&[1, 7, 3, 4]).sample(&sample(ts, 2.0)).metadata(MetricType::Unknown, 6, 0);
        });
    });
    let switch = "self_metrics: {enabled: false}\nquery: {features: [type-and-unit-labels]}\n";
    let typed = json!({"__name__": "m_seconds", "__type__": "counter", "__unit__": "seconds"});
    for (server, expected) in [
        (Server::with_config(switch), typed),
        (Server::new(), json!({"__name__": "m_seconds", "__type__": "summary"})),
    ] {
        for _ in 0..2 {
            let answer = server.write(V2, &message);
            assert_eq!((answer.status, answer.written()), (204, ["2", "0", "0"]), "{}", answer.text());
        }
        assert_eq!(server.query("m_seconds", ts)[0]["metric"], expected);
        assert_eq!(server.query("n", ts)[0]["metric"], json!({"__name__": "n", "__type__": "summary"}));
        assert_eq!(server.query("count({__name__=~\".+\"})", ts)[0]["value"][1], "2");
        let metadata = server.get("/api/v1/metadata", &[]).data();
        assert_eq!(metadata["m_seconds"][0]["unit"], "seconds", "{metadata}");
    }
}
