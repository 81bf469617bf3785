//! Native histograms: written in both versions, queried, read back in both forms; what is wrong with them.

use std::collections::BTreeMap;

use kymo_formats::{
    codec::histogram,
    histogram::{
        CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, HistogramValue, ResetHint, STALE_NAN_BITS, Span,
    },
    wire::{
        remote_read::{ChunkEncoding, ChunkedFrames, ReadResponse, ResponseType},
        remote_write::{
            HistogramSample, Sample, v1,
            v2::{self, SymbolTable},
        },
    },
};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Server, V1, V2, now, seconds},
    remote_read::read,
};

/// Name and histograms of a series.
type Series<'a> = (&'a str, Vec<HistogramSample>);

fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
    pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
}

/// Schema 0, buckets (0.5,1] and (1,2].
fn exponential(first: i64, second: i64) -> Histogram {
    let zero_count = 2;
    Histogram {
        count: zero_count + (first + second).unsigned_abs(),
        sum: (first + second) as f64,
        zero_threshold: 0.001,
        zero_count,
        positive_spans: spans(&[(0, 2)]),
        positive_buckets: vec![first, second - first],
        ..Histogram::default()
    }
}

fn custom(counts: [i64; 2], bounds: &[f64]) -> Histogram {
    Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: (counts[0] + counts[1]).unsigned_abs(),
        sum: 3.0,
        positive_spans: spans(&[(0, 2)]),
        positive_buckets: vec![counts[0], counts[1] - counts[0]],
        custom_values: bounds.to_vec(),
        ..Histogram::default()
    }
}

fn integer(ts: i64, histogram: Histogram) -> HistogramSample {
    HistogramSample { ts, start_ts: 0, value: HistogramValue::Integer(histogram) }
}

fn float(ts: i64, histogram: &Histogram, factor: f64) -> HistogramSample {
    let mut value = histogram.to_float();
    for count in [&mut value.count, &mut value.zero_count, &mut value.sum] {
        *count *= factor;
    }
    value.positive_buckets.iter_mut().for_each(|count| *count *= factor);
    HistogramSample { ts, start_ts: 0, value: HistogramValue::Float(value) }
}

fn encode_v1(series: &[Series<'_>], floats: &[(&str, i64)]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    for (name, histograms) in series {
        encoder.series(|series| {
            series.label(b"__name__", name.as_bytes());
            for sample in histograms {
                series.histogram(sample);
            }
        });
    }
    for &(name, ts) in floats {
        encoder.series(|series| {
            series.label(b"__name__", name.as_bytes()).sample(&Sample { ts, value: 1.0, start_ts: 0 });
        });
    }
    message
}

