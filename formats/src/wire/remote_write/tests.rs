//! Tests of both versions: round trips, hostile bytes, and messages from an encoder that is not ours.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
    wire::MetricType,
};

/// Written by Python's protobuf package from the protocol's own definition.
const GOLDEN_V1: &[u8] = include_bytes!("../../../tests/golden/remote-write-1.0.bin");
const GOLDEN_V2: &[u8] = include_bytes!("../../../tests/golden/remote-write-2.0.bin");
const STALE: u64 = 0x7ff0_0000_0000_0002;

#[test]
fn version_1_of_another_encoder_is_read() {
    let request = v1::WriteRequest::parse(GOLDEN_V1).unwrap();
    let series: Vec<_> = request.series().collect();
    assert_eq!(series.len(), 1);
    let labels: Vec<_> = series[0].labels().collect();
    let job = "x".repeat(200);
    assert_eq!(labels[0], (&b"__name__"[..], &b"up"[..]));
    assert_eq!(labels[1], (&b"instance"[..], "host-ä:9100".as_bytes()));
    assert_eq!(labels[2], (&b"job"[..], job.as_bytes()));
    let samples: Vec<_> = series[0].samples().map(|s| (s.ts, s.start_ts, s.value.to_bits())).collect();
    assert_eq!(samples, [(1_700_000_000_000, 0, 1_f64.to_bits()), (-1, 0, STALE)]);
    let exemplar = series[0].exemplars().next().unwrap();
    assert_eq!((exemplar.value, exemplar.ts), (0.5, 7));
    assert_eq!(exemplar.labels().collect::<Vec<_>>(), [(&b"trace_id"[..], &b"abc"[..])]);
    let expected = FloatHistogram {
        reset_hint: ResetHint::Reset,
        schema: 8,
        zero_threshold: 1e-128,
        zero_count: 1.0,
        count: 2.0,
        sum: 3.0,
        positive_spans: vec![Span { offset: 4, length: 1 }],
        positive_buckets: vec![1.0],
        ..FloatHistogram::default()
    };
    let histograms: Vec<_> = series[0].histograms().collect();
    assert_eq!(histograms, [HistogramSample { ts: 9, start_ts: 0, value: HistogramValue::Float(expected) }]);
    let metadata: Vec<_> = request.metadata().collect();
    assert_eq!(
        metadata,
        [v1::Metadata {
            metric_type: MetricType::StateSet,
            family: b"up",
            help: b"Is it up?\n",
            unit: b"state"
        }]
    );
}

#[test]
fn version_2_of_another_encoder_is_read() {
    let request = v2::Request::parse(GOLDEN_V2).unwrap();
    assert_eq!(request.symbols().len(), 13);
    let series: Vec<_> = request.series().collect();
    assert_eq!(series.len(), 5);

    let counter = &series[0];
    assert_eq!(counter.label_refs().collect::<Vec<_>>(), [1, 2, 5, 6, 3, 4]);
    let labels: Vec<_> = counter.labels().unwrap().collect();
    assert_eq!(labels[1], (&b"instance"[..], "host-ä:9100".as_bytes()));
    let samples: Vec<_> = counter.samples().map(|s| (s.ts, s.start_ts, s.value.to_bits())).collect();
    assert_eq!(
        samples,
        [
            (1_700_000_000_000, 1_699_999_990_000, 1.5_f64.to_bits()),
            (1_700_000_015_000, 0, STALE),
            (1_700_000_030_000, 0, (-0.0_f64).to_bits()),
        ]
    );
    let exemplar = counter.exemplars().next().unwrap();
    assert_eq!((exemplar.value, exemplar.ts), (0.25, 1_700_000_000_001));
    assert_eq!(exemplar.labels().unwrap().collect::<Vec<_>>(), [(&b"trace_id"[..], &b"abc123"[..])]);
    let metadata = counter.metadata().unwrap().unwrap();
    assert_eq!(metadata.metric_type, MetricType::Counter);
    assert_eq!((metadata.help, metadata.unit), (&b"Requests served."[..], &b"requests"[..]));

    assert_eq!(series[1].histograms().next(), Some(golden_integer_histogram()));
    let HistogramSample { ts, value: HistogramValue::Float(float), .. } =
        series[1].histograms().nth(1).unwrap()
    else {
        panic!("a count of zero still says that the histogram is a float one");
    };
    assert_eq!(ts, 1_700_000_015_000);
    assert_eq!((float.count, float.zero_count, float.sum.to_bits()), (0.0, 0.5, STALE));
    assert_eq!((float.positive_buckets, float.negative_buckets), (vec![2.5], vec![3.5]));
    assert_eq!(float.reset_hint, ResetHint::Gauge);

    let custom = series[2].histograms().next().unwrap();
    let HistogramValue::Integer(histogram) = custom.value else { panic!("integer counts were sent") };
    assert_eq!((custom.ts, histogram.schema), (-5, CUSTOM_BUCKETS_SCHEMA));
    assert_eq!(histogram.custom_values, [0.5, 1.0]);
    assert_eq!(series[2].metadata(), Ok(None));
}

