//! Several replayers against one: the head must be the same to the last byte.

use std::{path::Path, sync::Arc};

use kymo_formats::{
    histogram::{Histogram, Span},
    wal::{KIND_METADATA, SEGMENT_HEADER_BYTES},
};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use super::*;
use crate::{
    Engine, EngineConfig,
    env::{FaultFs, MemFs, OpenMode, SimClock},
    head::{Batch, Exemplar, HeadConfig, HeadStats, Metadata, SeriesRef},
    manifest::ManifestStore,
    model::{HistogramValue, Labels, MatchOp, Matcher, Millis},
    wal::{Wal, WalConfig},
};

const DIR: &str = "/data";
const WAL_DIR: &str = "/data/wal";
const MINUTE: i64 = 60_000;
const WINDOW_MS: i64 = 120 * MINUTE;

/// Rows of one series: number of the series, minute, value.
type Row = (usize, i64, u8);

#[derive(Debug, Clone)]
enum Step {
    Floats(Vec<Row>),
    Histograms(Vec<Row>),
    Exemplars(Vec<Row>),
    Metadata(u8),
    Maintain,
    Flush,
    Delete(usize),
}

/// A process from its start to its end, which is a kill unless it closes.
#[derive(Debug, Clone)]
struct Life {
    shards: usize,
    steps: Vec<Step>,
    closes: bool,
}

