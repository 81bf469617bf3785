//! Native histograms by column beside chunks of the TSDB: bytes per histogram, encoding and decoding.
//!
//! Each shape is a service whose latencies are drawn anew for each scrape; buckets appear as they are first hit. Times
//! are CPU time of the thread.

#![expect(clippy::print_stdout, reason = "the sizes are half of what this is for")]

mod cpu_time;
mod support;

use std::{collections::BTreeMap, hint::black_box};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use kymo_formats::{
    codec::{
        histogram::{self, Appended, Appender, Form, columns},
        values::Density,
    },
    histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, HistogramValue, Span},
};

use cpu_time::ThreadCpu;
use support::measured;

/// A service: name, calls between scrapes, spread of the logarithm of latencies, and schema.
type Shape = (&'static str, u64, f64, i32);

const SHAPES: [Shape; 5] = [
    ("idle", 0, 0.5, 3),
    ("quiet", 3, 0.5, 3),
    ("busy", 300, 0.5, 3),
    ("wide", 2_000, 1.2, 4),
    ("custom", 100, 1.0, CUSTOM_BUCKETS_SCHEMA),
];
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Calls before the first scrape, in scrapes: most buckets are there already.
const WARM_UP: u64 = 500;

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About 50 ms, spread as latencies are.
    fn latency(&mut self, spread: f64) -> f64 {
        // The sum of uniform numbers is close to normal.
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        0.05 * (normal * spread).exp()
    }
}

/// `ceil(log2(latency) * 2^schema)`, or the index of the custom bound.
fn bucket(latency: f64, schema: i32) -> i32 {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        return BOUNDS.iter().zip(0..).find(|(bound, _)| latency <= **bound).map_or(11, |(_, at)| at);
    }
    let index = (latency.log2() * 2.0_f64.powi(schema)).ceil();
    (-5_000..5_000).find(|at| f64::from(*at) >= index).unwrap_or_default()
}

fn of_counts(counts: &BTreeMap<i32, i64>, schema: i32, sum: f64) -> Histogram {
    let mut histogram = Histogram { schema, sum, zero_threshold: 2.0_f64.powi(-128), ..Histogram::default() };
    let (mut next, mut previous) = (0, 0);
    for (at, count) in counts {
        match histogram.positive_spans.last_mut() {
            Some(span) if *at == next => span.length += 1,
            _ => histogram.positive_spans.push(Span { offset: at - next, length: 1 }),
        }
        histogram.positive_buckets.push(count - previous);
        histogram.count += count.unsigned_abs();
        (next, previous) = (at + 1, *count);
    }
    if schema == CUSTOM_BUCKETS_SCHEMA {
        histogram.zero_threshold = 0.0;
        histogram.custom_values = BOUNDS.to_vec();
    }
    histogram
}

fn histograms((_, calls, spread, schema): Shape, samples: usize) -> Vec<Histogram> {
    let mut random = Random(7);
    let (mut counts, mut sum) = (BTreeMap::new(), 0.0);
    let mut call = |counts: &mut BTreeMap<i32, i64>| {
        let latency = random.latency(spread);
        sum += latency;
        *counts.entry(bucket(latency, schema)).or_default() += 1;
        sum
    };
    (0..calls.max(1) * WARM_UP / 10).for_each(|_| {
        call(&mut counts);
    });
    let mut last = call(&mut counts);
    let sample = |_| {
        (0..calls).for_each(|_| last = call(&mut counts));
        of_counts(&counts, schema, last)
    };
    (0..samples).map(sample).collect()
}

fn native<H: Form>(histograms: &[H]) -> Vec<Vec<u8>> {
    let mut done = Vec::new();
    let mut open: Option<Appender<H>> = None;
    for (ts, histogram) in (0..).map(|n| n * 15_000).zip(histograms) {
        let next = match &mut open {
            None => Appender::new(ts, histogram),
            Some(open) => match open.append(ts, histogram) {
                Appended::Cut(next) => *next,
                Appended::InPlace | Appended::Recoded => continue,
            },
        };
        done.extend(open.replace(next).map(Appender::into_bytes));
    }
    done.extend(open.map(Appender::into_bytes));
    done
}

fn column<H: Form>(histograms: &[&H]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(columns::encode(histograms, Density::Fast, &mut out), "they are not too wide");
    out
}

/// The sum of counts, so that decoding is not optimised away.
fn decode_native<H: Form>(chunks: &[Vec<u8>], value: fn(H) -> HistogramValue) -> (usize, f64) {
    let mut samples = Vec::new();
    chunks.iter().for_each(|chunk| {
        histogram::decode::<H>(chunk, &mut samples).expect("our own chunk decodes");
    });
    samples.into_iter().fold((0, 0.0), |(n, sum), (_, histogram)| (n + 1, sum + value(histogram).sum()))
}

fn decode_column(bytes: &[u8], count: usize) -> (usize, f64) {
    let mut samples = Vec::with_capacity(count);
    columns::decode(bytes, count, |value| samples.push(value)).expect("our own column decodes");
    samples.iter().fold((0, 0.0), |(n, sum), value| (n + 1, sum + value.sum()))
}

fn measure<H: Form>(
    group: &mut BenchmarkGroup<'_, ThreadCpu>,
    name: &str,
    histograms: &[H],
    value: fn(H) -> HistogramValue,
) {
    let refs: Vec<&H> = histograms.iter().collect();
    let (chunks, column_bytes) = (native(histograms), column(&refs));
    let samples = histograms.len();
    let words = columns::outline(&column_bytes, samples).expect("our own column").words / samples;
    let per_sample = |bytes: usize| bytes as f64 / samples as f64;
    println!(
        "{name} {samples}: {words} words, {:.2} B native, {:.2} B by column",
        per_sample(chunks.iter().map(Vec::len).sum()),
        per_sample(column_bytes.len()),
    );
    let decoded = decode_column(&column_bytes, samples);
    assert_eq!(decoded, decode_native::<H>(&chunks, value));
    assert_eq!(decoded.0, samples);
    group.throughput(Throughput::Elements(samples as u64));
    group.bench_function(format!("{name}/decode_native"), |b| {
        b.iter(|| decode_native::<H>(black_box(&chunks), value));
    });
    group.bench_function(format!("{name}/decode"), |b| {
        b.iter(|| decode_column(black_box(&column_bytes), samples));
    });
    group.bench_function(format!("{name}/encode_native"), |b| b.iter(|| native(black_box(histograms))));
    group.bench_function(format!("{name}/encode"), |b| b.iter(|| column(black_box(&refs))));
}

fn all(criterion: &mut Criterion<ThreadCpu>) {
    for samples in if measured() { &[120, 480, 5_760][..] } else { &[20] } {
        let mut group = criterion.benchmark_group(format!("histogram_{samples}"));
        group.sample_size(10);
        for shape in SHAPES {
            let histograms = histograms(shape, *samples);
            measure(&mut group, shape.0, &histograms, HistogramValue::Integer);
        }
        let floats: Vec<FloatHistogram> =
            histograms(SHAPES[2], *samples).iter().map(Histogram::to_float).collect();
        measure(&mut group, "busy_float", &floats, HistogramValue::Float);
        group.finish();
    }
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(ThreadCpu); targets = all);
criterion_main!(benches);