fn golden_integer_histogram() -> HistogramSample {
    HistogramSample {
        ts: 1_700_000_000_000,
        start_ts: 1_600_000_000_000,
        value: HistogramValue::Integer(Histogram {
            reset_hint: ResetHint::NotReset,
            schema: -1,
            zero_threshold: 0.001,
            zero_count: 2,
            count: 12,
            sum: 18.4,
            positive_spans: vec![Span { offset: -3, length: 2 }, Span { offset: 1, length: 2 }],
            negative_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![1, 1, -1, 0],
            negative_buckets: vec![2, 1],
            custom_values: vec![],
        }),
    }
}

#[test]
fn wrong_references_cost_their_series_only() {
    let request = v2::Request::parse(GOLDEN_V2).unwrap();
    let series: Vec<_> = request.series().collect();
    assert_eq!(series[3].labels().err(), Some(v2::RefError::Odd { count: 3 }));
    assert_eq!(series[4].labels().err(), Some(v2::RefError::OutOfRange { reference: 99, symbols: 13 }));
    assert_eq!(series[4].samples().count(), 1);
}

#[test]
fn a_reference_beyond_32_bits_is_not_cut_to_a_valid_one() {
    let bytes = [0x22, 0, 0x2a, 8, 0x0a, 6, 0x80, 0x80, 0x80, 0x80, 0x10, 0x00];
    let request = v2::Request::parse(&bytes).unwrap();
    let error = request.series().next().unwrap().labels().err();
    assert_eq!(error, Some(v2::RefError::OutOfRange { reference: 1 << 32, symbols: 1 }));
}

#[test]
fn references_may_come_unpacked_and_symbols_behind_the_series() {
    let mut buf = vec![0x2a, 10, 0x08, 1, 0x12, 2, 0x10, 5, 0x0a, 0, 0x08, 2];
    v2::RequestEncoder::new(&mut buf).symbols([&b""[..], b"a", b"b"]);
    let request = v2::Request::parse(&buf).unwrap();
    let series = request.series().next().unwrap();
    assert_eq!(series.labels().unwrap().collect::<Vec<_>>(), [(&b"a"[..], &b"b"[..])]);
    assert_eq!(series.samples().collect::<Vec<_>>(), [Sample { ts: 5, start_ts: 0, value: 0.0 }]);
}

