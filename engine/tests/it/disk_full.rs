//! A full disk: writes are refused, reads go on, and writing resumes when there is room.

use std::{path::Path, sync::Arc};

use kymo_engine::{ErrorKind, FaultFs, Fs};

use crate::support::{append, config, content, env, labels, open};

#[test]
fn writes_are_refused_while_the_disk_is_full() {
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    append(&engine, &labels(0), 1, 1.0);
    fs.set_capacity(Some(0));
    let mut ts = 2;
    let error = loop {
        let mut batch = engine.batch();
        let series = batch.series(&labels(0), None).unwrap();
        batch.float(series, ts, 0, 0.1 * ts as f64);
        match batch.commit() {
            Ok(outcome) => assert_eq!(outcome.floats, 1),
            Err(error) => break error,
        }
        ts += 1;
        assert!(ts < 1_000_000, "the log never fills its segment");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let stored = usize::try_from(ts - 1).unwrap();
    assert_eq!(content(&engine)[&labels(0)].len(), stored);
    assert!(engine.flush().is_err());
    assert_eq!(content(&engine)[&labels(0)].len(), stored);
    fs.set_capacity(None);
    append(&engine, &labels(0), ts, 2.0);
    engine.flush().unwrap();
    assert_eq!(content(&engine)[&labels(0)].len(), stored + 1);
}

#[test]
fn a_flush_without_room_leaves_no_files() {
    const HOUR: i64 = 3_600_000;
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    // Blocks for several windows, and no room for all of them.
    for ts in 0..1_000 {
        append(&engine, &labels(0), ts * HOUR / 50, 0.1 * ts as f64);
    }
    let files = || fs.list(Path::new("/data/blocks")).unwrap();
    let room_for_some = 12 * 1024;
    fs.set_capacity(Some(used_bytes(&*fs) + room_for_some));
    for _ in 0..3 {
        assert_eq!(engine.flush().unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(files(), []);
    }
    assert_eq!(content(&engine)[&labels(0)].len(), 1_000);
    fs.set_capacity(None);
    assert_eq!(engine.flush().unwrap().samples, 1_000);
    assert_eq!(files().len(), engine.stats().blocks.len());
}

fn used_bytes(fs: &dyn Fs) -> u64 {
    let dirs = ["/data", "/data/wal", "/data/blocks", "/data/manifest"].map(Path::new);
    let files = dirs.iter().flat_map(|dir| {
        fs.list(dir).unwrap().into_iter().filter(|entry| !entry.is_dir).map(|entry| dir.join(entry.name))
    });
    files.map(|path| fs.file_len(&path).unwrap()).sum()
}

/// A merge leaves room for the log and for flushes, and is done once there is room again.
#[test]
fn a_merge_without_room_waits() {
    const HOUR: i64 = 3_600_000;
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    for part in 0..4 {
        for ts in 0..500 {
            append(&engine, &labels(0), (part * 500 + ts) * HOUR / 1_000, 0.1 * ts as f64);
        }
        engine.flush().unwrap();
    }
    engine.maintain().unwrap();
    append(&engine, &labels(0), 10 * HOUR, 1.0);
    engine.flush().unwrap();
    let expected = content(&engine);
    let blocks = || engine.stats().blocks.iter().map(|block| block.id).collect::<Vec<_>>();
    let live = blocks();
    let inputs: u64 = engine.stats().blocks.iter().map(|block| block.bytes).sum();
    // Enough for the merge and for a segment, but not for what the next flush writes.
    fs.set_capacity(Some(used_bytes(&*fs) + inputs + config().wal.segment_bytes));
    for _ in 0..2 {
        engine.maintain().unwrap();
        assert_eq!(blocks(), live);
        assert!(engine.stats().merges_without_room);
    }
    assert_eq!(engine.compact().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!((blocks(), content(&engine)), (live.clone(), expected.clone()));
    let room = inputs + 2 * config().wal.segment_bytes + engine.stats().head.bytes.total() as u64;
    fs.set_capacity(Some(used_bytes(&*fs) + room));
    engine.maintain().unwrap();
    assert_ne!(blocks(), live);
    assert!(!engine.stats().merges_without_room);
    assert_eq!(content(&engine), expected);
}

/// A flush that cannot succeed does not try: it would fill the disk each time.
#[test]
fn a_flush_without_room_writes_nothing() {
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    for ts in 0..2_000 {
        append(&engine, &labels(0), ts * 1_000, 1.0 / (1 + ts) as f64);
    }
    fs.set_capacity(Some(used_bytes(&*fs) + 4_096));
    let segment = engine.stats().wal.segment;
    for _ in 0..3 {
        let error = engine.flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("a flush needs"), "{error}");
    }
    assert_eq!(engine.stats().wal.segment, segment, "nothing was begun");
    fs.set_capacity(None);
    assert_eq!(engine.flush().unwrap().samples, 2_000);
}