fn encode_v2(series: &[Series<'_>], floats: &[(&str, i64)]) -> Vec<u8> {
    let mut symbols = SymbolTable::new();
    let mut message = Vec::new();
    let mut encoder = v2::RequestEncoder::new(&mut message);
    for (name, histograms) in series {
        let refs = [symbols.intern(b"__name__"), symbols.intern(name.as_bytes())];
        encoder.series(|series| {
            series.label_refs(&refs);
            for sample in histograms {
                series.histogram(sample);
            }
        });
    }
    for &(name, ts) in floats {
        let refs = [symbols.intern(b"__name__"), symbols.intern(name.as_bytes())];
        encoder.series(|series| {
            series.label_refs(&refs).sample(&Sample { ts, value: 1.0, start_ts: 0 });
        });
    }
    encoder.symbols(symbols.iter());
    message
}

fn write(server: &Server, version: &str, series: &[Series<'_>], floats: &[(&str, i64)]) -> Answer {
    let message = if version == V2 { encode_v2(series, floats) } else { encode_v1(series, floats) };
    server.write(version, &message)
}

/// Series of each kind, ten seconds between samples, the newest at `end`.
fn every_kind(end: i64) -> Vec<Series<'static>> {
    let ts = |i: i64| end - (19 - i) * 10_000;
    let counter = |i: i64| exponential(if i < 12 { 3 + i } else { i - 10 }, 2 * i);
    let gauge = |i: i64| Histogram { reset_hint: ResetHint::Gauge, ..exponential(10 - i % 7, i % 5) };
    let stale = Histogram { sum: f64::from_bits(STALE_NAN_BITS), ..Histogram::default() };
    let bounds = |i: i64| if i < 10 { &[1.0, 2.0][..] } else { &[1.0, 2.0, 4.0] };
    let series = |name, sample: &dyn Fn(i64) -> HistogramSample| (name, (0..20).map(sample).collect());
    vec![
        series("counter", &|i| integer(ts(i), counter(i))),
        series("float", &|i| float(ts(i), &counter(i), 0.5)),
        series("gauge", &|i| integer(ts(i), gauge(i))),
        series("custom", &|i| integer(ts(i), custom([i, 2 * i], bounds(i)))),
        series("stale", &|i| {
            integer(ts(i), if i == 10 || i == 19 { stale.clone() } else { counter(i.min(11)) })
        }),
        series("both", &|i| {
            if i % 8 < 4 { integer(ts(i), counter(i)) } else { float(ts(i), &counter(i), 1.0) }
        }),
        series("grown", &|i| {
            let mut histogram = counter(i);
            if i >= 5 {
                histogram.positive_spans = spans(&[(0, 2), (3, 1)]);
                histogram.positive_buckets.push(i - 2 * i);
                histogram.count += i.unsigned_abs();
            }
            integer(ts(i), histogram)
        }),
    ]
}

/// Expressions over `every_kind`, each with its answer at `end`.
fn answers(server: &Server, end: i64) -> Vec<Value> {
    let names = ["counter", "float", "gauge", "custom", "stale", "both", "grown"];
    let expressions = [
        "NAME",
        "rate(NAME[2m])",
        "sum_over_time(NAME[2m:20s])",
        "histogram_quantile(0.7, NAME)",
        "histogram_stddev(NAME)",
        "resets(NAME[3m])",
        "changes(NAME[3m])",
        "NAME == NAME offset 10s",
        "NAME </ 0.9",
        "count_over_time(NAME[3m])",
        "histogram_avg(increase(NAME[3m]))",
    ];
    let asked = names
        .iter()
        .flat_map(|name| expressions.iter().map(move |expression| expression.replace("NAME", name)));
    asked
        .map(|expression| {
            let start = seconds(end - 200_000);
            let end = seconds(end);
            let params = [("query", expression.as_str()), ("start", &start), ("end", &end), ("step", "15")];
            let answer = server.get("/api/v1/query_range", &params).json();
            assert_eq!(answer["status"], "success", "{expression}: {answer}");
            json!([expression, answer["data"]["result"], answer["warnings"], answer["infos"]])
        })
        .collect()
}

#[test]
fn both_versions_a_flush_a_merge_and_a_kill_give_the_same_answers() {
    let server = Server::new();
    let end = now();
    let kinds = every_kind(end);
    // Late ones, in reverse, after all others; the second half of the series in the other version.
    let is_late = |sample: &&HistogramSample| (sample.ts / 10_000) % 4 == 1;
    for version in [V1, V2] {
        let of_version = |(i, _): &(usize, &Series<'_>)| (i % 2 == 0) == (version == V1);
        let chosen: Vec<&Series<'_>> =
            kinds.iter().enumerate().filter(of_version).map(|(_, series)| series).collect();
        let in_time = |(name, samples): &&Series<'static>| {
            (*name, samples.iter().filter(|sample| !is_late(sample)).cloned().collect())
        };
        let in_time: Vec<Series<'_>> = chosen.iter().map(in_time).collect();
        let answer = write(&server, version, &in_time, &[]);
        assert_eq!(answer.status, 204, "{}", answer.text());
        let count: usize = in_time.iter().map(|(_, samples)| samples.len()).sum();
        assert_eq!(answer.written(), ["0", count.to_string().as_str(), "0"]);
        for (name, samples) in chosen {
            for sample in samples.iter().filter(is_late).rev() {
                let answer = write(&server, version, &[(*name, vec![sample.clone()])], &[]);
                assert_eq!((answer.status, answer.written()), (204, ["0", "1", "0"]), "{}", answer.text());
            }
        }
    }
    let at_first = answers(&server, end);
    for answer in &at_first {
        // No two histograms of most kinds are equal.
        let may_be_empty = answer[0].as_str().unwrap().contains("==");
        assert!(may_be_empty || answer[1] != json!([]), "{answer}");
    }
    assert_eq!(server.post("/-/flush", &[], b"").status / 100, 2);
    assert_eq!(answers(&server, end), at_first, "after a flush");
    let config = "self_metrics: {enabled: false}\n";
    let server = Server::open(server.kill(), config);
    assert_eq!(answers(&server, end), at_first, "after a kill");
    assert_eq!(server.post("/-/compact", &[], b"").status / 100, 2);
    assert_eq!(answers(&server, end), at_first, "after a merge");
    let server = Server::open(server.kill(), config);
    assert_eq!(answers(&server, end), at_first, "after a merge and a kill");
}

/// What remote read gave: name to samples.
type Found = BTreeMap<String, Vec<(i64, HistogramValue)>>;

fn name<'a>(mut labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let (_, name) = labels.find(|(name, _)| *name == b"__name__").unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

fn read_samples(server: &Server, end: i64) -> Found {
    let answer = read(server, 0, end, &[ResponseType::Samples], &[("zone", "")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
    let response = ReadResponse::parse(&message).unwrap();
    let series = |series: &v1::Series<'_>| {
        (name(series.labels()), series.histograms().map(|sample| (sample.ts, sample.value)).collect())
    };
    response.results[0].iter().map(series).collect()
}

fn read_chunks(server: &Server, end: i64) -> Found {
    let answer = read(server, 0, end, &[ResponseType::StreamedXorChunks], &[("zone", "")]);
    let mut found = Found::new();
    for frame in ChunkedFrames::new(&answer.body) {
        for series in frame.unwrap().series {
            let samples = found.entry(name(series.labels())).or_default();
            for chunk in &series.chunks {
                let (mut integers, mut floats) = (Vec::new(), Vec::new());
                match chunk.encoding {
                    ChunkEncoding::Histogram => histogram::decode(chunk.data, &mut integers).unwrap(),
                    ChunkEncoding::FloatHistogram => histogram::decode(chunk.data, &mut floats).unwrap(),
                    other => panic!("{other:?}"),
                }
                let integers = integers.into_iter().map(|(ts, value)| (ts, HistogramValue::Integer(value)));
                let floats = floats.into_iter().map(|(ts, value)| (ts, HistogramValue::Float(value)));
                samples.extend(integers.chain(floats));
            }
        }
    }
    found
}

fn hint(value: &HistogramValue) -> ResetHint {
    match value {
        HistogramValue::Integer(histogram) => histogram.reset_hint,
        HistogramValue::Float(histogram) => histogram.reset_hint,
    }
}

#[test]
fn remote_read_gives_back_what_was_written() {
    let server = Server::new();
    let end = now();
    let kinds = every_kind(end);
    assert_eq!(write(&server, V1, &kinds, &[]).status, 204);
    for place in ["head", "blocks"] {
        for found in [read_samples(&server, end), read_chunks(&server, end)] {
            assert_eq!(found.len(), kinds.len());
            for (name, sent) in &kinds {
                let found = &found[*name];
                assert_eq!(found.len(), sent.len(), "{name} in {place}");
                for (i, ((ts, value), sent)) in found.iter().zip(sent).enumerate() {
                    let fact = format!("{name}[{i}] in {place}: {value:?}");
                    assert_eq!(*ts, sent.ts, "{fact}");
                    // A chunk may say more about resets than the sender did, and have more buckets.
                    assert_eq!(plain(value), plain(&sent.value), "{fact}");
                }
                let hints: Vec<_> = found.iter().map(|(_, value)| hint(value)).collect();
                if *name == "gauge" {
                    assert!(hints.iter().all(|hint| *hint == ResetHint::Gauge), "{hints:?}");
                }
                if *name == "counter" {
                    assert_eq!(hints[11], ResetHint::NotReset);
                    assert_ne!(hints[12], ResetHint::NotReset, "counts were reset");
                    assert_eq!(hints[13], ResetHint::NotReset);
                }
            }
        }
        assert_eq!(server.post("/-/flush", &[], b"").status / 100, 2);
    }
}

/// Without reset hint and empty buckets; of a stale marker only that it is one.
fn plain(value: &HistogramValue) -> String {
    let is_integer = matches!(value, HistogramValue::Integer(_));
    let value = value.to_float();
    if value.is_stale() {
        return format!("{is_integer} stale");
    }
    let mut index = 0;
    let mut buckets = Vec::new();
    let mut counts = value.positive_buckets.iter();
    for span in &value.positive_spans {
        index += span.offset;
        for _ in 0..span.length {
            buckets.push((index, *counts.next().unwrap()));
            index += 1;
        }
    }
    buckets.retain(|(_, count)| *count != 0.0);
    let FloatHistogram { schema, count, sum, zero_count, zero_threshold, custom_values, .. } = value;
    format!("{is_integer} {schema} {count} {sum} {zero_count} {zero_threshold} {buckets:?} {custom_values:?}")
}

/// A way to spoil a histogram, and what upstream says of it.
type Spoiled = (&'static str, fn(&mut Histogram), &'static str);

const SPOILED: &[Spoiled] = &[
    (
        "count",
        |h| h.count = 7,
        "5 observations found in buckets, but the Count field is 7: histogram's observation count should equal the \
         number of observations found in the buckets (in absence of NaN)",
    ),
    (
        "nan",
        |h| (h.sum, h.count) = (f64::NAN, 4),
        "5 observations found in buckets, but the Count field is 4: histogram's observation count should be at least \
         the number of observations found in the buckets",
    ),
    (
        "negative",
        |h| h.positive_buckets[1] = -4,
        "positive side: bucket number 2 has observation count of -3: histogram has a bucket whose observation count \
         is negative",
    ),
    (
        "long_span",
        |h| h.positive_spans[0].length = 4_000_000_000,
        "positive side: spans need 4000000000 buckets, have 2 buckets: histogram spans specify different number of \
         buckets than provided",
    ),
    (
        "back",
        |h| h.positive_spans = spans(&[(0, 1), (-1, 1)]),
        "positive side: span number 2 with offset -1: histogram has a span whose offset is negative",
    ),
    (
        "schema",
        |h| h.schema = -5,
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom \
         buckets, got schema -5",
    ),
    (
        "too_fine",
        |h| h.schema = 53,
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom \
         buckets, got schema 53",
    ),
    (
        "bounds",
        |h| h.custom_values = vec![1.0],
        "histogram with exponential schema must not have custom bounds",
    ),
    (
        "unsorted",
        |h| *h = custom([1, 2], &[2.0, 1.0]),
        "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom bounds must be in \
         strictly increasing order",
    ),
    (
        "infinite",
        |h| *h = custom([1, 2], &[2.0, f64::INFINITY]),
        "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
    ),
    (
        "nan_bound",
        |h| *h = custom([1, 2], &[f64::NAN, 2.0]),
        "custom buckets: histogram custom bounds must not be NaN",
    ),
    (
        "few",
        |h| *h = custom([1, 2], &[]),
        "custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 2: \
         histogram custom bounds are too few",
    ),
];

#[test]
fn what_is_no_histogram_is_refused_with_the_reason_and_the_rest_is_stored() {
    let server = Server::new();
    let ts = now();
    for (version, rest) in [(V1, "rest_1"), (V2, "rest_2")] {
        let series: Vec<Series<'_>> = SPOILED
            .iter()
            .map(|(name, spoil, _)| {
                let mut histogram = exponential(1, 2);
                spoil(&mut histogram);
                (*name, vec![integer(ts, histogram), integer(ts + 1, exponential(1, 2))])
            })
            .collect();
        let answer = write(&server, version, &series, &[(rest, ts)]);
        let right = SPOILED.len().to_string();
        assert_eq!((answer.status, answer.written()), (400, ["1", right.as_str(), "0"]), "{}", answer.text());
        // Repeats of what is there are stored, too, as far as the sender is concerned.
        let text = answer.text();
        let reasons: Vec<&str> = text.lines().collect();
        assert_eq!(reasons.len(), SPOILED.len(), "{text}");
        for (name, _, reason) in SPOILED {
            let expected = format!("{reason} for series {{__name__=\"{name}\"}}");
            assert!(reasons.contains(&expected.as_str()), "{expected} in {text}");
        }
        assert_eq!(server.query(rest, ts)[0]["value"][1], "1");
        assert_eq!(
            server.query("count({__name__!~\"rest_.*\", __name__=~\".+\"})", ts + 1)[0]["value"][1],
            right
        );
    }
}

#[test]
fn finer_schemas_are_reduced_and_one_time_has_one_sample() {
    let server = Server::new();
    let ts = now();
    // Buckets 1 to 8 of schema 11 lie in bucket 1 of schema 8.
    let fine = Histogram {
        schema: 11,
        count: 8,
        positive_spans: spans(&[(1, 8)]),
        positive_buckets: vec![1, 0, 0, 0, 0, 0, 0, 0],
        ..Histogram::default()
    };
    let answer = write(&server, V2, &[("fine", vec![integer(ts, fine)])], &[]);
    assert_eq!((answer.status, answer.written()), (204, ["0", "1", "0"]), "{}", answer.text());
    let buckets = server.query("fine", ts)[0]["histogram"][1]["buckets"].take();
    assert_eq!(buckets, json!([[0, "1", "1.0027112750502025", "8"]]));

    let kinds = [integer(ts, exponential(1, 2)), float(ts, &exponential(1, 2), 1.0)];
    assert_eq!(write(&server, V1, &[("one", vec![kinds[0].clone()])], &[("two", ts)]).status, 204);
    for (name, sample) in [("one", &kinds[1]), ("two", &kinds[0]), ("two", &kinds[1])] {
        let answer = write(&server, V1, &[(name, vec![sample.clone()])], &[]);
        let expected = format!("duplicate sample for timestamp for series {{__name__=\"{name}\"}}\n");
        assert_eq!((answer.status, answer.text()), (400, expected));
    }
    let answer = write(&server, V1, &[], &[("one", ts)]);
    assert_eq!(answer.text(), "duplicate sample for timestamp for series {__name__=\"one\"}\n");
    assert_eq!(server.query("one", ts)[0]["histogram"][1]["count"], "5");
    assert_eq!(server.query("two", ts)[0]["value"][1], "1");
}
