//! Copies of a store that runs, and stores from copies.

use std::{path::Path, sync::Arc};

use kymo_engine::{
    Engine, Error, Exemplar, FaultFs, Fs, Labels, MemFs, Metadata, OpenMode, SnapshotReport, block_path,
    restore, verify,
};

use crate::support::{Content, append, config, content, env, equal, everything, labels};

const STORE: &str = "/data";
const COPY: &str = "/backup/monday";
const RESTORED: &str = "/restored";

/// Writes to blocks, deletes, and leaves something in memory.
fn fill(engine: &Engine) {
    let rows = |from: i64| {
        for i in from..from + 200 {
            append(engine, &labels(usize::try_from(i % 4).unwrap()), i * 60_000, i as f64 / 3.0);
        }
    };
    rows(0);
    engine.flush().unwrap();
    engine.delete_series(&[equal("instance", "host-1")], 0, 60 * 60_000).unwrap();
    rows(200);
    engine.maintain().unwrap();
    rows(400);
    let mut batch = engine.batch();
    let series = batch.series(&labels(0), None).unwrap();
    batch.exemplar(series, Exemplar { labels: Labels::from_pairs([("trace_id", "a")]), value: 1.0, ts: 9 });
    batch.metadata("even", Metadata { help: "Help.".to_owned(), ..Metadata::default() });
    batch.commit().unwrap();
}

fn open_at(fs: &Arc<dyn Fs>, dir: &str) -> Engine {
    Engine::open_in(&env(Arc::clone(fs)), Path::new(dir), config()).unwrap()
}

fn exemplars(engine: &Engine) -> usize {
    engine.exemplars(&[vec![everything()]], i64::MIN, i64::MAX).len()
}

fn assert_is_copy(engine: &Engine, original: &Content) {
    assert_eq!(&content(engine), original);
    assert_eq!((exemplars(engine), engine.metadata().len()), (1, 1));
}

#[test]
fn a_snapshot_is_the_store_at_one_moment() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    let then = content(&engine);
    let report = engine.snapshot(COPY).unwrap();
    let SnapshotReport { blocks, files, bytes, linked_bytes } = report;
    assert!(blocks > 0 && files == blocks + 1 && bytes > 0, "{report:?}");
    assert_eq!(linked_bytes, bytes, "{report:?}");

    // What the store does afterwards is its own: its files go, others come.
    append(&engine, &labels(0), 700 * 60_000, 1.0);
    engine.compact().unwrap();
    engine.flush().unwrap();
    engine.delete_series(&[everything()], i64::MIN, i64::MAX).unwrap();
    engine.compact().unwrap();
    assert!(content(&engine).is_empty());

    assert!(verify(&fs, Path::new(COPY)).unwrap().is_clean());
    let copy = open_at(&fs, COPY);
    assert_is_copy(&copy, &then);
    append(&copy, &labels(0), 800 * 60_000, 1.0);
    copy.compact().unwrap();
    copy.close().unwrap();
    assert_eq!(content(&open_at(&fs, COPY)).values().map(|samples| samples.len()).sum::<usize>(), {
        then.values().map(|samples| samples.len()).sum::<usize>() + 1
    });
}

#[test]
fn where_there_are_no_links_bytes_are_copied() {
    let faults = FaultFs::new();
    faults.refuse_links();
    let fs: Arc<dyn Fs> = Arc::new(faults);
    let engine = open_at(&fs, STORE);
    fill(&engine);
    let report = engine.snapshot(COPY).unwrap();
    assert_eq!(report.linked_bytes, 0);
    assert!(report.bytes > 0);
    assert_is_copy(&open_at(&fs, COPY), &content(&engine));
}

#[test]
fn a_snapshot_goes_where_nothing_is() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    for dir in [STORE, COPY] {
        if dir == COPY {
            engine.snapshot(COPY).unwrap();
        }
        let before = fs.list(Path::new(dir)).unwrap();
        let error = engine.snapshot(dir).unwrap_err();
        assert!(matches!(&error, Error::Occupied { path } if path == Path::new(dir)), "{error}");
        assert_eq!(fs.list(Path::new(dir)).unwrap(), before);
    }
}

#[test]
fn only_one_makes_a_copy_in_a_directory() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    let dir = Path::new(COPY);
    fs.create_dir_all(dir).unwrap();
    let other = fs.lock(&dir.join("LOCK")).unwrap();
    let refused = engine.snapshot(COPY).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!(fs.exists(&dir.join("LOCK")).unwrap(), "and what the other has made stays");
    drop(other);
    engine.snapshot(COPY).unwrap();
    assert_is_copy(&open_at(&fs, COPY), &content(&engine));
}

