//! Rows as they were put in come out, whatever their values; hostile payloads are errors.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint, Span};

fn float_row() -> impl Strategy<Value = FloatRow> {
    let id = prop_oneof![any::<u32>(), 0_u32..4];
    let ts = prop_oneof![any::<i64>(), Just(1_000_i64), Just(2_000)];
    let xor = prop_oneof![
        any::<u64>(),
        Just(0),
        (any::<u8>(), 0_u32..8).prop_map(|(b, s)| u64::from(b) << (8 * s))
    ];
    (id, ts, prop_oneof![Just(0_i64), any::<i64>()], xor).prop_map(|(id, ts, start_ts, xor)| FloatRow {
        id,
        ts,
        start_ts,
        xor,
    })
}

fn histogram() -> impl Strategy<Value = HistogramValue> {
    let spans =
        || vec((any::<i32>(), any::<u32>()).prop_map(|(offset, length)| Span { offset, length }), 0..4);
    let float = || any::<u32>().prop_map(f64::from);
    (spans(), spans(), vec(any::<i64>(), 0..6), vec(float(), 0..6), any::<(i32, u64, u64, bool)>()).prop_map(
        |(positive_spans, negative_spans, deltas, floats, (schema, count, zero_count, integer))| {
            if integer {
                HistogramValue::Integer(Histogram {
                    reset_hint: ResetHint::Gauge,
                    schema,
                    zero_threshold: 1e-128,
                    zero_count,
                    count,
                    sum: -0.5,
                    positive_spans,
                    negative_spans,
                    positive_buckets: deltas.clone(),
                    negative_buckets: deltas,
                    custom_values: floats,
                })
            } else {
                HistogramValue::Float(FloatHistogram {
                    reset_hint: ResetHint::NotReset,
                    schema,
                    zero_threshold: 0.0,
                    zero_count: 0.5,
                    count: 7.25,
                    sum: f64::INFINITY,
                    positive_spans,
                    negative_spans,
                    positive_buckets: floats.clone(),
                    negative_buckets: floats,
                    custom_values: vec![],
                })
            }
        },
    )
}

proptest! {
    #[test]
    fn floats_come_back(rows in vec(float_row(), 0..50)) {
        let mut encoder = RowsEncoder::default();
        rows.iter().for_each(|row| encoder.float(*row));
        let mut payload = Vec::new();
        encoder.finish(&mut payload);
        prop_assert!(payload.len() <= rows.len() * RowsEncoder::FLOAT_BYTES_MAX + RowsEncoder::HEADERS_BYTES_MAX);
        let decoded: Result<Vec<_>, _> = RowsFrame::parse(&payload).unwrap().floats().collect();
        prop_assert_eq!(decoded.unwrap(), rows);
    }

    #[test]
    fn all_sections_come_back(id in any::<u32>(), ts in any::<i64>(), bits in any::<u64>(), value in histogram()) {
        let mut encoder = RowsEncoder::default();
        encoder.label(id, b"name", b"value");
        encoder.series(id, bits, &[0x81, 0x01, 0x02]);
        encoder.late(id, ts, 7, f64::from_bits(bits));
        encoder.histogram(id, ts, -1, &value);
        encoder.exemplar(id, ts, f64::from_bits(bits), b"\x01a\x01b");
        let mut payload = Vec::new();
        encoder.finish(&mut payload);
        let frame = RowsFrame::parse(&payload).unwrap();
        let label = frame.labels().next().unwrap().unwrap();
        prop_assert_eq!((label.id, label.name, label.value), (id, &b"name"[..], &b"value"[..]));
        let series = frame.series().next().unwrap().unwrap();
        prop_assert_eq!((series.id, series.previous), (id, bits));
        prop_assert_eq!(series.collect::<Result<Vec<_>, _>>().unwrap(), vec![129, 2]);
        let late = frame.late().next().unwrap().unwrap();
        prop_assert_eq!((late.id, late.ts, late.start_ts, late.value.to_bits()), (id, ts, 7, bits));
        prop_assert_eq!(
            frame.histograms().next().unwrap().unwrap(),
            HistogramRow { id, ts, start_ts: -1, value }
        );
        let exemplar = frame.exemplars().next().unwrap().unwrap();
        prop_assert_eq!((exemplar.id, exemplar.ts, exemplar.value.to_bits()), (id, ts, bits));
        prop_assert_eq!(exemplar.labels, b"\x01a\x01b");
    }

    #[test]
    fn any_bytes_end_in_rows_or_an_error(payload in vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = RowsFrame::parse(&payload) {
            let rows = frame.floats().count() + frame.late().count() + frame.histograms().count()
                + frame.exemplars().count() + frame.series().count() + frame.labels().count();
            prop_assert!(rows <= payload.len());
        }
    }
}

#[test]
fn the_usual_row_takes_one_byte_beside_its_value() {
    let mut encoder = RowsEncoder::default();
    encoder.float(FloatRow { id: 7, ts: 1_000, start_ts: 0, xor: 0 });
    let first = payload_len(&encoder);
    encoder.float(FloatRow { id: 8, ts: 1_000, start_ts: 0, xor: 0 });
    encoder.float(FloatRow { id: 9, ts: 1_000, start_ts: 0, xor: 0x0012_0000_0000_0000 });
    assert_eq!(payload_len(&encoder), first + 3);
}

fn payload_len(encoder: &RowsEncoder) -> usize {
    let mut payload = Vec::new();
    encoder.finish(&mut payload);
    payload.len()
}