#[test]
fn labels_between_other_fields_are_found() {
    let mut label = Vec::new();
    v1::encode_label(&mut label, b"a", b"1");
    let mut other = Vec::new();
    v1::encode_label(&mut other, b"b", b"2");
    let sample = [0x12, 2, 0x10, 5];
    // An unknown field, and a label with its value in front of its name and an unknown field in it.
    let odd = [0x0a, 9, 0x12, 1, b'3', 0x38, 1, 0x0a, 2, b'c', b'c'];
    let body = [&label[..], &sample, &label, &other, &[0x38, 1], &odd, &sample].concat();
    let message = [&[0x0a, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    let request = v1::WriteRequest::parse(&message).unwrap();
    let series = request.series().next().unwrap();
    let labels: Vec<_> = series.labels().collect();
    let a = (&b"a"[..], &b"1"[..]);
    assert_eq!(labels, [a, a, (b"b", b"2"), (b"cc", b"3")]);
    assert_eq!(series.samples().count(), 2);
    let raw: Vec<_> = series.raw_labels().collect();
    assert_eq!(raw, [&label[..], &[&label[..], &other].concat(), &odd]);
}

#[test]
fn wire_types_that_contradict_the_schema_are_errors() {
    // A varint where a message, a string, a double or a number is due, one message for each.
    let v1_cases: [&[u8]; 7] = [
        &[0x08, 1],
        &[0x0a, 2, 0x08, 1],
        &[0x0a, 4, 0x0a, 2, 0x08, 1],
        &[0x0a, 4, 0x12, 2, 0x08, 1],
        &[0x0a, 4, 0x12, 2, 0x12, 0],
        &[0x0a, 4, 0x22, 2, 0x18, 1],
        &[0x1a, 2, 0x0a, 0],
    ];
    for bytes in v1_cases {
        assert!(v1::WriteRequest::parse(bytes).is_err(), "{bytes:x?}");
    }
    let v2_cases: [&[u8]; 4] = [
        &[0x20, 1],
        &[0x2a, 9, 0x09, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x2a, 2, 0x28, 1],
        &[0x2a, 3, 0x0a, 1, 0x80],
    ];
    for bytes in v2_cases {
        assert!(v2::Request::parse(bytes).is_err(), "{bytes:x?}");
    }
    // The message of the other version holds nothing, which is what the protocol reserved its numbers for.
    assert_eq!(v2::Request::parse(GOLDEN_V1).unwrap().series().count(), 0);
}

#[test]
fn the_retired_start_timestamp_of_a_series_is_passed_over() {
    let request = [0x2a, 2, 0x30, 7];
    assert_eq!(v2::Request::parse(&request).unwrap().series().count(), 1);
}

#[test]
fn a_histogram_beyond_the_bound_is_refused_before_it_takes_memory() {
    let deltas = vec![0; 1 << 20];
    let histogram = HistogramSample {
        ts: 0,
        start_ts: 0,
        value: HistogramValue::Integer(Histogram { positive_buckets: deltas, ..Histogram::default() }),
    };
    let mut buf = Vec::new();
    v1::WriteRequestEncoder::new(&mut buf).series(|series| {
        series.histogram(&histogram);
    });
    assert_eq!(v1::WriteRequest::parse(&buf).unwrap_err().what, "histogram length");
}

#[test]
fn every_truncation_ends_in_fewer_series_or_an_error() {
    for len in 0..GOLDEN_V1.len() {
        visit_v1(&GOLDEN_V1[..len]);
    }
    for len in 0..GOLDEN_V2.len() {
        visit_v2(&GOLDEN_V2[..len]);
    }
}

#[test]
fn every_flipped_bit_ends_in_other_series_or_an_error() {
    for (golden, visit) in [(GOLDEN_V1, visit_v1 as fn(&[u8])), (GOLDEN_V2, visit_v2)] {
        let mut bytes = golden.to_vec();
        for i in 0..bytes.len() * 8 {
            bytes[i / 8] ^= 1 << (i % 8);
            visit(&bytes);
            bytes[i / 8] ^= 1 << (i % 8);
        }
    }
}

/// Reads all that a request of version 1.0 holds. The iterators assert that `parse` had checked it.
fn visit_v1(bytes: &[u8]) {
    let Ok(request) = v1::WriteRequest::parse(bytes) else { return };
    request.metadata().for_each(drop);
    for series in request.series() {
        let raw: usize = series.raw_labels().map(<[u8]>::len).sum();
        let spelled: usize = series.labels().map(|(name, value)| name.len() + value.len()).sum();
        assert!(raw >= spelled);
        series.exemplars().for_each(|exemplar| exemplar.labels().for_each(drop));
        let rows = series.samples().count() + series.histograms().count() + series.exemplars().count();
        assert_eq!(series.has_rows(), rows > 0);
    }
}

/// Reads all that a request of version 2.0 holds.
fn visit_v2(bytes: &[u8]) {
    let Ok(request) = v2::Request::parse(bytes) else { return };
    for series in request.series() {
        if let Ok(labels) = series.labels() {
            assert_eq!(labels.count() * 2, series.label_refs().count());
        }
        let _: Result<_, v2::RefError> = series.metadata();
        series.samples().for_each(drop);
        series.histograms().for_each(drop);
        series.exemplars().for_each(|exemplar| drop(exemplar.labels()));
    }
}

type PlainLabels = Vec<(Vec<u8>, Vec<u8>)>;

/// A series as plain values.
#[derive(Debug, Clone)]
struct Plain {
    labels: PlainLabels,
    samples: Vec<Sample>,
    histograms: Vec<HistogramSample>,
    exemplars: Vec<(PlainLabels, f64, i64)>,
    metadata: Option<(MetricType, Vec<u8>, Vec<u8>)>,
}

impl Plain {
    /// Exact text of everything but the metadata: `Debug` alone would show every NaN alike.
    fn exact(&self) -> String {
        let samples: Vec<_> = self.samples.iter().map(|s| (s.ts, s.start_ts, s.value.to_bits())).collect();
        let histograms: Vec<_> = self.histograms.iter().map(|h| (h, sum_bits(h))).collect();
        let exemplars: Vec<_> =
            self.exemplars.iter().map(|(labels, value, ts)| (labels, value.to_bits(), ts)).collect();
        format!("{:?} {samples:?} {histograms:?} {exemplars:?}", self.labels)
    }
}

fn sum_bits(histogram: &HistogramSample) -> u64 {
    match &histogram.value {
        HistogramValue::Integer(histogram) => histogram.sum.to_bits(),
        HistogramValue::Float(histogram) => histogram.sum.to_bits(),
    }
}

fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        Just(f64::from_bits(STALE)),
        Just(-0.0),
        Just(0.0),
        (-1000_i32..1000).prop_map(f64::from),
    ]
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..12), 1 => vec(any::<u8>(), 100..300)]
}

