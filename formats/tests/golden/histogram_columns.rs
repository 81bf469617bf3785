//! Histograms by column that were written once: they decode to the same histograms for ever.

use kymo_formats::{
    codec::histogram::columns,
    histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
};

use super::columns::lines;

const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Histogram `n` of a counter: its second bucket appears with `n == 3`, it starts anew with `n == 7`.
fn counter(n: u64) -> Histogram {
    let since = i64::try_from(if n < 7 { n } else { n - 7 }).unwrap();
    let second = (n >= 3).then_some(2 * since);
    let counts: Vec<i64> = [Some(5 + since * since), second, Some(since)].into_iter().flatten().collect();
    let offset = if second.is_some() { 0 } else { 1 };
    let spans =
        [Span { offset: -2, length: 1 }, Span { offset, length: u32::try_from(counts.len()).unwrap() - 1 }];
    let mut previous = 0;
    Histogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: 3 * n,
        count: 3 * n + counts.iter().sum::<i64>().unsigned_abs(),
        sum: n as f64 * 1.5,
        positive_spans: spans.to_vec(),
        positive_buckets: counts
            .iter()
            .map(|count| count - std::mem::replace(&mut previous, *count))
            .collect(),
        ..Histogram::default()
    }
}

fn gauge(n: u64) -> Histogram {
    Histogram {
        reset_hint: ResetHint::Gauge,
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_values: vec![0.5, 1.0, 1.0 / 3.0],
        count: 40 - n % 7,
        sum: -0.0,
        positive_spans: vec![Span { offset: 0, length: 4 }],
        positive_buckets: vec![9, -4, i64::try_from(n * n % 11).unwrap(), -2],
        ..Histogram::default()
    }
}

fn stale() -> Histogram {
    Histogram { sum: f64::from_bits(STALE_NAN_BITS), ..Histogram::default() }
}

/// What was encoded, by the name of the line.
fn histograms(name: &str) -> Vec<HistogramValue> {
    let integers = |histograms: Vec<Histogram>| histograms.into_iter().map(HistogramValue::Integer).collect();
    let floats = |histograms: Vec<Histogram>, divisor: f64| {
        let float = |histogram: Histogram| {
            let mut float: FloatHistogram = histogram.to_float();
            float.positive_buckets.iter_mut().for_each(|count| *count /= divisor);
            HistogramValue::Float(float)
        };
        histograms.into_iter().map(float).collect()
    };
    match name {
        "counter" => integers((0..40).map(counter).collect()),
        "short" => integers((0..3).map(counter).collect()),
        "gauge" => integers((0..20).map(gauge).collect()),
        "mixture" => {
            integers((0..9).map(counter).chain([stale(), stale()]).chain((0..9).map(gauge)).collect())
        }
        "floats" => floats((0..40).map(counter).chain([stale()]).collect(), 1.0),
        "thirds" => floats((0..5).map(gauge).collect(), 3.0),
        _ => panic!("no histograms are named {name}"),
    }
}

/// Schema, thresholds, sums and counts of the buckets by their index, without those that are empty: whichever layout
/// they were put into.
fn content(value: &HistogramValue) -> impl PartialEq + std::fmt::Debug + use<> {
    let float = value.to_float();
    let mut index = 0_i64;
    let indexes = float.positive_spans.iter().flat_map(|span| {
        let first = index + i64::from(span.offset);
        index = first + i64::from(span.length);
        first..index
    });
    let counts = indexes.zip(&float.positive_buckets).filter(|(_, count)| **count != 0.0);
    let counts: Vec<(i64, u64)> = counts.map(|(index, count)| (index, count.to_bits())).collect();
    let fields = [float.zero_threshold, float.zero_count, float.count, float.sum].map(f64::to_bits);
    (float.schema, fields, counts, float.custom_values)
}

#[test]
fn histogram_columns_decode_for_ever() {
    let mut found = 0;
    for (name, bytes) in lines(include_str!("columns-1/histograms.hex")) {
        let expected = histograms(name);
        let mut decoded = Vec::new();
        columns::decode(&bytes, expected.len(), |value| decoded.push(value)).unwrap();
        assert_eq!(
            decoded.iter().map(content).collect::<Vec<_>>(),
            expected.iter().map(content).collect::<Vec<_>>(),
            "{name}",
        );
        let hints = |values: &mut [HistogramValue]| -> Vec<_> {
            values.iter_mut().map(|value| *value.reset_hint_mut()).collect()
        };
        let first_of_runs: Vec<usize> = (0..)
            .zip(hints(&mut decoded))
            .filter(|(_, hint)| *hint == ResetHint::Unknown)
            .map(|(at, _)| at)
            .collect();
        let (runs, resets): (&[usize], &[usize]) = match name {
            "counter" | "floats" => (&[0, 7], &[7]),
            "short" => (&[0], &[]),
            "mixture" => (&[0, 7], &[7]),
            _ => (&[], &[]),
        };
        let stale = decoded.iter().zip(0..).filter(|(value, _)| value.sum().to_bits() == STALE_NAN_BITS);
        let stale: Vec<usize> = stale.map(|(_, at)| at).collect();
        assert_eq!(first_of_runs, [runs, &stale].concat(), "{name}");
        assert_eq!(columns::resets(&bytes, expected.len()).unwrap(), resets, "{name}");
        found += 1;
    }
    assert_eq!(found, 6);
}
