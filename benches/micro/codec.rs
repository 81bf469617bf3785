//! Columns of values and of timestamps: bytes per sample, and encoding and decoding, beside Gorilla chunks; summaries
//! of chunks: bytes per chunk.
//!
//! Shapes are generated; with `KYMO_RECORDING` set to a recording of `/metrics` pages its series are measured as
//! well, with a table of what each encoding takes. The recording is played at 15 s with millisecond jitter.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads a real file and the real environment")]
#![expect(clippy::print_stdout, reason = "the tables are what this is for")]

#[path = "../src/dataset/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "only the series are needed, neither requests nor the tests of both"
)]
mod dataset;
#[path = "../src/error.rs"]
#[expect(dead_code, reason = "only reading a recording can fail here")]
mod error;

use std::{collections::BTreeMap, hint::black_box, path::Path};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use dataset::{Protocol, Setup, fleet::Fleet, recording::Recording};
use kymo_formats::{
    codec::{
        column_chunk, integers,
        summary::{self, ChunkSummary},
        values::{self, Density, ValueEncoding},
        xor,
    },
    index::chunk_directory::ChunkMeta,
};

/// Samples per chunk on the levels of compaction.
const CHUNK_SAMPLES: [usize; 3] = [120, 480, 5_760];
const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;

/// Some chunks, as columns.
struct Chunks {
    ts: Vec<Vec<i64>>,
    values: Vec<Vec<f64>>,
}

impl Chunks {
    fn samples(&self) -> usize {
        self.values.iter().map(Vec::len).sum()
    }

    fn encoded(&self, density: Density) -> Vec<Vec<u8>> {
        let column = |values: &Vec<f64>| {
            let mut out = Vec::new();
            values::encode(values, density, &mut out);
            out
        };
        self.values.iter().map(column).collect()
    }

    fn encoded_ts(&self) -> Vec<Vec<u8>> {
        let column = |ts: &Vec<i64>| {
            let mut out = Vec::new();
            integers::encode(ts, &mut out);
            out
        };
        self.ts.iter().map(column).collect()
    }

    fn summaries(&self) -> Vec<Vec<u8>> {
        let summary = |(ts, values): (&Vec<i64>, &Vec<f64>)| {
            let count = u32::try_from(ts.len()).expect("chunks are short");
            let (min_ts, max_ts) = (ts.first().copied().unwrap_or(0), ts.last().copied().unwrap_or(0));
            let meta =
                ChunkMeta { encoding: column_chunk::ColumnEncoding::Floats.as_u8(), count, min_ts, max_ts };
            let mut out = Vec::new();
            summary::encode(ChunkSummary::of(ts, values).as_ref(), &meta, &mut out);
            out
        };
        self.ts.iter().zip(&self.values).map(summary).collect()
    }

    fn gorilla(&self) -> Vec<Vec<u8>> {
        let samples = |(ts, values): (&Vec<i64>, &Vec<f64>)| {
            xor::encode(ts.iter().copied().zip(values.iter().copied()))
        };
        self.ts.iter().zip(&self.values).map(samples).collect()
    }
}

/// A number from 0 to 4,095 that looks random.
fn noise(n: u32) -> f64 {
    f64::from(n.wrapping_mul(0x9e37_79b9) >> 20)
}

