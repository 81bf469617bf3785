//! Tests of requests and of both kinds of answers.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::wire::remote_write::Sample;

/// Written by Python's protobuf package from the protocol's own definition.
const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/remote-read.bin");

fn golden() -> ReadRequest<'static> {
    ReadRequest {
        queries: vec![Query {
            start_ms: -10,
            end_ms: 1_700_000_000_000,
            matchers: vec![
                Matcher { match_type: MatchType::Equal, name: b"__name__", value: b"up" },
                Matcher { match_type: MatchType::NotRegex, name: b"job", value: b"a.*" },
            ],
            hints: Some(Hints {
                step_ms: 15_000,
                func: b"rate",
                start_ms: -5,
                end_ms: 6,
                grouping: vec![b"job", b""],
                by: true,
                range_ms: 300_000,
            }),
        }],
        accepted_response_types: vec![ResponseType::StreamedXorChunks, ResponseType::Samples],
    }
}

#[test]
fn a_request_of_another_encoder_is_read() {
    assert_eq!(ReadRequest::parse(GOLDEN), Ok(golden()));
    let mut again = Vec::new();
    golden().encode(&mut again);
    assert_eq!(ReadRequest::parse(&again), Ok(golden()));
}

#[test]
fn an_unknown_matcher_type_is_an_error_and_an_unknown_form_is_not() {
    assert_eq!(ReadRequest::parse(&[0x0a, 4, 0x1a, 2, 0x08, 4]).unwrap_err().what, "matcher type");
    let request = ReadRequest::parse(&[0x10, 9, 0x12, 3, 0, 1, 1]).unwrap();
    assert_eq!(request.accepted_response_types, [ResponseType::Samples, ResponseType::StreamedXorChunks]);
}

#[test]
fn truncated_and_damaged_requests_never_panic() {
    for len in 0..GOLDEN.len() {
        let mut bytes = GOLDEN.to_vec();
        drop(ReadRequest::parse(&bytes[..len]));
        for bit in 0..8 {
            bytes[len] ^= 1 << bit;
            drop(ReadRequest::parse(&bytes));
            bytes[len] ^= 1 << bit;
        }
    }
    assert!(ReadRequest::parse(&GOLDEN[..GOLDEN.len() - 1]).is_err());
}

#[test]
fn results_of_samples_come_back() {
    let mut buf = Vec::new();
    let sample = Sample { ts: -7, start_ts: 0, value: -0.0 };
    ReadResponseEncoder::new(&mut buf)
        .result(|result| {
            result.series(|series| {
                series.label(b"a", b"1").label(b"b", &[b'x'; 200]).sample(&sample);
            });
        })
        .result(|_| {});
    let response = ReadResponse::parse(&buf).unwrap();
    assert_eq!(response.results.len(), 2);
    let series = &response.results[0][0];
    assert_eq!(series.labels().collect::<Vec<_>>(), [(&b"a"[..], &b"1"[..]), (b"b", &[b'x'; 200])]);
    assert_eq!(series.samples().next().unwrap().value.to_bits(), sample.value.to_bits());
    assert!(response.results[1].is_empty());
    for len in 0..buf.len() {
        drop(ReadResponse::parse(&buf[..len]));
    }
}

fn two_frames() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ChunkedFrameEncoder::new();
    let labels = [(&b"a"[..], &b"1"[..])];
    let chunk = Chunk { min_time_ms: -1, max_time_ms: 5, encoding: ChunkEncoding::Xor, data: &[9; 300] };
    encoder.chunk(&chunk).chunk(&Chunk { encoding: ChunkEncoding::FloatHistogramSt, ..chunk });
    encoder.finish(&mut out, 3, labels);
    encoder.chunk(&Chunk { data: &[], ..chunk }).finish(&mut out, 0, labels);
    out
}

#[test]
fn frames_come_back() {
    let bytes = two_frames();
    let frames: Vec<_> = ChunkedFrames::new(&bytes).map(Result::unwrap).collect();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].query_index, 3);
    let series = &frames[0].series[0];
    assert_eq!(series.labels().collect::<Vec<_>>(), [(&b"a"[..], &b"1"[..])]);
    assert_eq!(series.chunks[0].data, [9; 300]);
    assert_eq!((series.chunks[0].min_time_ms, series.chunks[0].max_time_ms), (-1, 5));
    assert_eq!(series.chunks[1].encoding, ChunkEncoding::FloatHistogramSt);
    assert_eq!(frames[1].series[0].chunks.len(), 1, "a frame starts without the chunks of the one before");
}

#[test]
fn the_frame_header_is_as_prometheus_writes_it() {
    let mut out = Vec::new();
    ChunkedFrameEncoder::new().finish(&mut out, 1, []);
    // Two fields: an empty series, and the query index; the checksum is CRC32-C, most significant byte first.
    let message = [0x0a, 0, 0x10, 1];
    assert_eq!(out, [&[4], &crc32c::crc32c(&message).to_be_bytes()[..], &message].concat());
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283, "the polynomial is Castagnoli's");
}

#[test]
fn every_damaged_byte_of_a_frame_is_noticed() {
    let good = two_frames();
    for i in 0..good.len() {
        let mut bytes = good.clone();
        bytes[i] ^= 0x40;
        assert!(ChunkedFrames::new(&bytes).any(|frame| frame.is_err()), "byte {i}");
        let whole = ChunkedFrames::new(&good[..i]).filter(Result::is_ok).count();
        assert!(whole < 2);
    }
}

proptest! {
    #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-remote-read.txt")))]

    #[test]
    fn any_bytes_end_in_values_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        drop(ReadRequest::parse(&bytes));
        drop(ReadResponse::parse(&bytes));
        prop_assert!(ChunkedFrames::new(&bytes).count() <= bytes.len());
    }
}
