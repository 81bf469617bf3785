//! Decoding of remote write: from the uncompressed request to raw label hashes and samples.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo_formats::wire::remote_write::{Sample, v1, v2};
use xxhash_rust::xxh3::xxh3_64;

const SERIES: u64 = 2_000;

/// Labels like those of a node exporter's series behind a service discovery.
fn labels(series: u64) -> [(&'static str, String); 8] {
    [
        ("__name__", format!("node_disk_written_bytes_total_{}", series % 50)),
        ("cluster", "production-eu-west-1".to_owned()),
        ("device", format!("nvme{}n1", series % 40)),
        ("env", "production".to_owned()),
        ("instance", format!("node-{:05}.example.com:9100", series / 500)),
        ("job", "node-exporter".to_owned()),
        ("namespace", "monitoring".to_owned()),
        ("pod", format!("node-exporter-{:05}", series / 500)),
    ]
}

fn sample(series: u64) -> Sample {
    Sample { ts: 1_700_000_000_000, start_ts: 0, value: series as f64 * 1.5 }
}

fn request_v1() -> Vec<u8> {
    let mut body = Vec::new();
    let mut request = v1::WriteRequestEncoder::new(&mut body);
    for i in 0..SERIES {
        request.series(|series| {
            for (name, value) in labels(i) {
                series.label(name.as_bytes(), value.as_bytes());
            }
            series.sample(&sample(i));
        });
    }
    body
}

fn request_v2() -> Vec<u8> {
    let mut table = v2::SymbolTable::new();
    let mut all = Vec::new();
    for i in 0..SERIES {
        let labels = labels(i);
        let refs = labels.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let refs: Vec<_> = refs.map(|symbol| table.intern(symbol)).collect();
        v2::RequestEncoder::new(&mut all).series(|series| {
            series.label_refs(&refs).sample(&sample(i));
        });
    }
    let mut body = Vec::new();
    v2::RequestEncoder::new(&mut body).symbols(table.iter());
    [body, all].concat()
}

/// What a receiver does with series that it knows already.
fn read_v1(body: &[u8]) -> u64 {
    let request = v1::WriteRequest::parse(body).expect("the request is valid");
    let mut sum = 0_u64;
    for series in request.series() {
        series.raw_labels().for_each(|labels| sum = sum.wrapping_add(xxh3_64(labels)));
        series.samples().for_each(|sample| sum = sum.wrapping_add(sample.value.to_bits()));
    }
    sum
}

fn read_v2(body: &[u8]) -> u64 {
    let request = v2::Request::parse(body).expect("the request is valid");
    let hashes: Vec<_> = request.symbols().iter().map(|symbol| xxh3_64(symbol)).collect();
    let hash = |reference| usize::try_from(reference).ok().and_then(|i| hashes.get(i)).copied();
    let mut sum = 0_u64;
    for series in request.series() {
        for reference in series.label_refs() {
            sum = sum.rotate_left(5).wrapping_add(hash(reference).unwrap_or_default());
        }
        series.samples().for_each(|sample| sum = sum.wrapping_add(sample.value.to_bits()));
    }
    sum
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remote_write");
    group.throughput(Throughput::Elements(SERIES));
    let (first, second) = (request_v1(), request_v2());
    group.bench_function("v1/check", |b| b.iter(|| v1::WriteRequest::parse(black_box(&first)).map(drop)));
    group.bench_function("v1/check_and_read", |b| b.iter(|| read_v1(black_box(&first))));
    group.bench_function("v2/check", |b| b.iter(|| v2::Request::parse(black_box(&second)).map(drop)));
    group.bench_function("v2/check_and_read", |b| b.iter(|| read_v2(black_box(&second))));
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
