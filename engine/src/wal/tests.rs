//! Tests of the write-ahead log: what is acknowledged is replayed, whatever happens to the machine or the file.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Barrier},
};

use kymo_formats::wal::{FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES};
use proptest::prelude::*;

use super::*;
use crate::{
    env::{Env, FaultFs, Fs, MemFs, OpenMode, Rng, spawn},
    error::ErrorKind,
};

const DIR: &str = "/data/wal";
const SEGMENT_BYTES: u64 = 4096;

fn config() -> WalConfig {
    WalConfig { segment_bytes: SEGMENT_BYTES, ..WalConfig::default() }
}

fn env(fs: &FaultFs) -> Env {
    fs.create_dir_all(Path::new("/data")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    Env::simulated(Arc::new(fs.clone()), 0)
}

fn open(fs: &FaultFs) -> Wal {
    Wal::open(&env(fs), Path::new(DIR), config(), 1).unwrap()
}

fn append(wal: &Wal, payload: &[u8]) -> Lsn {
    wal.enter(Wal::frame_bytes(payload.len())).unwrap().append(3, 1, payload).unwrap()
}

fn append_durably(wal: &Wal, payload: &[u8]) -> Lsn {
    let lsn = append(wal, payload);
    wal.wait_durable(lsn).unwrap();
    lsn
}

/// The frames from `from` on, by place, and what replay says about them.
fn replay(fs: Arc<dyn Fs>, from: u64) -> (BTreeMap<Lsn, Vec<u8>>, ReplayReport) {
    try_replay(fs, from).unwrap()
}

fn try_replay(fs: Arc<dyn Fs>, from: u64) -> Result<(BTreeMap<Lsn, Vec<u8>>, ReplayReport), WalError> {
    let mut replay = Replay::open(&fs, Path::new(DIR), from)?;
    let mut frames = BTreeMap::new();
    for frame in replay.by_ref() {
        let frame = frame?;
        assert!(frames.last_key_value().is_none_or(|(last, _)| *last < frame.lsn), "frames come in order");
        frames.insert(frame.lsn, frame.payload().to_vec());
    }
    Ok((frames, replay.report().clone()))
}

fn names(fs: &dyn Fs) -> Vec<String> {
    fs.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn frames_come_back_in_order_across_segments() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    let appended: BTreeMap<_, _> = (0..100_u8)
        .map(|index| {
            let payload = vec![index; usize::from(index) * 3];
            (append_durably(&wal, &payload), payload)
        })
        .collect();
    assert!(wal.segment() > 3);
    let (frames, report) = replay(Arc::new(fs), 1);
    assert_eq!(frames, appended);
    assert_eq!((report.frames, report.segments), (100, wal.segment()));
    assert_eq!(report.next_segment, wal.segment() + 1);
    assert!(report.truncated.is_empty() && !report.is_lossy());
}

#[test]
fn an_empty_or_missing_directory_is_an_empty_log() {
    let (frames, report) = replay(Arc::new(MemFs::new()), 1);
    assert!(frames.is_empty());
    assert_eq!(report, ReplayReport { next_segment: 1, ..ReplayReport::default() });
}

#[test]
fn one_sync_serves_all_that_wait() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    let syncs = wal.stats().syncs_total;
    let lsns: Vec<_> = (0..10).map(|index| append(&wal, &[index])).collect();
    assert_eq!(wal.stats().buffered_bytes, 10 * (FRAME_HEADER_BYTES as u64 + 1));
    for lsn in lsns {
        wal.wait_durable(lsn).unwrap();
    }
    let stats = wal.stats();
    assert_eq!(stats.syncs_total - syncs, 1);
    assert_eq!(stats.sync_buckets.iter().sum::<u64>(), stats.syncs_total);
    assert_eq!(
        (stats.buffered_bytes, stats.unsynced_bytes, stats.waiting, stats.frames_total),
        (0, 0, 0, 10)
    );
}

