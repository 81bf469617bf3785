//! Checks of, and looks at, a store that nobody has open.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_engine::{
    Engine, EngineConfig, Env, Error, FileKind, Fs, MemFs, OpenMode, TiersConfig, VerifyReport, block_path,
    inspect, verify,
};

use crate::support::{append, config, env, labels, open};

const DIR: &str = "/data";

/// A store with blocks, a checkpoint and a log, which a crash left.
fn store() -> (MemFs, Env, Vec<u64>) {
    let fs = MemFs::default();
    let env = env(Arc::new(fs.clone()));
    let engine = open(&env, config());
    fill(&engine, 0);
    engine.flush().unwrap();
    engine.compact().unwrap();
    fill(&engine, 300);
    let blocks = engine.stats().blocks.iter().map(|block| block.id).collect();
    (fs, env, blocks)
}

fn fill(engine: &Engine, from: i64) {
    (from..from + 300)
        .for_each(|i| append(engine, &labels(usize::try_from(i % 4).unwrap()), i * 15_000, i as f64 / 3.0));
}

fn change(fs: &MemFs, path: &Path, offset: u64) {
    let file = fs.open(path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, offset).unwrap();
    file.write_at(&[byte[0] ^ 0x55], offset).unwrap();
}

fn check(env: &Env) -> VerifyReport {
    verify(&env.fs, Path::new(DIR)).unwrap()
}

/// The only damaged file: what it is, and the offsets of the damage.
fn only_damage(report: &VerifyReport) -> (FileKind, &Path, Vec<Option<u64>>) {
    let damaged: Vec<_> = report.files.iter().filter(|file| !file.damages.is_empty()).collect();
    let [file] = &damaged[..] else { panic!("{damaged:?}") };
    (file.kind, &file.path, file.damages.iter().map(|damage| damage.offset).collect())
}

#[test]
fn a_sound_store_is_clean_and_stays_as_it_is() {
    let (fs, env, blocks) = store();
    let before = listing(&fs);
    let report = check(&env);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(listing(&fs), before);
    let count = |kind| report.files.iter().filter(|file| file.kind == kind).count();
    assert_eq!((count(FileKind::Manifest), count(FileKind::Block)), (1, blocks.len()));
    assert!(count(FileKind::WalSegment) > 0);
    assert_eq!(report.files.iter().map(|file| file.samples).sum::<u64>(), 300);
}

/// All files of the store but the lock, with what is in them.
fn listing(fs: &MemFs) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut dirs = vec![PathBuf::from(DIR)];
    while let Some(dir) = dirs.pop() {
        for entry in fs.list(&dir).unwrap() {
            let path = dir.join(&entry.name);
            if entry.is_dir {
                dirs.push(path);
            } else if entry.name != "LOCK" {
                all.push((path.clone(), fs.read(&path).unwrap()));
            }
        }
    }
    all
}

#[test]
fn an_open_store_is_not_looked_at() {
    let (_, env, _) = store();
    let engine = open(&env, config());
    for error in [
        verify(&env.fs, Path::new(DIR)).map(drop).unwrap_err(),
        inspect(&env.fs, Path::new(DIR), None).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Locked { .. }), "{error}");
    }
    drop(engine);
    assert!(check(&env).is_clean());
    let nothing = verify(&env.fs, Path::new("/data/wal")).unwrap_err();
    assert!(matches!(nothing, Error::NoStore { .. }), "{nothing}");
}

#[test]
fn every_kind_of_file_is_checked() {
    let (fs, env, blocks) = store();
    let block = block_path(&Path::new(DIR).join("blocks"), blocks[0]);
    let named = |dir: &str, end: &str| {
        let dir = Path::new(DIR).join(dir);
        let entries = fs.list(&dir).unwrap();
        let entry =
            entries.iter().rfind(|entry| entry.name.ends_with(end) && !entry.name.starts_with("spare"));
        dir.join(&entry.unwrap().name)
    };
    let cases = [
        (FileKind::Block, block, 70, Some(64)),
        (FileKind::Manifest, named("manifest", ".log"), 80, None),
        (FileKind::Checkpoint, named("wal", ".ckpt"), 70, None),
        (FileKind::WalSegment, named("wal", ".wal"), 200, None),
    ];
    for (kind, path, changed, found) in cases {
        change(&fs, &path, changed);
        let report = check(&env);
        let (damaged, file, offsets) = only_damage(&report);
        assert_eq!((damaged, file), (kind, &*path));
        let offset = offsets[0].unwrap();
        assert!(offset <= changed && changed < offset + 64 * 1024, "{kind:?}: {offset}");
        assert!(found.is_none_or(|found| found == offset), "{kind:?}: {offset}");
        change(&fs, &path, changed);
        assert!(check(&env).is_clean());
    }
}

