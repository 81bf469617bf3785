//! Tests of the manifest: batches are all or nothing, whatever happens to the machine, and damage is never guessed
//! around.

use std::{path::Path, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    env::{Env, FaultFs, Fs, MemFs, OpenMode},
    error::ErrorKind,
    model::{MatchOp, Matcher, Millis},
};

const DIR: &str = "/data/manifest";

fn env(fs: &FaultFs) -> Env {
    fs.create_dir_all(Path::new("/data")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    Env::simulated(Arc::new(fs.clone()), 0)
}

fn open(fs: &FaultFs) -> (ManifestStore, Arc<Version>) {
    ManifestStore::open(&env(fs), Path::new(DIR)).unwrap()
}

fn open_image(image: MemFs) -> Result<Arc<Version>, ManifestError> {
    let fs: Arc<dyn Fs> = Arc::new(image);
    ManifestStore::open(&Env::simulated(fs, 0), Path::new(DIR)).map(|(_, version)| version)
}

fn meta(id: u64, level: u8, range: std::ops::Range<i64>) -> BlockMeta {
    BlockMeta {
        id,
        sequence: id,
        level,
        space: 0,
        range,
        created: Millis(5),
        series: 6,
        samples: 7,
        bytes: 8,
        sources: vec![1, 2],
    }
}

fn block(id: u64) -> Edit {
    let start = i64::try_from(id).unwrap() * 10;
    Edit::AddBlock(Arc::new(meta(id, 0, start..start + 15)))
}

fn tombstone(id: u64) -> Edit {
    let matchers = vec![
        Matcher::new(MatchOp::Equal, b"__name__", b"up").unwrap(),
        Matcher::new(MatchOp::NotRegex, b"job", b"a.*|b").unwrap(),
    ];
    Edit::AddTombstone(Arc::new(Tombstone { id, space: 0, range: 1..i64::MAX, created: Millis(3), matchers }))
}

fn ids(version: &Version) -> Vec<u64> {
    version.blocks().iter().map(|block| block.id).collect()
}

fn rule(store: &ManifestStore, edits: Vec<Edit>) -> &'static str {
    let before = store.current();
    match store.apply(edits).unwrap_err() {
        ManifestError::Refused { source } => {
            assert_eq!(store.current(), before, "a refused batch changes nothing");
            source.rule
        }
        other => panic!("{other}"),
    }
}

#[test]
fn edits_come_back_after_a_restart() {
    let fs = FaultFs::new();
    let (store, empty) = open(&fs);
    assert_eq!(*empty, Version::default());
    store.apply(vec![block(store.allocate_id()), block(store.allocate_id())]).unwrap();
    let start = WalStart { segment: 7, checkpoint: Some(3) };
    store.apply(vec![Edit::RemoveBlock(1), tombstone(store.allocate_id()), Edit::WalStart(start)]).unwrap();
    let version = store.current();
    assert_eq!((ids(&version), version.wal_start(), version.next_id()), (vec![2], start, 4));
    assert_eq!(version.tombstones().len(), 1);
    drop(store);
    let (again, reopened) = open(&fs);
    assert_eq!(*reopened, *version);
    assert_eq!(again.allocate_id(), 4, "ids go on");
    assert_eq!(open_image(fs.durable_image(0)).unwrap(), version, "all of it was durable");
}

fn rollup(job: u64, rolled_to: i64) -> Edit {
    let mut progress = RollupProgress { job, rolled_to, ..RollupProgress::new(300) };
    progress.due.insert(0, 300);
    progress.pending.insert(300, 900);
    Edit::Rollup(progress)
}

#[test]
fn how_far_rollups_are_comes_back_and_a_copy_has_no_id() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    store.apply(vec![Edit::StoreId(7), Edit::Source(3), Edit::SamplesFrom(5), rollup(1, 300)]).unwrap();
    let version = store.apply(vec![rollup(2, 600), Edit::SamplesFrom(4)]).unwrap();
    drop(store);
    let (_, reopened) = open(&fs);
    assert_eq!(reopened, version);
    assert_eq!((reopened.store_id(), reopened.rollup(300).job, reopened.samples_from()), (Some(7), 2, 5));
    assert_eq!(reopened.rollup(300).due.ranges(), [(0, 300)]);
    assert_eq!(reopened.rollup(900), RollupProgress::new(900));
    let copy = reopened.for_copy();
    assert_eq!((copy.store_id(), copy.source(), copy.rollups().count()), (None, Some(3), 1));
}