type Shape = (&'static str, fn(u32) -> f64);

/// What exporters show, by the kind of column that it makes.
const SHAPES: [Shape; 9] = [
    ("constant", |_| 1.0),
    ("near_constant", |n| f64::from(n / 97)),
    ("integer_counter", |n| f64::from(n) * 40.0 + noise(n) % 32.0),
    ("byte_counter", |n| 1e12 + f64::from(n) * 4e6 + noise(n) * 100.0),
    ("seconds_2_decimals", |n| (f64::from(n) * 1_500.0 + (noise(n) % 50.0).floor()) / 100.0),
    ("memory_pages", |n| 4_096.0 * (70_000.0 + noise(n) % 300.0)),
    ("gauge_2_decimals", |n| (noise(n) % 1_000.0) / 100.0),
    ("decimal_noise", |n| (noise(n) % 1_000.0) * 0.1),
    ("full_doubles", |n| f64::from(n) * 7.3 + noise(n).sqrt()),
];

fn shape((_, value): Shape, samples: usize) -> Chunks {
    let count = u32::try_from(samples).unwrap_or(u32::MAX);
    let ts = (0..count).map(|n| START_MS + i64::from(n) * INTERVAL_MS + i64::from(n % 7 == 0)).collect();
    Chunks { ts: vec![ts], values: vec![(0..count).map(value).collect()] }
}

/// The recording's series in chunks, constant ones apart.
fn recorded(path: &Path, samples: usize) -> Option<[(&'static str, Chunks); 2]> {
    let recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(error) => {
            println!("{error}");
            return None;
        }
    };
    let setup = Setup {
        instances: 1,
        series_max: usize::MAX,
        connections: 1,
        batch: 1,
        interval_ms: INTERVAL_MS,
        start_ms: START_MS,
        scrapes: samples as u64,
        jitter_ms: 3,
        seed: 7,
        protocol: Protocol::V1,
    };
    let fleet = Fleet::new(recording, &setup);
    let mut chunks =
        ["constant", "changing"].map(|name| (name, Chunks { ts: Vec::new(), values: Vec::new() }));
    for target in 0..fleet.targets.len() {
        for series in 0..fleet.exporter(target).series.len() {
            let scrapes = (0..setup.scrapes).filter_map(|scrape| {
                fleet.value(target, series, scrape).map(|value| (fleet.ts(target, scrape), value))
            });
            let (ts, values): (Vec<_>, Vec<_>) = scrapes.unzip();
            let changes = values.windows(2).any(|pair| pair[0].to_bits() != pair[1].to_bits());
            let of_kind = &mut chunks[usize::from(changes)].1;
            of_kind.ts.push(ts);
            of_kind.values.push(values);
        }
    }
    Some(chunks)
}

/// Prints bytes per sample of each encoding.
fn print_sizes(name: &str, chunks: &Chunks) {
    let samples = chunks.samples() as f64;
    let bytes = |columns: &[Vec<u8>]| columns.iter().map(Vec::len).sum::<usize>();
    let (ts, gorilla) = (chunks.encoded_ts(), chunks.gorilla());
    for density in [Density::Fast, Density::Dense] {
        let columns = chunks.encoded(density);
        println!(
            "{name} {density:?}: {} columns, {:.4} B/sample values, {:.4} timestamps of each chunk, {:.4} Gorilla",
            columns.len(),
            bytes(&columns) as f64 / samples,
            bytes(&ts) as f64 / samples,
            bytes(&gorilla) as f64 / samples,
        );
        let mut of_encoding = BTreeMap::<_, (usize, usize, usize)>::new();
        for (column, values) in columns.iter().zip(&chunks.values) {
            let of = of_encoding.entry(ValueEncoding::of(column).map(ValueEncoding::name)).or_default();
            *of = (of.0 + 1, of.1 + column.len(), of.2 + values.len());
        }
        for (encoding, (columns, bytes, samples)) in of_encoding {
            let (share, of) = (bytes as f64 / samples as f64, encoding.unwrap_or("none"));
            println!("  {of:18} {columns:6} columns {bytes:9} bytes {share:8.4} B/sample");
        }
    }
}

/// Prints bytes per chunk of its summary.
fn print_summaries(name: &str, chunks: &[&Chunks]) {
    let mut lens: Vec<usize> =
        chunks.iter().flat_map(|chunks| chunks.summaries()).map(|summary| summary.len()).collect();
    lens.sort_unstable();
    let at = |part: usize| lens.get(lens.len() * part / 100).copied().unwrap_or_default();
    println!(
        "{name}: {} summaries, {} of 1 byte (none), average {:.2} B, median {}, 90th {}, 99th {}, longest {} B",
        lens.len(),
        lens.iter().filter(|len| **len == 1).count(),
        lens.iter().sum::<usize>() as f64 / lens.len().max(1) as f64,
        at(50),
        at(90),
        at(99),
        lens.last().copied().unwrap_or_default(),
    );
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, chunks: &Chunks) {
    group.throughput(Throughput::Elements(chunks.samples() as u64));
    let (columns, ts, gorilla) = (chunks.encoded(Density::Fast), chunks.encoded_ts(), chunks.gorilla());
    let dense = chunks.encoded(Density::Dense);
    let (mut ts_out, mut values_out, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut decode = |columns: &[Vec<u8>], ts: &[Vec<u8>]| {
        let mut sum = 0.0;
        for (i, (column, values)) in columns.iter().zip(&chunks.values).enumerate() {
            ts_out.clear();
            values_out.clear();
            if let Some(ts) = ts.get(i) {
                integers::decode(ts, values.len(), &mut ts_out).expect("our own column decodes");
            }
            values::decode(column, values.len(), &mut values_out).expect("our own column decodes");
            sum += values_out.last().copied().unwrap_or_default();
        }
        sum
    };
    group.bench_function(format!("{name}/decode"), |b| b.iter(|| decode(black_box(&columns), &[])));
    group.bench_function(format!("{name}/decode_with_ts"), |b| b.iter(|| decode(black_box(&columns), &ts)));
    group.bench_function(format!("{name}/decode_dense"), |b| b.iter(|| decode(black_box(&dense), &[])));
    group.bench_function(format!("{name}/decode_gorilla"), |b| {
        b.iter(|| {
            for chunk in black_box(&gorilla) {
                ts_out.clear();
                values_out.clear();
                xor::decode(chunk, &mut ts_out, &mut values_out).expect("our own chunk decodes");
            }
        });
    });
    group.bench_function(format!("{name}/encode"), |b| {
        b.iter(|| {
            for values in black_box(&chunks.values) {
                out.clear();
                values::encode(values, Density::Fast, &mut out);
            }
        });
    });
    group.bench_function(format!("{name}/summary"), |b| b.iter(|| black_box(chunks).summaries()));
    group.bench_function(format!("{name}/encode_gorilla"), |b| b.iter(|| black_box(chunks).gorilla()));
}

fn shapes(criterion: &mut Criterion) {
    for samples in CHUNK_SAMPLES {
        let mut group = criterion.benchmark_group(format!("codec_{samples}"));
        for of in SHAPES {
            let chunks = shape(of, samples);
            print_sizes(&format!("{} {samples}", of.0), &chunks);
            measure(&mut group, of.0, &chunks);
        }
        group.finish();
    }
}

fn recording(criterion: &mut Criterion) {
    let Ok(path) = std::env::var("KYMO_RECORDING") else {
        println!("KYMO_RECORDING is not set: no recorded series are measured");
        return;
    };
    for samples in CHUNK_SAMPLES {
        let Some(kinds) = recorded(Path::new(&path), samples) else { return };
        let [(_, constant), (_, changing)] = &kinds;
        print_summaries(&format!("recording {samples}"), &[constant, changing]);
        print_summaries(&format!("recording changing {samples}"), &[changing]);
        let mut group = criterion.benchmark_group(format!("codec_recording_{samples}"));
        group.sample_size(10);
        for (name, chunks) in kinds {
            print_sizes(&format!("recording {name} {samples}"), &chunks);
            measure(&mut group, name, &chunks);
        }
        group.finish();
    }
}

criterion_group!(benches, shapes, recording);
criterion_main!(benches);