#[test]
fn an_interval_acknowledges_what_the_kernel_has() {
    let fs = FaultFs::new();
    let config = WalConfig { sync: WalSync::Interval { interval_ms: 3_600_000 }, ..config() };
    let wal = Wal::open(&env(&fs), Path::new(DIR), config, 1).unwrap();
    let lsn = append(&wal, b"a");
    let syncs = fs.sync_points();
    wal.wait_durable(lsn).unwrap();
    assert_eq!(fs.sync_points(), syncs, "no sync");
    assert_eq!(replay(Arc::new(fs.durable_image(1)), 1).0.len(), 1, "but written");
    assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0.len(), 0);
    wal.sync().unwrap();
    assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0.len(), 1);
    append(&wal, b"b");
    drop(wal);
    assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0.len(), 2, "closing syncs");
}

#[test]
fn a_pin_guarantees_room_and_holds_its_segment() {
    let wal = open(&FaultFs::new());
    let max = config().pin_bytes_max();
    assert_eq!(wal.enter(max + 1).unwrap_err().kind(), ErrorKind::Invalid);
    let first = wal.enter(100).unwrap();
    let second = wal.enter(max - 100).unwrap();
    assert_eq!((first.segment(), second.segment()), (1, 1));
    let payload = vec![7; 100 - FRAME_HEADER_BYTES];
    assert_eq!(second.append(0, 1, &payload).unwrap().segment(), 1);
    let lsn = first.append(0, 1, &payload).unwrap();
    let error = first.append(0, 1, b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_eq!(wal.stats().pins, 2);
    drop((first, second));
    // What the second pin did not use is free again.
    assert_eq!(append(&wal, &payload).segment(), 1);
    wal.wait_durable(lsn).unwrap();
    assert_eq!(wal.enter(max).unwrap().segment(), 2, "a full segment's worth needs a new one");
    assert_eq!(wal.stats().pins, 0);
}

#[test]
fn rotation_waits_for_pins_and_keeps_new_ones_out() {
    let fs = FaultFs::new();
    let wal = Arc::new(open(&fs));
    append(&wal, b"early");
    let pin = wal.enter(100).unwrap();
    let rotating = Arc::clone(&wal);
    let rotation = spawn("rotate", move || rotating.rotate().unwrap()).unwrap();
    // The next segment's file is there before the rotation waits.
    while !fs.exists(&segment::path(Path::new(DIR), 2)).unwrap() {
        std::thread::yield_now();
    }
    let entering = Arc::clone(&wal);
    let entered = spawn("enter", move || entering.enter(10).unwrap().segment()).unwrap();
    assert_eq!(pin.append(0, 1, b"late").unwrap().segment(), 1);
    drop(pin);
    assert_eq!((rotation.join().unwrap(), entered.join().unwrap()), (2, 2));
    let (frames, _) = replay(Arc::new(fs.durable_image(0)), 1);
    assert_eq!(frames.into_values().collect::<Vec<_>>(), [b"early".to_vec(), b"late".to_vec()]);
    assert_eq!(wal.rotate().unwrap(), 2, "an empty segment is not ended");
}

#[test]
fn the_buffer_has_a_bound() {
    let config = WalConfig { buffer_bytes_max: 200, ..config() };
    let wal = Wal::open(&env(&FaultFs::new()), Path::new(DIR), config, 1).unwrap();
    append(&wal, &[1; 100]);
    assert_eq!(wal.stats().writes_total, 0);
    append(&wal, &[2; 100]);
    assert_eq!(wal.stats().writes_total, 1, "the second request wrote for the first");
    append(&wal, &[3; 1000]);
    assert_eq!(wal.stats().writes_total, 2, "one request alone may be larger than the bound");
}

#[test]
fn threads_share_the_log() {
    const THREADS: u8 = 4;
    const FRAMES: u8 = 50;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wal");
    let env = Env::system();
    let wal = Arc::new(Wal::open(&env, &path, config(), 1).unwrap());
    let start = Arc::new(Barrier::new(usize::from(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (wal, start) = (Arc::clone(&wal), Arc::clone(&start));
            spawn("append", move || {
                start.wait();
                (0..FRAMES).map(|index| append_durably(&wal, &[thread, index])).collect::<Vec<_>>()
            })
            .unwrap()
        })
        .collect();
    let mut expected = BTreeMap::new();
    for (thread, handle) in (0..THREADS).zip(threads) {
        let lsns = handle.join().unwrap();
        assert!(lsns.is_sorted());
        expected.extend(lsns.into_iter().zip((0..FRAMES).map(|index| vec![thread, index])));
    }
    let mut replay = Replay::open(&env.fs, &path, 1).unwrap();
    let frames: BTreeMap<_, _> = replay
        .by_ref()
        .map(|frame| frame.unwrap())
        .map(|frame| (frame.lsn, frame.payload().to_vec()))
        .collect();
    assert_eq!(frames, expected);
    assert!(wal.segment() > 1, "it rotated under load");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    fs.set_capacity(Some(SEGMENT_BYTES + 100));
    let max = config().pin_bytes_max();
    let lsn = append_durably(&wal, b"first");
    let error = wal.enter(max).unwrap_err();
    assert!(matches!(error, WalError::NoSpace { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(names(&fs), ["0000000000000001.wal"], "no half-made segment takes the last bytes");
    append_durably(&wal, b"what still fits");
    fs.set_capacity(None);
    assert_eq!(wal.enter(max).unwrap().segment(), 2);
    assert_eq!(replay(Arc::new(fs), 1).0[&lsn], b"first");
}

#[test]
fn a_flush_frees_a_full_disk() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    fs.set_capacity(Some(SEGMENT_BYTES));
    append_durably(&wal, b"first");
    assert_eq!(wal.rotate().unwrap(), 2, "ended without a next one");
    assert_eq!((wal.stats().segments, wal.segment()), (1, 2));
    assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0.len(), 1);
    assert!(matches!(wal.enter(10), Err(WalError::NoSpace { .. })));
    assert_eq!(wal.rotate().unwrap(), 2);
    wal.sync().unwrap();
    wal.remove_before(2).unwrap();
    let lsn = append_durably(&wal, b"second");
    assert_eq!(lsn.segment(), 2);
    assert_eq!(replay(Arc::new(fs), 2).0[&lsn], b"second");
}

#[test]
fn opening_on_a_full_disk_works_and_writing_waits_for_room() {
    let fs = FaultFs::new();
    fs.set_capacity(Some(10));
    let wal = open(&fs);
    assert!(matches!(wal.enter(10), Err(WalError::NoSpace { .. })));
    fs.set_capacity(None);
    assert_eq!(append_durably(&wal, b"a"), Lsn::new(1, 32));
}

#[test]
fn a_failed_sync_ends_all_writing() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    let safe = append_durably(&wal, b"safe");
    let pin = wal.enter(1000).unwrap();
    let lost = pin.append(0, 1, b"lost").unwrap();
    fs.fail_sync(fs.sync_points());
    let error = wal.wait_durable(lost).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("takes no more writes since it could not sync"), "{error}");
    assert!(wal.stats().failed);
    wal.wait_durable(safe).unwrap();
    assert!(matches!(pin.append(0, 1, b"x"), Err(WalError::Failed { .. })));
    drop(pin);
    assert!(matches!(wal.enter(10), Err(WalError::Failed { .. })));
    assert!(matches!(wal.rotate(), Err(WalError::Failed { .. })));
    assert!(matches!(wal.sync(), Err(WalError::Failed { .. })));
    drop(wal);
    assert_eq!(replay(Arc::new(fs.durable_image(1)), 1).0.into_keys().collect::<Vec<_>>(), [safe]);
}

#[test]
fn a_failed_write_ends_all_writing() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    let lsn = append(&wal, b"lost");
    fs.fail_operation(fs.operations());
    assert!(matches!(wal.wait_durable(lsn), Err(WalError::Failed { operation: "write", .. })));
    assert!(matches!(wal.wait_durable(lsn), Err(WalError::Failed { operation: "write", .. })));
}