#[test]
fn a_version_in_use_does_not_change() {
    let (store, _) = open(&FaultFs::new());
    let before = store.apply(vec![block(1)]).unwrap();
    store.apply(vec![Edit::RemoveBlock(1), block(2)]).unwrap();
    assert_eq!((ids(&before), ids(&store.current())), (vec![1], vec![2]));
}

#[test]
fn blocks_are_found_by_time() {
    let (store, _) = open(&FaultFs::new());
    let version = store.apply(vec![block(3), block(1), block(2)]).unwrap();
    assert_eq!(ids(&version), [1, 2, 3], "sorted by start: 10..25, 20..35, 30..45");
    let found = |range| version.blocks_in(range).map(|block| block.id).collect::<Vec<_>>();
    assert!(found(0..10).is_empty());
    assert_eq!(found(0..11), [1]);
    assert_eq!(found(24..25), [1, 2]);
    assert_eq!(found(25..30), [2]);
    assert_eq!(found(i64::MIN..i64::MAX), [1, 2, 3]);
    assert!(found(45..100).is_empty());
}

#[test]
fn every_invariant_refuses() {
    let (store, _) = open(&FaultFs::new());
    let start = |segment| Edit::WalStart(WalStart { segment, checkpoint: None });
    let add = |meta| Edit::AddBlock(Arc::new(meta));
    store.apply(vec![block(1), tombstone(2), add(meta(3, 1, 0..100)), start(5), rollup(3, 600)]).unwrap();
    for (edits, expected) in [
        (vec![block(1)], "an id is given out once"),
        (vec![block(2)], "an id is given out once"),
        (vec![block(8), block(8)], "an id is given out once"),
        (vec![block(0)], "ids begin at 1"),
        (vec![add(meta(9, 0, 5..5))], "a block's range is not empty"),
        (vec![add(BlockMeta { sequence: 10, ..meta(9, 0, 0..1) })], "a block's sequence is at most its id"),
        (vec![Edit::RemoveBlock(9)], "a removed block was live"),
        (vec![Edit::RemoveBlock(1), Edit::RemoveBlock(1)], "a removed block was live"),
        (vec![Edit::RemoveTombstone(1)], "a removed tombstone was live"),
        (vec![start(4)], "the WAL start never goes back"),
        (vec![Edit::NextId(1)], "the next id never goes down"),
        (vec![rollup(2, 600)], "rollups never go back"),
        (vec![rollup(3, 300)], "rollups never go back"),
        (vec![add(meta(9, 1, 99..200))], "blocks of a level do not overlap"),
        (vec![block(9), start(6), add(meta(10, 1, -1..1))], "blocks of a level do not overlap"),
    ] {
        assert_eq!(rule(&store, edits.clone()), expected, "{edits:?}");
    }
    let Edit::AddTombstone(bounded) = tombstone(9) else { unreachable!() };
    let unbounded = Tombstone { matchers: Vec::new(), ..(*bounded).clone() };
    let edits = vec![Edit::AddTombstone(Arc::new(unbounded))];
    assert_eq!(rule(&store, edits), "a tombstone has a matcher and a range");

    // What looks alike and is right: neighbours, another level, an output added before its input goes.
    store.apply(vec![add(meta(9, 1, 100..200)), add(meta(10, 2, 0..200)), start(5)]).unwrap();
    store.apply(vec![add(meta(11, 1, 0..100)), Edit::RemoveBlock(3), Edit::RemoveTombstone(2)]).unwrap();
}

#[test]
fn snapshots_keep_files_short() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    for id in 1..=300 {
        store.apply(vec![block(id)]).unwrap();
        if id > 3 {
            store.apply(vec![Edit::RemoveBlock(id - 3)]).unwrap();
        }
    }
    let stats = store.stats();
    assert_eq!(stats.edits_total, 597);
    assert_eq!((stats.snapshots_total, stats.file), (9, 10));
    let files = fs.list(Path::new(DIR)).unwrap();
    assert_eq!(files.len(), 1);
    assert!(files[0].len < 10_000, "{}", files[0].len);
    let (_, reopened) = open(&fs);
    assert_eq!(*reopened, *store.current());
}