fn any_labels() -> impl Strategy<Value = PlainLabels> {
    vec((any_bytes(), any_bytes()), 0..6)
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    vec(any::<(i32, u32)>().prop_map(|(offset, length)| Span { offset, length }), 0..4)
}

fn any_hint() -> impl Strategy<Value = ResetHint> {
    prop::sample::select(vec![ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge])
}

prop_compose! {
    fn any_histogram()(
        (ts, start_ts, schema, float) in any::<(i64, i64, i32, bool)>(),
        (count, zero_count) in any::<(u64, u64)>(),
        (float_count, float_zero_count, sum, zero_threshold) in
            (any_double(), any_double(), any_double(), any_double()),
        reset_hint in any_hint(),
        (positive_spans, negative_spans) in (any_spans(), any_spans()),
        (positive, negative) in (vec(any::<i64>(), 0..5), vec(any::<i64>(), 0..5)),
        (positive_counts, negative_counts) in (vec(any_double(), 0..5), vec(any_double(), 0..5)),
        custom_values in vec(any_double(), 0..4),
    ) -> HistogramSample {
        let value = if float {
            HistogramValue::Float(FloatHistogram {
                reset_hint, schema, zero_threshold, zero_count: float_zero_count, count: float_count, sum,
                positive_spans, negative_spans, positive_buckets: positive_counts,
                negative_buckets: negative_counts, custom_values,
            })
        } else {
            HistogramValue::Integer(Histogram {
                reset_hint, schema, zero_threshold, zero_count, count, sum, positive_spans, negative_spans,
                positive_buckets: positive, negative_buckets: negative, custom_values,
            })
        };
        HistogramSample { ts, start_ts, value }
    }
}

prop_compose! {
    fn any_series()(
        labels in any_labels(),
        samples in vec((any::<i64>(), any::<i64>(), any_double()), 0..4),
        histograms in vec(any_histogram(), 0..3),
        exemplars in vec((any_labels(), any_double(), any::<i64>()), 0..3),
        metadata in prop::option::of((0_u64..8, any_bytes(), any_bytes())),
    ) -> Plain {
        let samples = samples.into_iter().map(|(ts, start_ts, value)| Sample { ts, start_ts, value });
        let metadata = metadata.map(|(number, help, unit)| (MetricType::from_number(number), help, unit));
        Plain { labels, samples: samples.collect(), histograms, exemplars, metadata }
    }
}