#[test]
fn an_error_before_anything_changed_is_no_end() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    append(&wal, b"a");
    fs.fail_operation(fs.operations());
    assert!(matches!(wal.rotate(), Err(WalError::Io { .. })));
    assert_eq!(wal.rotate().unwrap(), 2);
}

/// The process was killed between a write and its sync: what is there is replayed and acted upon, and must not go
/// away with a power loss later.
#[test]
fn what_was_replayed_is_durable() {
    for leftovers in [false, true] {
        let fs = FaultFs::new();
        let wal = open(&fs);
        let lsn = append(&wal, b"written, not synced");
        drop(wal);
        if leftovers {
            overwrite(&fs, 1, 1000, b"leftovers of a recycled file");
        }
        let none = replay(Arc::new(fs.durable_image(0)), 1).0;
        assert!(none.is_empty(), "closing does not sync");
        let (frames, _) = replay(Arc::new(fs.clone()), 1);
        assert_eq!(frames.into_keys().collect::<Vec<_>>(), [lsn]);
        assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0.into_keys().collect::<Vec<_>>(), [lsn]);
    }
}

#[test]
fn recycled_files_never_give_back_what_they_held() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    for _ in 0..20 {
        append_durably(&wal, &[1; 100]);
    }
    let second = wal.rotate().unwrap();
    wal.remove_before(second).unwrap();
    assert_eq!(names(&fs), ["0000000000000002.wal", "spare-0000000000000001.wal"]);
    append_durably(&wal, b"x");
    assert_eq!(wal.rotate().unwrap(), 3);
    assert_eq!(names(&fs), ["0000000000000002.wal", "0000000000000003.wal"], "the spare became a segment");
    assert_eq!(wal.stats().spares, 0);
    // Of the same length as the frames of before, so that they lie where those began.
    let lsn = append_durably(&wal, &[2; 100]);
    drop(wal);
    let fs: Arc<dyn Fs> = Arc::new(fs);
    let (frames, report) = replay(Arc::clone(&fs), 3);
    assert_eq!(frames, BTreeMap::from([(lsn, vec![2; 100])]));
    assert_eq!((report.truncated.len(), report.is_lossy()), (0, false), "leftovers are no torn write");
    let path = Path::new(DIR).join("0000000000000003.wal");
    assert_eq!(fs.read(&path).unwrap().len() as u64, end(lsn, &[2; 100]), "but cut off");
}