/// Every byte of a table's files counts, and so does each file of its log.
#[test]
fn tables_of_rollups_are_checked() {
    let (fs, env, _) = store();
    let engine = open(&env, EngineConfig { tiers: TiersConfig::default(), ..config() });
    engine.roll_up().unwrap();
    let rows: u64 = engine.tiers().iter().map(|tier| tier.state.size().rows).sum();
    drop(engine);
    let before = listing(&fs);
    let report = check(&env);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(listing(&fs), before);
    let of = |kind| report.files.iter().filter(move |file| file.kind == kind);
    assert_eq!((of(FileKind::RollupLog).count(), of(FileKind::Rollups).count()), (2, 2));
    assert_eq!(of(FileKind::Rollups).map(|file| file.entries).sum::<u64>(), rows);
    let mut tried = 0;
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with("/data/rollups")) {
        let is_log = path.components().any(|part| part.as_os_str() == "_delta_log");
        // The first line of a commit tells who made it, and the checksum of the others.
        let line = bytes.iter().position(|byte| *byte == b'\n').filter(|_| is_log);
        let first = line.map_or(0, |end| end as u64 + 1);
        for offset in (first..bytes.len() as u64).step_by(97) {
            change(&fs, path, offset);
            let report = check(&env);
            let damaged: Vec<_> = report.files.iter().filter(|file| !file.damages.is_empty()).collect();
            let [file] = &damaged[..] else { panic!("{path:?} at {offset}: {damaged:?}") };
            assert_eq!(file.kind == FileKind::RollupLog, is_log, "{path:?} at {offset}");
            change(&fs, path, offset);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    assert!(check(&env).is_clean());
    let file = of(FileKind::Rollups).next().unwrap();
    fs.remove(&file.path).unwrap();
    assert_eq!(only_damage(&check(&env)).1, file.path);
}

#[test]
fn a_damaged_block_says_how_many_samples_are_lost() {
    let (fs, env, blocks) = store();
    let path = block_path(&Path::new(DIR).join("blocks"), blocks[0]);
    change(&fs, &path, 70);
    let report = check(&env);
    let file = report.files.iter().find(|file| file.path == path).unwrap();
    assert!(file.unreadable.samples > 0 && file.unreadable.samples <= file.samples, "{file:?}");
    fs.remove(&path).unwrap();
    let report = check(&env);
    assert_eq!(only_damage(&report).1, path);
    assert!(!check(&env).is_clean());
}

#[test]
fn the_tables_add_up() {
    let (_, env, blocks) = store();
    let all = inspect(&env.fs, Path::new(DIR), None).unwrap();
    assert_eq!(all.blocks.iter().map(|block| block.meta.id).collect::<Vec<_>>(), blocks);
    assert!(all.blocks.iter().all(|block| block.damage.is_none()), "{:?}", all.blocks);
    let samples: u64 = all.blocks.iter().map(|block| block.meta.samples).sum();
    let chunks: u64 = all.blocks.iter().map(|block| block.chunks).sum();
    assert_eq!(all.encodings.iter().map(|encoding| encoding.samples).sum::<u64>(), samples);
    assert_eq!(all.encodings.iter().map(|encoding| encoding.chunks).sum::<u64>(), chunks);
    assert_eq!(all.metrics.iter().map(|metric| metric.samples).sum::<u64>(), samples);
    let chunk_bytes: u64 = all.encodings.iter().map(|encoding| encoding.bytes).sum();
    let section = |name| all.sections.iter().find(|section| section.name == name).unwrap().bytes;
    assert_eq!(section("chunk data"), chunk_bytes);
    assert!(section("postings") > 0);
    let values: Vec<_> = all.labels.iter().map(|label| (&label.name[..], label.values)).collect();
    assert_eq!(values, [(&b"__name__"[..], 2), (b"instance", 2), (b"job", 1)]);
    assert!(all.log.used_bytes > 0 && all.log.checkpoint_bytes > 0 && all.log.manifest_bytes > 0);
    let one = inspect(&env.fs, Path::new(DIR), Some(blocks[0])).unwrap();
    assert_eq!(one.blocks, all.blocks[..1]);
    assert!(inspect(&env.fs, Path::new(DIR), Some(999)).is_err());
}
