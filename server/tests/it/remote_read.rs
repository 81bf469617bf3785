//! Remote read, as another Prometheus asks.

use kymo_formats::{
    codec::xor,
    wire::remote_read::{
        ChunkEncoding, ChunkedFrames, MatchType, Matcher, Query, ReadRequest, ReadResponse, ResponseType,
    },
};

use crate::harness::{Answer, Server, now};

const EXTERNAL: &str = "self_metrics: {enabled: false}\nexternal_labels: {replica: a, job: external}\n";

/// The answer to one query.
pub(crate) fn read(
    server: &Server,
    start_ms: i64,
    end_ms: i64,
    types: &[ResponseType],
    matchers: &[(&str, &str)],
) -> Answer {
    let matchers = matchers
        .iter()
        .map(|(name, value)| Matcher {
            match_type: MatchType::Equal,
            name: name.as_bytes(),
            value: value.as_bytes(),
        })
        .collect();
    let request = ReadRequest {
        queries: vec![Query { start_ms, end_ms, matchers, hints: None }],
        accepted_response_types: types.to_vec(),
    };
    let mut message = Vec::new();
    request.encode(&mut message);
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
    server.post("/api/v1/read", &headers, &body)
}

fn text(labels: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> String {
    let pairs = labels.map(|(name, value)| {
        format!("{}={}", String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap())
    });
    pairs.collect::<Vec<_>>().join(",")
}

fn owned<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    labels.map(|(name, value)| (name.to_vec(), value.to_vec()))
}

#[test]
fn samples_come_in_one_message() {
    let server = Server::with_config(EXTERNAL);
    let ts = now();
    server.store(&[("__name__", "m"), ("job", "own")], &[(ts - 2, 1.0), (ts - 1, 2.0), (ts, 3.0)]);
    server.store(&[("__name__", "n")], &[(ts, 1.0)]);
    let answer = read(&server, ts - 1, ts, &[], &[("__name__", "m"), ("replica", "a")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    assert_eq!(answer.header("content-encoding"), "snappy");
    let message = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
    let response = ReadResponse::parse(&message).unwrap();
    assert_eq!(response.results.len(), 1);
    let [series] = &response.results[0][..] else { panic!("{} series", response.results[0].len()) };
    assert_eq!(text(owned(series.labels())), "__name__=m,job=own,replica=a");
    let samples: Vec<_> = series.samples().map(|sample| (sample.ts, sample.value)).collect();
    assert_eq!(samples, [(ts - 1, 2.0), (ts, 3.0)]);
}

#[test]
fn chunks_come_in_a_stream_of_frames() {
    let server = Server::with_config(EXTERNAL);
    let end = now();
    let samples: Vec<_> = (0..500).map(|i| (end - 500 * 15_000 + i * 15_000, i as f64)).collect();
    for name in ["b", "a"] {
        server.store(&[("__name__", name), ("x", "y")], &samples);
    }
    let types = [ResponseType::StreamedXorChunks, ResponseType::Samples];
    let answer = read(&server, 0, end, &types, &[("x", "y")]);
    assert_eq!(
        answer.header("content-type"),
        "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
    );
    let mut found = Vec::new();
    for frame in ChunkedFrames::new(&answer.body) {
        let frame = frame.unwrap();
        assert_eq!((frame.query_index, frame.series.len()), (0, 1));
        let series = &frame.series[0];
        let (mut ts, mut values) = (Vec::new(), Vec::new());
        for chunk in &series.chunks {
            assert_eq!(chunk.encoding, ChunkEncoding::Xor);
            xor::decode(chunk.data, &mut ts, &mut values).unwrap();
        }
        let read: Vec<_> = ts.into_iter().zip(values).collect();
        assert_eq!(read, samples);
        found.push(text(owned(series.labels())));
    }
    let expected = ["a", "b"].map(|name| format!("__name__={name},job=external,replica=a,x=y"));
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_request_is_refused() {
    let server = Server::new();
    let post = |body: &[u8]| server.post("/api/v1/read", &[("content-encoding", "snappy")], body).status;
    assert_eq!(post(b""), 400);
    assert_eq!(post(b"\xff\xff\xff\xff\x0f"), 413);
    assert_eq!(post(&snap::raw::Encoder::new().compress_vec(b"\x0a\x7f").unwrap()), 400);
}