/// What happens to the newest file of a kind after the last life, at a part of its length in percent.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Overwritten(&'static str, u64),
    Cut(&'static str, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || vec((0_usize..12, 0_i64..400, 0_u8..4), 1..30);
    prop_oneof![
        6 => rows().prop_map(Step::Floats),
        2 => rows().prop_map(Step::Histograms),
        2 => rows().prop_map(Step::Exemplars),
        1 => any::<u8>().prop_map(Step::Metadata),
        1 => Just(Step::Maintain),
        1 => Just(Step::Flush),
        1 => (0_usize..12).prop_map(Step::Delete),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    (prop_oneof![Just(1_usize), Just(2), Just(4), Just(16)], vec(step(), 1..10), any::<bool>())
        .prop_map(|(shards, steps, closes)| Life { shards, steps, closes })
}

fn damage() -> impl Strategy<Value = Damage> {
    let file = || prop_oneof![3 => Just(".wal"), 1 => Just(".ckpt")];
    prop_oneof![
        Just(Damage::None),
        (file(), 0_u64..100).prop_map(|(file, at)| Damage::Overwritten(file, at)),
        (file(), 0_u64..100).prop_map(|(file, at)| Damage::Cut(file, at)),
    ]
}

fn env(fs: Arc<dyn Fs>, threads: usize) -> Env {
    let clock = SimClock::new(Millis(1_000 * 60 * MINUTE));
    Env { clock: Arc::new(clock), threads, ..Env::simulated(fs, 7) }
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([("__name__", format!("m{}", series % 3)), ("instance", format!("host-{series}"))])
}

fn histogram(value: u8) -> HistogramValue {
    HistogramValue::Integer(Histogram {
        count: u64::from(value) + 1,
        sum: f64::from(value),
        positive_spans: vec![Span { offset: i32::from(value % 2), length: 1 }],
        positive_buckets: vec![i64::from(value) + 1],
        ..Histogram::default()
    })
}

fn do_step(engine: &Engine, step: &Step) {
    match step {
        Step::Maintain => engine.maintain().unwrap(),
        Step::Flush => drop(engine.flush().unwrap()),
        Step::Delete(series) => {
            let instance = format!("host-{series}");
            let matcher = Matcher::new(MatchOp::Equal, b"instance", instance.as_bytes()).unwrap();
            engine.delete_series(&[matcher], 0, 200 * MINUTE).unwrap();
        }
        Step::Metadata(n) => {
            let mut batch = engine.batch();
            let metadata = Metadata { help: n.to_string(), ..Metadata::default() };
            batch.metadata(&format!("m{}", n % 3), metadata);
            batch.commit().unwrap();
        }
        Step::Floats(rows) => append(engine, rows, |batch, id, ts, value| {
            batch.float(id, ts, if value == 3 { 5 } else { 0 }, f64::from(value));
        }),
        Step::Histograms(rows) => append(engine, rows, |batch, id, ts, value| {
            batch.histogram(id, ts, 0, histogram(value));
        }),
        Step::Exemplars(rows) => append(engine, rows, |batch, id, ts, value| {
            let labels = Labels::from_pairs([("trace_id", value.to_string())]);
            batch.exemplar(id, Exemplar { labels, value: 1.5, ts });
        }),
    }
}

/// One request. Some rows contradict others and are refused.
fn append(engine: &Engine, rows: &[Row], add: impl Fn(&mut Batch<'_>, SeriesRef, i64, u8)) {
    let mut batch = engine.batch();
    for (series, minute, value) in rows {
        let id = batch.series(&labels(*series), None).unwrap();
        add(&mut batch, id, minute * MINUTE, *value);
    }
    batch.commit().unwrap();
}

fn config(shards: usize) -> EngineConfig {
    let mut config = EngineConfig::keep_everything();
    // Few exemplars, so that which ones are dropped depends on the order of all.
    config.head = HeadConfig { shards, exemplars_max: 20, ..HeadConfig::default() };
    config.wal.segment_bytes = 64 * 1_024;
    config.flush.wal_bytes_max = 256 * 1_024;
    config
}

fn live(lives: &[Life]) -> FaultFs {
    let fs = FaultFs::new();
    for life in lives {
        let env = env(Arc::new(fs.clone()), 1);
        let engine = Engine::open_in(&env, Path::new(DIR), config(life.shards)).unwrap();
        life.steps.iter().for_each(|step| do_step(&engine, step));
        if life.closes {
            engine.close().unwrap();
        }
    }
    fs
}

fn harm(fs: &dyn Fs, damage: &Damage) {
    let (Damage::Overwritten(kind, percent) | Damage::Cut(kind, percent)) = damage else { return };
    let entries = fs.list(Path::new(WAL_DIR)).unwrap();
    let newest = entries.iter().rfind(|entry| entry.name.ends_with(kind) && !entry.name.starts_with("spare"));
    let Some(entry) = newest else { return };
    let path = Path::new(WAL_DIR).join(&entry.name);
    let bytes = fs.read(&path).unwrap();
    // Of what is written: the rest of a segment is zeros.
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    // A file whose header is damaged is another matter.
    let at = (SEGMENT_HEADER_BYTES as u64).max(len * percent / 100);
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    match damage {
        Damage::Overwritten(..) => file.write_at(&[0xa5; 3], at).unwrap(),
        _ => file.set_len(at).unwrap(),
    }
}

/// All there is to know of a head: the report, the number of the next segment, the records of a checkpoint with all
/// series, samples, exemplars and metadata in the order of their ids, and the memory they take.
type State = (RecoveryReport, u64, Vec<(u8, u16, Vec<u8>)>, HeadStats);

fn replayed(image: MemFs, shards: usize, threads: usize) -> State {
    let env = env(Arc::new(image), threads);
    let (_, version) = ManifestStore::open(&env, &Path::new(DIR).join("manifest")).unwrap();
    let head = Head::new(&env, config(shards).head, WINDOW_MS);
    let progress = ReplayProgress::default();
    let (report, next) = replay(&env, Path::new(WAL_DIR), &version, &head, &progress).unwrap();
    let mut records = Vec::new();
    head.checkpoint(|record| {
        records.push((record.kind, record.shard, record.payload));
        Ok::<(), ()>(())
    })
    .unwrap();
    (report, next, records, head.stats())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/recovery.txt"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_head_is_the_same_whatever_the_number_of_threads(
        lives in vec(life(), 1..4),
        damage in damage(),
        shards in prop_oneof![Just(1_usize), Just(2), Just(8)],
    ) {
        let fs = live(&lives);
        let image = || {
            let image = fs.durable_image(0);
            harm(&image, &damage);
            image
        };
        let alone = replayed(image(), shards, 1);
        for threads in [2, 5, 8] {
            let together = replayed(image(), shards, threads);
            prop_assert_eq!(&together, &alone, "{} threads", threads);
        }
    }
}

/// A head and its log after a row of each of 30 series; the log gets `between` in the middle.
fn interrupted_log(between: impl FnOnce(&Wal)) -> MemFs {
    let fs = FaultFs::new();
    let env = env(Arc::new(fs.clone()), 1);
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    let wal =
        Wal::open(&env, Path::new(WAL_DIR), WalConfig { segment_bytes: 64 << 10, ..WalConfig::default() }, 1);
    let wal = wal.unwrap();
    let head = Head::new(&env, config(4).head, WINDOW_MS);
    let append = |ts: i64| {
        let mut batch = head.batch(&wal, i64::MAX, i64::MIN);
        for series in 0..30 {
            let id = batch.series(&labels(series), None).unwrap();
            batch.float(id, ts, 0, ts as f64);
        }
        batch.commit().unwrap();
    };
    append(1);
    between(&wal);
    append(2);
    fs.durable_image(0)
}

#[test]
fn metadata_that_does_not_decode_costs_no_rows() {
    let image = || {
        interrupted_log(|wal| {
            wal.enter(Wal::frame_bytes(3)).unwrap().append(0, KIND_METADATA, &[0xff; 3]).unwrap();
        })
    };
    for threads in [1, 4] {
        let (report, ..) = replayed(image(), 4, threads);
        assert_eq!((report.rows, report.undecodable_frames), (60, 1), "{threads} threads");
    }
}

#[test]
fn a_frame_of_an_unknown_kind_is_counted_once() {
    let image = || {
        interrupted_log(|wal| {
            wal.enter(Wal::frame_bytes(3)).unwrap().append(2, 77, b"new").unwrap();
        })
    };
    for threads in [1, 2, 4] {
        let (report, ..) = replayed(image(), 8, threads);
        assert_eq!((report.rows, report.undecodable_frames), (60, 1), "{threads} threads");
    }
}

#[test]
fn progress_ends_at_the_last_segment() {
    let env = env(Arc::new(interrupted_log(|wal| assert_eq!(wal.rotate().unwrap(), 2))), 2);
    let (_, version) = ManifestStore::open(&env, &Path::new(DIR).join("manifest")).unwrap();
    let head = Head::new(&env, config(4).head, WINDOW_MS);
    let progress = ReplayProgress::default();
    assert_eq!(progress.segments(), ReplayedSegments::default());
    replay(&env, Path::new(WAL_DIR), &version, &head, &progress).unwrap();
    assert_eq!(progress.segments(), ReplayedSegments { first: 1, last: 2, current: 2 });
}