#[test]
fn a_copy_leaves_room_for_the_store() {
    let faults = FaultFs::new();
    faults.refuse_links();
    let fs: Arc<dyn Fs> = Arc::new(faults.clone());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    engine.flush().unwrap();
    faults.set_capacity(Some(1 << 40));
    let used = (1 << 40) - faults.available_bytes(Path::new(STORE)).unwrap();
    let blocks: u64 = engine.stats().blocks.iter().map(|block| block.bytes).sum();
    // A segment of the log, which the flush before it begins, all that is copied, and then some; but not two segments more.
    faults.set_capacity(Some(used + config().wal.segment_bytes + 2 * blocks));
    let refused = engine.snapshot(COPY).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { operation: "a snapshot", .. }), "{refused}");
    assert!(!fs.exists(Path::new(COPY)).unwrap());
}

#[test]
fn a_store_is_restored_from_a_snapshot_and_from_a_directory_that_was_left() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    let then = content(&engine);
    engine.snapshot(COPY).unwrap();
    let refused = restore(&fs, Path::new(STORE), Path::new(RESTORED)).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");

    let report = restore(&fs, Path::new(COPY), Path::new(RESTORED)).unwrap();
    assert_eq!(report.linked_bytes, 0, "a backup shares no file with what is made of it");
    assert_is_copy(&open_at(&fs, RESTORED), &then);
    let refused = restore(&fs, Path::new(COPY), Path::new(RESTORED)).unwrap_err();
    assert!(matches!(refused, Error::Occupied { .. }), "{refused}");

    // As a kill leaves it: with a log that is needed.
    append(&engine, &labels(0), 900 * 60_000, 5.0);
    let then = content(&engine);
    drop(engine);
    restore(&fs, Path::new(STORE), Path::new("/second")).unwrap();
    assert_is_copy(&open_at(&fs, "/second"), &then);

    let refused = restore(&fs, Path::new("/nowhere"), Path::new("/third")).unwrap_err();
    assert!(matches!(refused, Error::NoStore { .. }), "{refused}");
}

#[test]
fn nothing_is_restored_from_damage() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    engine.snapshot(COPY).unwrap();
    let block = engine.stats().blocks[0].id;
    let path = block_path(&Path::new(COPY).join("blocks"), block);
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, 100).unwrap();
    file.write_at(&[byte[0] ^ 1], 100).unwrap();
    let refused = restore(&fs, Path::new(COPY), Path::new(RESTORED)).unwrap_err();
    assert!(matches!(&refused, Error::DamagedCopy { path: damaged } if *damaged == path), "{refused}");
    assert!(!fs.exists(Path::new(RESTORED)).unwrap());
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_nothing() {
    let faults = FaultFs::new();
    faults.refuse_links();
    let fs: Arc<dyn Fs> = Arc::new(faults.clone());
    let engine = open_at(&fs, STORE);
    fill(&engine);
    engine.flush().unwrap();
    let then = content(&engine);
    let used = || {
        faults.set_capacity(Some(1 << 40));
        (1 << 40) - faults.available_bytes(Path::new(STORE)).unwrap()
    };
    let mut failed_copies = 0;
    for room in (0..).step_by(1_000) {
        faults.set_capacity(Some(used() + room));
        if engine.snapshot(COPY).is_ok() {
            break;
        }
        // The flush before it, which is part of it, may have been what failed.
        failed_copies += u32::from(engine.flush().is_ok());
        assert!(!fs.exists(Path::new(COPY)).unwrap());
    }
    assert!(failed_copies > 3, "{failed_copies}");
    fs.remove_dir_all(Path::new(COPY)).unwrap();
    faults.set_capacity(None);
    assert_is_copy(&engine, &then);
    engine.snapshot(COPY).unwrap();
    assert_is_copy(&open_at(&fs, COPY), &then);
}

#[test]
fn the_power_may_fail_during_a_snapshot() {
    let run = |crash_after: Option<u64>| {
        let faults = FaultFs::new();
        let fs: Arc<dyn Fs> = Arc::new(faults.clone());
        let engine = open_at(&fs, STORE);
        fill(&engine);
        let then = content(&engine);
        let begin = faults.sync_points();
        if let Some(after) = crash_after {
            faults.crash_at(begin + after);
        }
        let done = engine.snapshot(COPY).is_ok();
        (faults.clone(), then, faults.sync_points() - begin, done)
    };
    let (_, _, points, done) = run(None);
    assert!(done && points > 5, "{points}");
    for point in 0..points {
        let (faults, then, _, done) = run(Some(point));
        assert!(faults.crashed() && !done);
        for seed in 0..6 {
            let fs: Arc<dyn Fs> = Arc::new(faults.durable_image(seed));
            assert_is_copy(&open_at(&fs, STORE), &then);
            if let Ok(report) = restore(&fs, Path::new(COPY), Path::new(RESTORED)) {
                assert!(report.blocks > 0);
                assert_is_copy(&open_at(&fs, RESTORED), &then);
            }
        }
    }
    // Once it was said to be there it is there.
    let (faults, then, ..) = run(None);
    let fs: Arc<dyn Fs> = Arc::new(faults.durable_image(0));
    assert_is_copy(&open_at(&fs, COPY), &then);
}
