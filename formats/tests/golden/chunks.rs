//! Chunks of Prometheus: ours are the same bytes, and theirs decode to what went in.

use kymo_formats::codec::histogram::{Appended, Appender, Form, HistogramIter};
use kymo_formats::codec::xor;
use kymo_formats::histogram::{FloatHistogram, Histogram, Span};

use crate::samples::{Kind, floats, histograms};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The chunks of `seed` in a file of seeds and chunks.
fn chunks_of(file: &str, seed: u64) -> Vec<Vec<u8>> {
    let lines = file.lines().map(|line| line.split_once(' ').unwrap());
    lines.filter(|(of, _)| of.parse() == Ok(seed)).map(|(_, hex)| bytes(hex)).collect()
}

#[test]
fn xor_chunks_are_the_same_bytes() {
    let file = include_str!("prometheus-3.14/xor.hex");
    for (line, seed) in file.lines().zip(1..) {
        let (golden, samples) = (bytes(line), floats(seed));
        let ours = xor::encode(samples.iter().map(|&(ts, bits)| (ts, f64::from_bits(bits))));
        assert_eq!(ours, golden, "seed {seed}");
        let (mut ts, mut values) = (Vec::new(), Vec::new());
        xor::decode(&golden, &mut ts, &mut values).unwrap();
        let decoded: Vec<_> = ts.into_iter().zip(values.into_iter().map(f64::to_bits)).collect();
        assert_eq!(decoded, samples, "seed {seed}");
    }
    assert_eq!(file.lines().count(), 4);
}

#[test]
fn histogram_chunks_are_the_same_bytes() {
    for (kind, integer, float) in [
        (
            Kind::Counter,
            include_str!("prometheus-3.14/histogram_counter.hex"),
            include_str!("prometheus-3.14/float_histogram_counter.hex"),
        ),
        (
            Kind::Gauge,
            include_str!("prometheus-3.14/histogram_gauge.hex"),
            include_str!("prometheus-3.14/float_histogram_gauge.hex"),
        ),
        (
            Kind::Custom,
            include_str!("prometheus-3.14/histogram_custom.hex"),
            include_str!("prometheus-3.14/float_histogram_custom.hex"),
        ),
    ] {
        for seed in 1..=3 {
            let name = format!("{kind:?} {seed}");
            let samples = histograms(seed, kind);
            check(&samples, &chunks_of(integer, seed), Histogram::to_float, &name);
            let samples: Vec<_> = samples.iter().map(|(ts, h)| (*ts, h.to_float())).collect();
            check(&samples, &chunks_of(float, seed), FloatHistogram::clone, &name);
        }
    }
}

fn check<H: Form>(samples: &[(i64, H)], golden: &[Vec<u8>], to_float: fn(&H) -> FloatHistogram, name: &str) {
    assert!(golden.len() > 3, "{name}");
    let ours = encode(samples);
    for (index, (ours, golden)) in ours.iter().zip(golden).enumerate() {
        assert_eq!(ours, golden, "{name}, chunk {index}");
    }
    assert_eq!(ours.len(), golden.len(), "{name}");
    let decoded: Vec<(i64, H)> =
        golden.iter().flat_map(|chunk| HistogramIter::new(chunk).unwrap()).map(Result::unwrap).collect();
    assert_eq!(decoded.len(), samples.len(), "{name}");
    for ((ts, decoded), (expected_ts, expected)) in decoded.iter().zip(samples) {
        assert_eq!(ts, expected_ts, "{name}");
        assert_eq!(filled(&to_float(decoded)), filled(&to_float(expected)), "{name} at {ts}");
    }
}

/// The chunks of a series, as the program behind the files cut them: at 20 samples, and where it must be.
fn encode<H: Form>(samples: &[(i64, H)]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut open: Option<Appender<H>> = None;
    for (ts, histogram) in samples {
        let next = match &mut open {
            None => Some(Appender::new(*ts, histogram)),
            Some(open) if open.count() == 20 => Some(Appender::after(open, *ts, histogram)),
            Some(open) => match open.append(*ts, histogram) {
                Appended::InPlace | Appended::Recoded => None,
                Appended::Cut(next) => Some(*next),
            },
        };
        if let Some(next) = next {
            chunks.extend(open.replace(next).map(Appender::into_bytes));
        }
    }
    chunks.extend(open.map(Appender::into_bytes));
    chunks
}

/// What a histogram says, without the empty buckets that a chunk may give it and without the hint.
fn filled(histogram: &FloatHistogram) -> String {
    let side = |spans: &[Span], buckets: &[f64]| {
        let mut next = 0;
        let mut indices = spans.iter().flat_map(|span| {
            let start = next + i64::from(span.offset);
            next = start + i64::from(span.length);
            start..next
        });
        let all: Vec<_> = indices.by_ref().zip(buckets).filter(|(_, count)| **count != 0.0).collect();
        format!("{all:?}")
    };
    format!(
        "{} {} {} {} {:x} {} {} {:?}",
        histogram.schema,
        histogram.zero_threshold,
        histogram.zero_count,
        histogram.count,
        histogram.sum.to_bits(),
        side(&histogram.positive_spans, &histogram.positive_buckets),
        side(&histogram.negative_spans, &histogram.negative_buckets),
        histogram.custom_values,
    )
}