#[test]
fn what_a_recycled_file_held_is_no_torn_write() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    for _ in 0..20 {
        append_durably(&wal, &[1; 100]);
    }
    let second = wal.rotate().unwrap();
    wal.remove_before(second).unwrap();
    append_durably(&wal, b"x");
    // The spare becomes a segment, and the process ends before its first frame.
    assert_eq!(wal.rotate().unwrap(), 3);
    drop(wal);
    let (frames, report) = replay(Arc::new(fs.durable_image(0)), 1);
    assert_eq!((frames.len(), report.truncated, report.quarantined), (1, vec![], vec![]));
    // A frame that was cut short and lies over the first former one: only that counts.
    let torn = fs.durable_image(0);
    overwrite(&torn, 3, SEGMENT_HEADER_BYTES as u64, &[7; 60]);
    let (_, report) = replay(Arc::new(torn), 1);
    let bytes: Vec<u64> = report.truncated.iter().map(|tail| tail.bytes).collect();
    assert_eq!(bytes, [Wal::frame_bytes(100)]);
}

#[test]
fn segments_come_with_all_their_frames() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    let lsns: Vec<Lsn> = (0..100_u8).map(|index| append_durably(&wal, &[index; 90])).collect();
    drop(wal);
    let fs: Arc<dyn Fs> = Arc::new(fs);
    let mut log = Replay::open(&fs, Path::new(DIR), 1).unwrap();
    let range = log.range().unwrap();
    let mut numbers = Vec::new();
    let mut found = Vec::new();
    while let Some((number, frames)) = log.next_segment().unwrap() {
        assert!(frames.iter().all(|frame| frame.lsn.segment() == number));
        numbers.push(number);
        found.extend(frames.into_iter().map(|frame| frame.lsn));
    }
    assert_eq!(found, lsns);
    assert!(numbers.len() > 2);
    assert_eq!(numbers, (range.0..=range.1).collect::<Vec<_>>());
}

