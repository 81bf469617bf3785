//! The write-ahead log: appending, group commit, replay.
//!
//! * `append`: frames into the log's buffer and from there to a file system in memory
//! * `commit`: what one writer waits for, and sixteen together, on the file system of temporary files; wall clock
//! * `replay`: frames back out of the log

mod support;

use std::{hint::black_box, path::Path, sync::Arc, thread};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kymo_engine::{Env, Fs, MemFs, OsFs, Replay, Wal, WalConfig};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use support::measured;

/// A frame of a shard: some hundred rows.
const PAYLOAD_BYTES: usize = 4_096;
const FRAME_KIND: u8 = 1;
const WRITERS: u64 = 16;

fn payload(n: u64) -> Vec<u8> {
    (0..PAYLOAD_BYTES as u64).map(|at| (at * 31 + n * 7).to_le_bytes()[0]).collect()
}

fn open(fs: Arc<dyn Fs>, dir: &Path) -> Wal {
    Wal::open(&Env::simulated(fs, 7), dir, WalConfig::default(), 1).expect("the folder is empty")
}

fn append(wal: &Wal, payload: &[u8]) {
    let pin = wal.enter(Wal::frame_bytes(payload.len())).expect("there is room");
    let lsn = pin.append(0, FRAME_KIND, payload).expect("it was reserved");
    drop(pin);
    wal.wait_durable(lsn).expect("the disk takes it");
}

/// A log in memory of `frames` frames, and a digest of them.
fn log(frames: u64) -> (Arc<dyn Fs>, u64) {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let wal = open(Arc::clone(&fs), Path::new("/wal"));
    let mut digest = 0;
    for n in 0..frames {
        let payload = payload(n);
        digest = xxh3_64_with_seed(&payload, digest);
        append(&wal, &payload);
    }
    (fs, digest)
}

fn in_memory(criterion: &mut Criterion, frames: u64) {
    let mut group = criterion.benchmark_group("wal");
    group.sample_size(20).throughput(Throughput::Bytes(frames * PAYLOAD_BYTES as u64));
    let payloads: Vec<Vec<u8>> = (0..frames).map(payload).collect();
    group.bench_function("append", |b| {
        b.iter_batched(
            || open(Arc::new(MemFs::new()), Path::new("/wal")),
            |wal| {
                payloads.iter().for_each(|payload| append(&wal, payload));
                assert_eq!(wal.stats().frames_total, frames);
                wal
            },
            BatchSize::PerIteration,
        );
    });
    let (fs, digest) = log(frames);
    let read = |fs: &Arc<dyn Fs>| {
        let replay = Replay::open(fs, Path::new("/wal"), 1).expect("the log is there");
        replay.fold((0, 0_u64), |(count, digest), frame| {
            let frame = frame.expect("the log is sound");
            (count + 1, xxh3_64_with_seed(frame.payload(), digest))
        })
    };
    assert_eq!(read(&fs), (frames, digest));
    group.bench_function("replay", |b| b.iter(|| read(black_box(&fs))));
    group.finish();
}

/// Each of `writers` threads commits one frame.
fn commit(wal: &Wal, writers: u64, payload: &[u8]) {
    thread::scope(|scope| {
        for _ in 1..writers {
            scope.spawn(|| append(wal, payload));
        }
        append(wal, payload);
    });
}

fn on_disk(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let wal = open(Arc::new(OsFs), &folder.path().join("wal"));
    let payload = payload(1);
    let mut group = criterion.benchmark_group("wal");
    group.sample_size(20);
    for writers in [1, WRITERS] {
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("commit_{writers}"), |b| b.iter(|| commit(&wal, writers, &payload)));
    }
    group.finish();
    let stats = wal.stats();
    assert!(stats.syncs_total <= stats.frames_total + 8, "a sync serves one frame at least: {stats:?}");
}

fn wal(criterion: &mut Criterion) {
    in_memory(criterion, if measured() { 10_000 } else { 50 });
    on_disk(criterion);
}

criterion_group!(benches, wal);
criterion_main!(benches);