#[test]
fn many_blocks_fill_several_frames() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    store.apply((1..=2500).map(block).collect()).unwrap();
    assert_eq!(store.stats().snapshots_total, 1);
    store.apply(vec![Edit::RemoveBlock(7)]).unwrap();
    assert_eq!(*open(&fs).1, *store.current());
}

/// The bytes of a manifest with three batches, and where they begin.
fn three_batches() -> (Vec<u8>, Vec<usize>) {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    let path = log::path(Path::new(DIR), 1);
    let mut starts = Vec::new();
    for id in 1..=3 {
        starts.push(usize::try_from(fs.file_len(&path).unwrap()).unwrap());
        store.apply(vec![block(id)]).unwrap();
    }
    (fs.read(&path).unwrap(), starts)
}

fn open_bytes(bytes: &[u8]) -> Result<Vec<u64>, ManifestError> {
    let fs = FaultFs::new();
    let env = env(&fs);
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.open(&log::path(Path::new(DIR), 1), OpenMode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
    let (store, version) = ManifestStore::open(&env, Path::new(DIR))?;
    // Whatever was cut off, the manifest goes on, and reads back.
    let next = store.apply(vec![block(50)])?;
    assert_eq!(open_image(fs.durable_image(0)).unwrap(), next);
    Ok(ids(&version))
}

#[test]
fn a_torn_batch_is_cut_off() {
    let (bytes, starts) = three_batches();
    for cut in starts[1]..=bytes.len() {
        let expected: Vec<u64> = (1..=u64::try_from(starts.len()).unwrap())
            .filter(|id| starts.get(usize::try_from(*id).unwrap()).map_or(bytes.len(), |end| *end) <= cut)
            .collect();
        assert_eq!(open_bytes(&bytes[..cut]).unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn damage_is_an_error_that_names_its_place() {
    let (bytes, starts) = three_batches();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match open_bytes(&damaged) {
            // The last batch cannot be told from a torn one.
            Ok(ids) => assert!(at >= starts[2] && ids == [1, 2], "byte {at}: {ids:?}"),
            Err(ManifestError::Corrupt { path, offset, .. }) => {
                assert!(at < starts[2], "byte {at}");
                assert_eq!(path, log::path(Path::new(DIR), 1));
                assert!(offset <= (at as u64 + 3).max(36), "byte {at}: {offset}");
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    let error = open_bytes(&bytes[..starts[0] - 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "a snapshot is never torn: {error}");
}

#[test]
fn what_a_later_release_wrote_is_refused() {
    use kymo_formats::{
        manifest::LogHeader,
        wal::{Frame, encode_frame, lsn_at, payload_checksum},
    };
    let (mut bytes, _) = three_batches();
    let offset = bytes.len();
    let payload = [42, 1, 0];
    let lsn = lsn_at(1, u32::try_from(offset).unwrap());
    let frame = Frame { kind: 1, flags: 0, shard: 0, space: 0, lsn, payload: &payload };
    encode_frame(&frame, payload_checksum(&payload), &mut bytes);
    let error = open_bytes(&bytes).unwrap_err();
    assert!(matches!(error, ManifestError::UnknownEdit { kind: 42, version: 1, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let header = LogHeader::decode(&bytes).unwrap();
    bytes[..40].copy_from_slice(&LogHeader { version: 2, ..header }.encode());
    let error = open_bytes(&bytes).unwrap_err();
    assert!(matches!(error, ManifestError::Version { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    store.apply(vec![block(1)]).unwrap();
    fs.set_capacity(Some(0));
    let error = store.apply(vec![block(2)]).unwrap_err();
    assert!(matches!(error, ManifestError::NoSpace { .. }), "{error}");
    assert_eq!(ids(&store.current()), [1]);
    fs.set_capacity(None);
    store.apply(vec![block(3)]).unwrap();
    assert_eq!(ids(&open_image(fs.durable_image(0)).unwrap()), [1, 3]);
}

#[test]
fn a_snapshot_that_fails_takes_nothing_back() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    (1..64).for_each(|id| drop(store.apply(vec![block(id)]).unwrap()));
    // A write and a sync for the batch; the next call begins the snapshot.
    fs.fail_operation(fs.operations() + 2);
    store.apply(vec![block(64)]).unwrap();
    assert_eq!((store.stats().snapshots_total, store.stats().failed), (0, false));
    store.apply(vec![block(65)]).unwrap();
    assert_eq!(store.stats().snapshots_total, 1);
    assert_eq!(open_image(fs.durable_image(0)).unwrap(), store.current());
}

#[test]
fn a_failed_sync_ends_all_edits() {
    let fs = FaultFs::new();
    let (store, _) = open(&fs);
    store.apply(vec![block(1)]).unwrap();
    fs.fail_sync(fs.sync_points());
    let error = store.apply(vec![block(2)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(ids(&store.current()), [1], "not visible");
    assert!(matches!(store.apply(vec![block(3)]), Err(ManifestError::Failed { .. })));
    assert!(store.stats().failed);
    assert_eq!(ids(&open_image(fs.durable_image(1)).unwrap()), [1]);
}

/// The process was killed between a write and its sync: what is there is read, acted upon, and must not go away
/// with a power loss later.
#[test]
fn what_was_read_at_start_is_durable() {
    let (bytes, _) = three_batches();
    let fs = FaultFs::new();
    let env = env(&fs);
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.open(&log::path(Path::new(DIR), 1), OpenMode::CreateNew).unwrap().write_at(&bytes, 0).unwrap();
    let (_, version) = ManifestStore::open(&env, Path::new(DIR)).unwrap();
    assert_eq!(ids(&version), [1, 2, 3]);
    assert_eq!(open_image(fs.durable_image(0)).unwrap(), version);
}

/// Batches that come and go and cross a snapshot or two.
fn batches() -> Vec<Vec<Edit>> {
    let batch = |id: u64| {
        let mut edits = vec![block(id * 3), block(id * 3 + 1), tombstone(id * 3 + 2)];
        if id > 4 {
            edits.extend([Edit::RemoveBlock((id - 4) * 3), Edit::RemoveTombstone((id - 4) * 3 + 2)]);
        }
        edits.push(Edit::WalStart(WalStart { segment: id, checkpoint: Some(id) }));
        edits
    };
    (1..=26).map(batch).collect()
}

/// Applies all batches until one fails: how many were acknowledged.
fn workload(env: &Env) -> (usize, Result<(), ManifestError>) {
    let store = match ManifestStore::open(env, Path::new(DIR)) {
        Ok((store, _)) => store,
        Err(error) => return (0, Err(error)),
    };
    for (acknowledged, batch) in batches().into_iter().enumerate() {
        if let Err(error) = store.apply(batch) {
            return (acknowledged, Err(error));
        }
    }
    (batches().len(), Ok(()))
}

/// Every version the workload goes through.
fn history() -> Vec<Version> {
    let mut history = vec![Version::default()];
    for batch in batches() {
        history.push(history[history.len() - 1].after(&batch).unwrap());
    }
    history
}

#[test]
fn a_crash_at_any_sync_leaves_whole_batches() {
    let history = history();
    let dry = FaultFs::new();
    workload(&env(&dry)).1.unwrap();
    let sync_points = dry.sync_points();
    assert!(sync_points > 30, "{sync_points}");
    for sync_point in 1..=sync_points {
        let fs = FaultFs::new();
        let env = env(&fs);
        fs.crash_at(sync_point);
        let (acknowledged, result) = workload(&env);
        assert_eq!(result.is_err() || fs.crashed(), sync_point < sync_points);
        for seed in 0..8 {
            let recovering = FaultFs::over(fs.durable_image(seed));
            let (store, version) = open(&recovering);
            // The batch that was under way may be there, as a whole.
            let possible = &history[acknowledged..history.len().min(acknowledged + 2)];
            assert!(possible.contains(&version), "sync {sync_point}, seed {seed}");
            let next = store.apply(vec![block(1000)]).unwrap();
            assert_eq!(open_image(recovering.durable_image(0)).unwrap(), next);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/manifest.txt"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_open_or_fail(bytes: Vec<u8>, at in any::<prop::sample::Index>(), count in 0_usize..20) {
        prop_assert!(open_bytes(&bytes).is_err());
        let (mut damaged, _) = three_batches();
        let at = at.index(damaged.len());
        let end = damaged.len().min(at + count);
        damaged.splice(at..end, bytes);
        if let Ok(ids) = open_bytes(&damaged) {
            prop_assert!([1, 2, 3].starts_with(&ids));
        }
    }
}