#[test]
fn spares_are_bounded() {
    let fs = FaultFs::new();
    let wal = open(&fs);
    for _ in 0..5 {
        append_durably(&wal, b"x");
        wal.rotate().unwrap();
    }
    wal.remove_before(wal.segment()).unwrap();
    assert_eq!((wal.stats().segments, wal.stats().spares), (1, 2));
    assert_eq!(names(&fs).len(), 3);
    wal.remove_before(u64::MAX).unwrap();
    assert_eq!(wal.stats().segments, 1, "the current segment stays");
    drop(wal);
    let none = WalConfig { spare_segments_max: 0, ..config() };
    let wal = Wal::open(&env(&fs), Path::new(DIR), none, 7).unwrap();
    assert_eq!((wal.stats().spares, wal.segment()), (0, 7));
}

/// Appends `count` frames of growing length durably: what is in which place.
fn filled(fs: &FaultFs, count: u8) -> BTreeMap<Lsn, Vec<u8>> {
    let wal = open(fs);
    let fill = |index: u8| {
        let payload = vec![index; usize::from(index) % 90 * 5];
        (append_durably(&wal, &payload), payload)
    };
    (0..count).map(fill).collect()
}

fn overwrite(fs: &dyn Fs, segment: u64, offset: u64, bytes: &[u8]) {
    let file = fs.open(&segment::path(Path::new(DIR), segment), OpenMode::ReadWrite).unwrap();
    file.write_at(bytes, offset).unwrap();
}

fn end(lsn: Lsn, payload: &[u8]) -> u64 {
    lsn.offset() + Wal::frame_bytes(payload.len())
}

#[test]
fn damage_is_quarantined_to_the_end_of_its_segment() {
    let fs = FaultFs::new();
    let mut expected = filled(&fs, 100);
    let damaged = *expected.keys().find(|lsn| lsn.segment() == 2).unwrap();
    overwrite(&fs, 2, damaged.offset() + 10, &[0xee]);
    expected.retain(|lsn, _| lsn.segment() != 2);
    let fs: Arc<dyn Fs> = Arc::new(fs);
    let (frames, report) = replay(Arc::clone(&fs), 1);
    assert_eq!(frames, expected);
    let [range] = &report.quarantined[..] else { panic!("{report:?}") };
    assert_eq!((range.start, range.bytes), (damaged, SEGMENT_BYTES - 32));
    assert!(report.is_lossy());
    let copy = fs.read(range.path.as_deref().unwrap()).unwrap();
    assert_eq!((copy.len() as u64, copy[10]), (range.bytes, 0xee));
    let (again, clean) = replay(fs, 1);
    assert_eq!(again, expected);
    assert!(clean.quarantined.is_empty() && clean.truncated.is_empty());
}

#[test]
fn a_full_disk_leaves_damage_in_place() {
    let fs = FaultFs::new();
    filled(&fs, 100);
    overwrite(&fs, 1, 40, &[0xee]);
    fs.set_capacity(Some(0));
    let fs: Arc<dyn Fs> = Arc::new(fs);
    let (frames, report) = replay(Arc::clone(&fs), 1);
    assert_eq!(report.quarantined[0].path, None);
    assert_eq!(replay(fs, 1).0, frames);
}