fn borrowed(labels: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    labels.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

fn owned<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> PlainLabels {
    labels.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn encode_v1(all: &[Plain]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut request = v1::WriteRequestEncoder::new(&mut buf);
    for plain in all {
        request.series(|series| {
            for (name, value) in borrowed(&plain.labels) {
                series.label(name, value);
            }
            for sample in &plain.samples {
                series.sample(sample);
            }
            for histogram in &plain.histograms {
                series.histogram(histogram);
            }
            for (labels, value, ts) in &plain.exemplars {
                series.exemplar(borrowed(labels), *value, *ts);
            }
        });
        if let Some((metric_type, help, unit)) = &plain.metadata {
            request.metadata(&v1::Metadata { metric_type: *metric_type, family: b"f", help, unit });
        }
    }
    buf
}

fn encode_v2(all: &[Plain]) -> Vec<u8> {
    let mut table = v2::SymbolTable::new();
    let mut series_bytes = Vec::new();
    let mut request = v2::RequestEncoder::new(&mut series_bytes);
    for plain in all {
        let refs = intern(&mut table, &plain.labels);
        let exemplars: Vec<_> = plain
            .exemplars
            .iter()
            .map(|(labels, value, ts)| (intern(&mut table, labels), *value, *ts))
            .collect();
        let metadata = plain
            .metadata
            .as_ref()
            .map(|(metric_type, help, unit)| (*metric_type, table.intern(help), table.intern(unit)));
        request.series(|series| {
            series.label_refs(&refs);
            for sample in &plain.samples {
                series.sample(sample);
            }
            for histogram in &plain.histograms {
                series.histogram(histogram);
            }
            for (refs, value, ts) in &exemplars {
                series.exemplar(refs, *value, *ts);
            }
            if let Some((metric_type, help, unit)) = metadata {
                series.metadata(metric_type, help, unit);
            }
        });
    }
    let mut buf = Vec::new();
    v2::RequestEncoder::new(&mut buf).symbols(table.iter());
    buf.extend_from_slice(&series_bytes);
    buf
}

fn intern(table: &mut v2::SymbolTable, labels: &[(Vec<u8>, Vec<u8>)]) -> Vec<u32> {
    labels.iter().flat_map(|(name, value)| [table.intern(name), table.intern(value)]).collect()
}

proptest! {
    #![proptest_config(crate::test_config::config(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-remote-write.txt")
    ))]

    #[test]
    fn version_1_comes_back(all in vec(any_series(), 0..4)) {
        let bytes = encode_v1(&all);
        let request = v1::WriteRequest::parse(&bytes).unwrap();
        prop_assert_eq!(request.series().count(), all.len());
        for (series, mut plain) in request.series().zip(all.clone()) {
            plain.samples.iter_mut().for_each(|sample| sample.start_ts = 0);
            let raw: Vec<u8> = series.raw_labels().flatten().copied().collect();
            let mut again = Vec::new();
            borrowed(&plain.labels).for_each(|(name, value)| v1::encode_label(&mut again, name, value));
            prop_assert_eq!(raw, again);
            let found = Plain {
                labels: owned(series.labels()),
                samples: series.samples().collect(),
                histograms: series.histograms().collect(),
                exemplars: series.exemplars().map(|e| (owned(e.labels()), e.value, e.ts)).collect(),
                metadata: None,
            };
            let rows = plain.samples.len() + plain.histograms.len() + plain.exemplars.len();
            prop_assert_eq!(series.has_rows(), rows > 0);
            prop_assert_eq!(found.exact(), plain.exact());
        }
        let metadata: Vec<_> = request.metadata().map(|m| (m.metric_type, m.help.to_vec(), m.unit.to_vec())).collect();
        let expected: Vec<_> = all.into_iter().filter_map(|plain| plain.metadata).collect();
        prop_assert_eq!(metadata, expected);
    }

    #[test]
    fn version_2_comes_back(all in vec(any_series(), 0..4)) {
        let bytes = encode_v2(&all);
        let request = v2::Request::parse(&bytes).unwrap();
        prop_assert_eq!(request.series().count(), all.len());
        for (series, plain) in request.series().zip(all) {
            let found = Plain {
                labels: owned(series.labels().unwrap()),
                samples: series.samples().collect(),
                histograms: series.histograms().collect(),
                exemplars: series.exemplars().map(|e| (owned(e.labels().unwrap()), e.value, e.ts)).collect(),
                metadata: None,
            };
            prop_assert_eq!(found.exact(), plain.exact());
            let metadata = series.metadata().unwrap();
            let metadata = metadata.map(|m| (m.metric_type, m.help.to_vec(), m.unit.to_vec()));
            prop_assert_eq!(metadata, plain.metadata);
        }
    }

    #[test]
    fn any_bytes_end_in_series_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        visit_v1(&bytes);
        visit_v2(&bytes);
    }

    #[test]
    fn messages_with_damage_end_in_series_or_an_error(
        all in vec(any_series(), 1..3),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (mut bytes, visit) in [(encode_v1(&all), visit_v1 as fn(&[u8])), (encode_v2(&all), visit_v2)] {
            for (place, byte) in &damage {
                let i = place.index(bytes.len());
                bytes[i] = *byte;
            }
            visit(&bytes);
        }
    }
}
