//! A data directory of format version 1, as an earlier build wrote it: it opens, and has what was written.
//!
//! `UPDATE_GOLDEN=1` writes it anew, which is right only as long as no release has written version 1.
#![expect(clippy::disallowed_methods, reason = "the test reads and writes files of the repository")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_engine::{
    Engine, EngineConfig, Exemplar, Fs, Labels, MemFs, Metadata, OpenMode, OsFs, SampleColumns, stale_nan,
    verify,
};

use crate::support::{config, digest, env, equal, everything, histogram};

const HOUR: i64 = 3_600_000;
const STEP: i64 = 15_000;
/// Where the parts begin: what is compacted, what is flushed, what is in the log.
const PARTS: [i64; 4] = [0, 700, 900, 960];
const SERIES: usize = 9;

/// What a sample is: bits of a float or digest of a histogram, and its start timestamp.
type Content = BTreeMap<Labels, BTreeMap<i64, (u64, i64)>>;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store-1")
}

fn settings() -> EngineConfig {
    let mut config = config();
    config.wal.segment_bytes = 16 * 1_024;
    config.wal.spare_segments_max = 0;
    config
}

fn labels(series: usize) -> Labels {
    let kinds =
        ["constant", "counter", "gauge", "measure", "special", "started", "integer", "float", "custom"];
    Labels::from_pairs([("__name__", kinds[series]), ("instance", "ünï"), ("job", "golden")])
}

/// Values of each kind: what every codec is for.
fn float(series: usize, i: i64) -> f64 {
    let noise = i.wrapping_mul(0x5851_f42d_4c95_7f2d).cast_unsigned() >> 12;
    match series {
        0 => 42.5,
        1 => (i * 1_000 + (noise % 1_000).cast_signed()) as f64,
        2 => ((noise % 2_000) as f64 - 1_000.0) / 100.0,
        3 => 1.0 + noise as f64 / (1_u64 << 52) as f64,
        4 => match i % 7 {
            0 => stale_nan(),
            1 => f64::NEG_INFINITY,
            2 => f64::from_bits(0x7ff8_0000_0000_1234),
            3 => -0.0,
            _ => f64::from_bits(noise * 4_099),
        },
        _ => (i / 3) as f64,
    }
}

fn time(series: usize, i: i64) -> i64 {
    // Some scrapes are late by milliseconds.
    i * STEP + i64::from(series == 2) * (i * 7 % 40)
}

const fn start(series: usize, i: i64) -> i64 {
    if series == 5 { i / 200 * 200 * STEP + 1 } else { 0 }
}

fn write(engine: &Engine, from: i64, to: i64, content: &mut Content) {
    for i in from..to {
        let mut batch = engine.batch();
        for series in 0..SERIES {
            let id = batch.series(&labels(series), None).unwrap();
            let (ts, start) = (time(series, i), start(series, i));
            let bits = if series < 6 {
                let value = float(series, i);
                batch.float(id, ts, start, value);
                value.to_bits()
            } else {
                let value = histogram(u64::try_from(i).unwrap() + 100 * series as u64);
                let bits = digest(&value.to_float());
                batch.histogram(id, ts, start, value);
                bits
            };
            content.entry(labels(series)).or_default().insert(ts, (bits, start));
        }
        assert_eq!(batch.commit().unwrap().refused_count, 0);
    }
}

fn found(engine: &Engine) -> Content {
    let mut content = Content::new();
    let mut columns = SampleColumns::default();
    for series in engine.select(&[everything()], i64::MIN, i64::MAX).unwrap().series {
        assert!(series.read(&mut columns).unwrap().is_empty());
        let starts = columns.start_ts.iter().copied().chain(std::iter::repeat(0));
        let floats = columns.ts.iter().zip(&columns.values).zip(starts);
        let floats = floats.map(|((ts, value), start)| (*ts, (value.to_bits(), start)));
        let histograms =
            columns.histograms.iter().map(|sample| (sample.ts, (digest(&sample.value), sample.start_ts)));
        content.insert(series.labels().clone(), floats.chain(histograms).collect());
    }
    content
}

/// Writes the store, and returns what is in it.
fn make(fs: &Arc<dyn Fs>, dir: &Path) -> Content {
    let mut content = Content::new();
    let engine = Engine::open_in(&env(Arc::clone(fs)), dir, settings()).unwrap();
    write(&engine, PARTS[0], PARTS[1], &mut content);
    engine.flush().unwrap();
    engine.compact().unwrap();
    write(&engine, PARTS[1], PARTS[2], &mut content);
    engine.delete_series(&[equal("__name__", "gauge")], HOUR, 2 * HOUR).unwrap();
    content.get_mut(&labels(2)).unwrap().retain(|ts, _| !(HOUR..=2 * HOUR).contains(ts));
    let mut batch = engine.batch();
    let id = batch.series(&labels(1), None).unwrap();
    batch.exemplar(id, Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 7.0, ts: HOUR });
    let help = || "What it counts.".to_owned();
    batch
        .metadata("counter", Metadata { kind: "counter".to_owned(), help: help(), unit: "bytes".to_owned() });
    batch.commit().unwrap();
    // Open chunks go to a checkpoint, the rest stays in the log.
    let interim = dir.join("interim");
    engine.snapshot(&interim).unwrap();
    fs.remove_dir_all(&interim).unwrap();
    write(&engine, PARTS[2], PARTS[3], &mut content);
    content
}

fn load(fs: &MemFs, from: &Path, to: &Path) {
    fs.create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            load(fs, &entry.path(), &to);
        } else {
            let file = fs.open(&to, OpenMode::CreateNew).unwrap();
            file.write_at(&std::fs::read(entry.path()).unwrap(), 0).unwrap();
        }
    }
}

#[test]
fn a_directory_of_format_1_has_what_was_written() {
    let golden = golden();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        drop(std::fs::remove_dir_all(&golden));
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        make(&fs, &golden);
        std::fs::remove_file(golden.join("LOCK")).unwrap();
    }
    let expected = make(&(Arc::new(MemFs::new()) as Arc<dyn Fs>), Path::new("/again"));

    let mem = MemFs::new();
    load(&mem, &golden, Path::new("/data"));
    let fs: Arc<dyn Fs> = Arc::new(mem);
    let report = verify(&fs, Path::new("/data")).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let engine = Engine::open_in(&env(Arc::clone(&fs)), Path::new("/data"), settings()).unwrap();
    let stats = engine.stats();
    assert!(
        stats.blocks.iter().any(|block| block.level > 0) && stats.blocks.iter().any(|block| block.level == 0)
    );
    assert!(stats.recovery.rows > 0, "some of it is in the log");
    assert_eq!(found(&engine), expected);
    assert_eq!(engine.exemplars(&[vec![everything()]], 0, i64::MAX).len(), 1);
    assert_eq!(engine.metadata()[0].1.unit, "bytes");
    // And it goes on.
    engine.flush().unwrap();
    engine.compact().unwrap();
    assert_eq!(found(&engine), expected);
}