#[test]
fn a_missing_segment_is_reported() {
    let fs = FaultFs::new();
    let mut expected = filled(&fs, 100);
    fs.remove(&segment::path(Path::new(DIR), 2)).unwrap();
    expected.retain(|lsn, _| lsn.segment() != 2);
    let (frames, report) = replay(Arc::new(fs.clone()), 1);
    assert_eq!(frames, expected);
    assert_eq!(report.missing, [2..=2]);
    assert!(report.is_lossy());
    assert_eq!(replay(Arc::new(fs), 3).1.missing, []);
}

#[test]
fn a_later_version_is_refused() {
    let fs = FaultFs::new();
    filled(&fs, 1);
    let header = kymo_formats::wal::SegmentHeader { version: 2, segment: 1, space: 0 };
    overwrite(&fs, 1, 0, &header.encode());
    let error = try_replay(Arc::new(fs), 1).unwrap_err();
    assert!(matches!(error, WalError::Version { found: 2, .. }), "{error}");
}

#[test]
fn settings_are_read_and_checked() {
    for text in ["commit", "100ms"] {
        assert_eq!(text.parse::<WalSync>().unwrap().to_string(), text);
    }
    for text in ["", "0ms", "ms", "100", "1s", "-1ms"] {
        assert_eq!(text.parse::<WalSync>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
    let tiny = WalConfig { segment_bytes: 10, ..WalConfig::default() };
    assert!(tiny.validate().unwrap_err().to_string().starts_with("wal.segment_bytes: "));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/wal.txt"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_round_trip(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..40)) {
        let fs = FaultFs::new();
        let wal = open(&fs);
        let appended: BTreeMap<_, _> =
            payloads.into_iter().map(|payload| (append(&wal, &payload), payload)).collect();
        wal.sync().unwrap();
        prop_assert_eq!(replay(Arc::new(fs.durable_image(0)), 1).0, appended);
    }

    /// One damaged byte costs its frame and what follows in the segment, and nothing else.
    #[test]
    fn damage_costs_no_more_than_the_rest_of_its_segment(segment in 1_u64..5, at in 0..SEGMENT_BYTES, flip in 1_u8..) {
        let fs = FaultFs::new();
        let mut expected = filled(&fs, 80);
        let path = segment::path(Path::new(DIR), segment);
        let old = fs.read(&path).unwrap()[usize::try_from(at).unwrap()];
        overwrite(&fs, segment, at, &[old ^ flip]);
        if at >= 32 {
            expected.retain(|lsn, payload| lsn.segment() != segment || end(*lsn, payload) <= at);
        }
        let (frames, report) = replay(Arc::new(fs), 1);
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(report.damaged_headers.len(), usize::from(at < 32));
    }

    /// A segment that was cut short loses what was cut off.
    #[test]
    fn a_cut_costs_what_was_behind_it(segment in 1_u64..5, at in 0..SEGMENT_BYTES) {
        let fs = FaultFs::new();
        let mut expected = filled(&fs, 80);
        fs.open(&segment::path(Path::new(DIR), segment), OpenMode::ReadWrite).unwrap().set_len(at).unwrap();
        expected.retain(|lsn, payload| lsn.segment() != segment || end(*lsn, payload) <= at);
        prop_assert_eq!(replay(Arc::new(fs), 1).0, expected);
    }
}

/// What a workload that a crash may have cut short did.
#[derive(Debug, Default)]
struct Outcome {
    /// Every frame that was appended, in order.
    appended: Vec<(Lsn, Vec<u8>)>,
    /// How many of them were acknowledged as durable.
    acknowledged: usize,
    /// Where replay begins: the segments before may be gone.
    from: u64,
}

/// Interleaved requests, rotations, and removals that make spares, until something fails.
fn workload(env: &Env, outcome: &mut Outcome) -> Result<(), WalError> {
    outcome.from = 1;
    let wal = Wal::open(env, Path::new(DIR), config(), 1)?;
    let mut rng = Rng::new(5);
    for step in 0..50_u8 {
        {
            let pin = wal.enter(1400)?;
            for index in 0..4_u8 {
                let payload = vec![step; usize::try_from(rng.below(300)).unwrap()];
                let lsn = pin.append(u16::from(index), 1, &payload)?;
                outcome.appended.push((lsn, payload));
            }
        }
        if step % 3 == 0 {
            // A request in the middle: those behind it may or may not be on disk.
            let waiting = outcome.appended.len() - usize::from(step % 2) * 2;
            wal.wait_durable(outcome.appended[waiting - 1].0)?;
            outcome.acknowledged = waiting;
        }
        if step % 12 == 11 {
            let segment = wal.rotate()?;
            outcome.acknowledged = outcome.appended.len();
            // Stands for the manifest edit, which is durable before segments go.
            outcome.from = segment;
            wal.remove_before(segment)?;
        }
    }
    Ok(())
}

/// What is replayed is a beginning of what was appended, and holds all that was acknowledged.
fn check(outcome: &Outcome, frames: &BTreeMap<Lsn, Vec<u8>>) {
    let kept = |(lsn, _): &&(Lsn, Vec<u8>)| lsn.segment() >= outcome.from;
    let acknowledged = outcome.appended[..outcome.acknowledged].iter().filter(kept).count();
    assert!(frames.len() >= acknowledged, "{} of {acknowledged} acknowledged frames", frames.len());
    let expected = outcome.appended.iter().filter(kept).take(frames.len());
    assert!(
        frames.iter().eq(expected.map(|(lsn, payload)| (lsn, payload))),
        "only what was appended, in order"
    );
}

#[test]
fn a_crash_at_any_sync_loses_nothing_acknowledged() {
    let dry = FaultFs::new();
    workload(&env(&dry), &mut Outcome::default()).unwrap();
    let sync_points = dry.sync_points();
    assert!(sync_points > 40, "{sync_points}");
    for sync_point in 1..=sync_points {
        let fs = FaultFs::new();
        let env = env(&fs);
        fs.crash_at(sync_point);
        let mut outcome = Outcome::default();
        let result = workload(&env, &mut outcome);
        assert_eq!(result.is_err(), sync_point < sync_points);
        for seed in 0..8 {
            check_image(&outcome, &fs.durable_image(seed));
        }
    }
}

fn check_image(outcome: &Outcome, image: &MemFs) {
    let before_recovery = image.durable_image(0);
    let recovering = FaultFs::over(image.clone());
    let (frames, report) = replay(Arc::new(recovering.clone()), outcome.from);
    check(outcome, &frames);
    assert_eq!(report.missing, []);

    // A crash during recovery changes nothing.
    for sync_point in 0..recovering.sync_points() {
        let crashing = FaultFs::over(before_recovery.durable_image(0));
        crashing.crash_at(sync_point);
        assert!(try_replay(Arc::new(crashing.clone()), outcome.from).is_err());
        let (again, _) = replay(Arc::new(crashing.durable_image(sync_point + 3)), outcome.from);
        assert_eq!(again, frames);
    }

    // Recovery leaves a clean log, which goes on in a new segment.
    let wal = Wal::open(&env(&recovering), Path::new(DIR), config(), report.next_segment).unwrap();
    let lsn = append_durably(&wal, b"after the crash");
    let (mut after, clean) = replay(Arc::new(recovering.durable_image(0)), outcome.from);
    assert!(!clean.is_lossy(), "{clean:?}");
    // The new segment may lie in a recycled file, and have leftovers behind its end.
    assert!(clean.truncated.iter().all(|tail| tail.end.segment() == lsn.segment()), "{clean:?}");
    assert_eq!(after.remove(&lsn).as_deref(), Some(&b"after the crash"[..]));
    assert_eq!(after, frames);
}
