//! What keeps a store in shape over time: idle series leave memory, a full budget recovers, what fails leaves nothing
//! behind, and damage stays where it is.

use std::{path::Path, sync::Arc};

use kymo_engine::{
    Clock, CommitError, Engine, EngineConfig, Env, ErrorKind, FaultFs, Fs, HistogramValue, Labels, Matcher,
    MemFs, Metadata, Millis, OpenMode, SimClock,
};
use kymo_formats::histogram::{Histogram, Span};

use crate::support::{append, config, content, env, equal, everything, labels, open, select};

const HOUR: i64 = 3_600_000;

fn clocked(fs: Arc<dyn Fs>) -> (Env, Arc<SimClock>) {
    let clock = Arc::new(SimClock::new(Millis(1_000 * HOUR)));
    (Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(fs) }, clock)
}

fn try_append(engine: &Engine, labels: &Labels, ts: i64, value: f64) -> Result<u64, CommitError> {
    let mut batch = engine.batch();
    if let Ok(series) = batch.series(labels, None) {
        batch.float(series, ts, 0, value);
    }
    batch.commit().map(|outcome| outcome.floats)
}

fn files(fs: &dyn Fs, dir: &str, suffix: &str) -> Vec<String> {
    let entries = fs.list(Path::new(dir)).unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(suffix)).collect()
}

/// The matchers that select exactly one series.
fn only(labels: &Labels) -> Vec<Matcher> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    labels.iter().map(|label| equal(text(label.name), text(label.value))).collect()
}

#[test]
fn series_that_are_gone_leave_memory_and_stay_readable() {
    let (env, clock) = clocked(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    for series in 0..100 {
        (0..10).for_each(|i| append(&engine, &labels(series), 1_000 * HOUR + i * 15_000, series as f64));
    }
    engine.maintain().unwrap();
    assert_eq!(engine.stats().head.series, 100);
    clock.advance(Millis(2 * HOUR));
    append(&engine, &labels(200), 1_002 * HOUR, 1.0);
    let expected = content(&engine);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().head.series, 1, "only one series had a sample in the last hour");
    assert_eq!(content(&engine), expected);
    // They come back, under other ids, and a crash changes nothing.
    for series in (0..100).rev() {
        append(&engine, &labels(series), 1_002 * HOUR, -1.0);
    }
    let expected = content(&engine);
    drop(engine);
    assert_eq!(content(&open(&env, config())), expected);
}

#[test]
fn series_of_the_past_are_idle_by_their_own_time() {
    let (env, clock) = clocked(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    // A day of long ago in a moment: some series end early, others go on.
    let start = 900 * HOUR;
    for minute in 0..300 {
        for series in 0..20 {
            if series < 10 || minute < 60 {
                append(&engine, &labels(series), start + minute * 60_000, minute as f64);
            }
        }
        // As a store's own metrics are, at the time of the clock.
        append(&engine, &labels(100), 1_000 * HOUR + minute, 1.0);
        engine.maintain().unwrap();
    }
    let expected = content(&engine);
    assert_eq!(engine.stats().head.series, 11, "ten series had a sample in the last hour of the data");
    assert_eq!(engine.stats().head.series_created, 21, "and none of them was dropped meanwhile");
    assert!(engine.stats().flushes_total >= 2, "windows closed by the data");
    // Nothing more comes: then time goes on all the same.
    clock.advance(Millis(2 * HOUR));
    engine.maintain().unwrap();
    engine.maintain().unwrap();
    assert_eq!(engine.stats().head.series, 0);
    assert_eq!(content(&engine), expected);
}

#[test]
fn a_full_budget_refuses_writes_until_a_flush_has_made_room() {
    let mut small = config();
    small.head.budget_bytes = 1 << 20;
    let fs = Arc::new(FaultFs::default());
    let (env, _) = clocked(Arc::clone(&fs) as Arc<dyn Fs>);
    let engine = open(&env, small.clone());
    for series in 0..4_000 {
        append(&engine, &labels(series), 1_000 * HOUR, 0.5);
    }
    let expected = content(&engine);
    fs.set_capacity(Some(0));
    // Memory is watched also when nothing can leave it.
    assert!(engine.maintain().is_err());
    let refused = try_append(&engine, &labels(0), 1_000 * HOUR + 1, 1.0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(matches!(refused, CommitError::MemoryBudget { .. }), "{refused}");
    assert_eq!(content(&engine), expected);
    fs.set_capacity(None);
    engine.maintain().unwrap();
    assert_eq!(content(&engine), expected);
    append(&engine, &labels(0), 1_000 * HOUR + 1, 1.0);
    append(&engine, &labels(5_000), 1_000 * HOUR, 1.0);
    let expected = content(&engine);
    drop(engine);
    assert_eq!(content(&open(&env, small)), expected);
}

#[test]
fn memory_is_free_again_after_a_restart_with_a_full_head() {
    let (env, _) = clocked(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    for series in 0..6_000 {
        append(&engine, &labels(series), 1_000 * HOUR, 0.5);
    }
    let expected = content(&engine);
    drop(engine);
    let mut small = config();
    small.head.budget_bytes = 1 << 20;
    let engine = open(&env, small);
    assert!(engine.stats().head.bytes.total() > 1_500_000, "{:?}", engine.stats().head);
    // Nothing was written since the start, and nothing can be before this.
    (0..2).for_each(|_| engine.maintain().unwrap());
    assert!(engine.stats().head.bytes.total() < 1 << 20, "{:?}", engine.stats().head);
    assert_eq!(try_append(&engine, &labels(0), 1_000 * HOUR + 1, 1.0).unwrap(), 1);
    assert_eq!(content(&engine).len(), expected.len());
}

#[test]
fn a_budget_without_a_bound_is_one() {
    let mut unbounded = config();
    unbounded.head.budget_bytes = u64::MAX;
    let (env, _) = clocked(Arc::new(MemFs::default()));
    let engine = open(&env, unbounded);
    append(&engine, &labels(0), 1, 1.0);
    engine.maintain().unwrap();
    append(&engine, &labels(0), 2, 1.0);
}

/// Wherever a flush fails, what it wrote is gone again, all data is there, and the next one succeeds.
#[test]
fn a_flush_that_fails_leaves_no_files() {
    let mut failed = 0;
    for operation in 0.. {
        let fs = Arc::new(FaultFs::default());
        let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
        for i in 0..20 {
            append(&engine, &labels(0), i * HOUR, i as f64);
        }
        let expected = content(&engine);
        let before = fs.operations();
        fs.fail_operation(before + operation);
        let flushed = engine.flush();
        if fs.operations() <= before + operation {
            flushed.unwrap();
            break;
        }
        failed += usize::from(flushed.is_err());
        assert_eq!(content(&engine), expected, "operation {operation}");
        let known = matches!(&flushed, Err(error) if !error.to_string().contains("takes no more"));
        if known {
            let live = engine.stats().blocks.len();
            assert_eq!(files(&*fs, "/data/blocks", "").len(), live, "operation {operation}: {flushed:?}");
            assert_eq!(
                files(&*fs, "/data/wal", ".ckpt").len(),
                usize::from(live > 0),
                "operation {operation}"
            );
            engine.flush().unwrap();
            assert_eq!(content(&engine), expected, "operation {operation}");
            assert_eq!(files(&*fs, "/data/blocks", "").len(), engine.stats().blocks.len());
        }
        drop(engine);
        let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
        assert_eq!(content(&engine), expected, "operation {operation}, after a restart");
    }
    assert!(failed > 20, "a flush has more operations than {failed}");
}

#[test]
fn a_full_disk_is_not_made_fuller_by_flushes_that_fail() {
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    for i in 0..20 {
        append(&engine, &labels(0), i * HOUR, i as f64);
    }
    let expected = content(&engine);
    // Room for some blocks, not for all.
    let used = (1_u64 << 40) - {
        fs.set_capacity(Some(1 << 40));
        fs.available_bytes(Path::new("/data")).unwrap()
    };
    fs.set_capacity(Some(used + 6_000));
    for _ in 0..5 {
        assert!(engine.flush().is_err());
        assert_eq!(files(&*fs, "/data/blocks", ""), [""; 0]);
    }
    assert_eq!(content(&engine), expected);
    fs.set_capacity(None);
    engine.flush().unwrap();
    assert_eq!(content(&engine), expected);
}

#[test]
fn what_was_deleted_can_be_written_again() {
    let env = env(Arc::new(MemFs::default()));
    let mut engine = open(&env, config());
    append(&engine, &labels(0), 5, 1.0);
    append(&engine, &labels(1), 5, 1.0);
    for value in [1.0, 2.0] {
        engine.delete_series(&only(&labels(0)), 0, 10).unwrap();
        assert_eq!(select(&engine, &everything(), 0, 10).len(), 1);
        append(&engine, &labels(0), 5, value);
        for _ in 0..2 {
            assert_eq!(content(&engine)[&labels(0)][&5], f64::to_bits(value));
            drop(engine);
            engine = open(&env, config());
        }
    }
    // An empty range deletes nothing.
    engine.delete_series(&only(&labels(0)), 10, 0).unwrap();
    assert_eq!(content(&engine).len(), 2);
}

#[test]
fn a_repeated_sample_is_acknowledged_only_when_it_is_durable() {
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    append(&engine, &labels(0), 1, 1.0);
    fs.fail_sync(fs.sync_points());
    assert!(try_append(&engine, &labels(0), 2, 1.0).is_err());
    // It is in memory, and will never be on disk.
    assert!(try_append(&engine, &labels(0), 2, 1.0).is_err());
}

/// A block of level 1 that cannot be read: new data of its time stays beside it, and compaction does not try to
/// put an overlapping one there, again and again.
#[test]
fn a_damaged_block_does_not_keep_compaction_busy() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::default());
    let env = env(Arc::clone(&fs));
    let mut config = config();
    config.retention.age_ms = 3_000 * HOUR;
    let engine = open(&env, config);
    // Samples of a window that is over, as the sample behind it says.
    let fill = |value: f64| {
        let offset = value.to_bits() as i64 % 7;
        (0..200).for_each(|i| append(&engine, &labels(0), i * 30_000 + offset, value));
        engine.flush().unwrap();
        engine.maintain().unwrap();
        append(&engine, &labels(1), 10 * HOUR + offset, 1.0);
        engine.maintain().unwrap();
    };
    fill(1.0);
    let blocks = engine.stats().blocks;
    let damaged = blocks.iter().find(|block| block.level > 0).unwrap();
    let path = kymo_engine::block_path(Path::new("/data/blocks"), damaged.id);
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, 60).unwrap();
    file.write_at(&[byte[0] ^ 0x55], 60).unwrap();
    for value in [2.0, 3.0, 4.0, 5.0, 6.0, 7.0] {
        fill(value);
    }
    engine.compact().unwrap();
    engine.maintain().unwrap();
    let stats = engine.stats();
    assert_eq!(stats.blocks_damaged, 1);
    assert_eq!(files(&*fs, "/data/blocks", "").len(), stats.blocks.len());
    assert!(stats.compaction_failures_total <= 1, "{}", stats.compaction_failures_total);
}

#[test]
fn long_metadata_is_left_out_and_samples_are_stored() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    let mut batch = engine.batch();
    let series = batch.series(&labels(0), None).unwrap();
    batch.float(series, 1, 0, 1.0);
    batch.metadata("even", Metadata { help: "x".repeat(1 << 20), ..Metadata::default() });
    batch.metadata("odd", Metadata { help: "fine".to_owned(), ..Metadata::default() });
    assert_eq!(batch.commit().unwrap().floats, 1);
    assert_eq!(engine.metadata().len(), 1);
}

#[test]
fn an_empty_range_selects_nothing() {
    let engine = open(&env(Arc::new(MemFs::default())), config());
    (0..100).for_each(|i| append(&engine, &labels(0), i * 1_000, 1.0));
    for _ in 0..2 {
        assert_eq!(engine.select(&[everything()], 50_000, 40_000).unwrap().series.len(), 0);
        assert_eq!(engine.label_names(&[], 50_000, 40_000).unwrap().items, [[0_u8; 0]; 0]);
        assert_eq!(engine.label_values(b"job", &[], 50_000, 40_000).unwrap().items, [[0_u8; 0]; 0]);
        assert_eq!(engine.series(&[everything()], i64::MAX, i64::MIN).unwrap().items, []);
        // And a range selects its samples, not those beside them in the same chunk.
        let mut columns = kymo_engine::SampleColumns::default();
        let found = engine.select(&[everything()], 40_000, 50_000).unwrap().series;
        assert!(found[0].read(&mut columns).unwrap().is_empty());
        assert_eq!(
            (columns.ts.first(), columns.ts.last(), columns.values.len()),
            (Some(&40_000), Some(&50_000), 11)
        );
        engine.flush().unwrap();
    }
}

fn histogram(count: u64) -> HistogramValue {
    HistogramValue::Integer(Histogram {
        count,
        sum: 1.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![count.cast_signed()],
        ..Histogram::default()
    })
}

fn append_histogram(engine: &Engine, ts: i64, value: HistogramValue) -> u64 {
    let mut batch = engine.batch();
    let series = batch.series(&labels(0), None).unwrap();
    batch.histogram(series, ts, 0, value);
    batch.commit().unwrap().refused_count
}

fn times(engine: &Engine) -> (Vec<i64>, Vec<i64>) {
    let mut columns = kymo_engine::SampleColumns::default();
    let found = engine.select(&[everything()], i64::MIN, i64::MAX).unwrap().series;
    assert!(found[0].read(&mut columns).unwrap().is_empty());
    (columns.ts, columns.histograms.iter().map(|sample| sample.ts).collect())
}

#[test]
fn a_repeated_histogram_is_accepted_also_when_its_chunk_is_gone() {
    let env = env(Arc::new(MemFs::default()));
    let mut engine = open(&env, config());
    for round in 0..3 {
        let ts = 10 * (1 + round);
        for _ in 0..2 {
            assert_eq!(append_histogram(&engine, ts, histogram(5)), 0, "{ts}");
        }
        match round {
            0 => {
                engine.flush().unwrap();
                drop(engine);
            }
            1 => engine.close().unwrap(),
            _ => drop(engine),
        }
        engine = open(&env, config());
        assert_eq!(append_histogram(&engine, ts, histogram(5)), 0, "{ts}, again");
    }
    assert_eq!(append_histogram(&engine, 30, histogram(6)), 1, "contradicts");
    assert_eq!(times(&engine), (vec![], vec![10, 20, 30]));
}

#[test]
fn a_repeat_of_an_older_histogram_in_the_open_chunk_changes_nothing() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    for ts in [10, 20, 30] {
        append_histogram(&engine, ts, histogram(5));
    }
    for ts in [20, 10] {
        assert_eq!(append_histogram(&engine, ts, histogram(5)), 0, "{ts}, again");
        assert_eq!(append_histogram(&engine, ts, histogram(6)), 1, "contradicts");
    }
    assert_eq!(engine.stats().head.late_samples, 0);
    assert_eq!(append_histogram(&engine, 15, histogram(6)), 0);
    assert_eq!(engine.stats().head.late_samples, 1);
    assert_eq!(times(&engine), (vec![], vec![10, 15, 20, 30]));
}

/// The first one written counts, whatever its kind, before and after a flush and a compaction.
#[test]
fn a_float_and_a_histogram_at_one_time_are_one_sample() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    append_histogram(&engine, 10, histogram(1));
    append_histogram(&engine, 20, histogram(2));
    append(&engine, &labels(0), 10, 1.0);
    append(&engine, &labels(0), 15, 1.0);
    let expected = (vec![15], vec![10, 20]);
    assert_eq!(times(&engine), expected);
    engine.flush().unwrap();
    append(&engine, &labels(0), 10, 2.0);
    assert_eq!(append_histogram(&engine, 15, histogram(3)), 0);
    assert_eq!(times(&engine), expected);
    engine.flush().unwrap();
    assert_eq!(times(&engine), expected);
    engine.compact().unwrap();
    assert_eq!(times(&engine), expected);
}

#[test]
fn windows_are_kept_at_the_ends_of_time_and_before_1970() {
    let mut wide = config();
    wide.head.future_max_ms = i64::MAX;
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, wide.clone());
    let times = [
        i64::MIN,
        i64::MIN + 1,
        i64::MIN + 2 * HOUR,
        -3 * HOUR,
        -2 * HOUR,
        -2 * HOUR - 1,
        -1,
        0,
        i64::MAX - 1,
    ];
    times.iter().for_each(|ts| append(&engine, &labels(0), *ts, 1.0));
    times.iter().rev().for_each(|ts| append(&engine, &labels(1), *ts, 1.0));
    assert_eq!(try_append(&engine, &labels(0), i64::MAX, 1.0).unwrap(), 0, "no half-open range holds it");
    let expected = content(&engine);
    assert!(expected.values().all(|samples| samples.len() == times.len()));
    engine.flush().unwrap();
    assert_eq!(content(&engine), expected);
    let samples: u64 = engine.stats().blocks.iter().map(|block| block.samples).sum();
    assert_eq!(samples, 2 * times.len() as u64, "each sample is in one block");
    engine.compact().unwrap();
    assert_eq!(content(&engine), expected);
    drop(engine);
    assert_eq!(content(&open(&env, wide)), expected);
}

/// Explicit flushes, maintenance that drops series, writers and readers at the same time.
#[test]
fn flushes_and_maintenance_at_once_lose_nothing() {
    let (env, clock) = clocked(Arc::new(MemFs::default()));
    let config =
        EngineConfig { flush: kymo_engine::FlushConfig { interval_ms: 1, ..config().flush }, ..config() };
    let engine = open(&env, config.clone());
    let rounds = 40_i64;
    std::thread::scope(|scope| {
        let flusher = scope.spawn(|| (0..rounds).for_each(|_| assert!(engine.flush().is_ok())));
        let keeper = scope.spawn(|| {
            for _ in 0..rounds {
                clock.advance(Millis(HOUR / 2));
                engine.maintain().unwrap();
            }
        });
        let reader = scope.spawn(|| {
            let mut seen = 0;
            for _ in 0..rounds {
                let samples = content(&engine).values().map(std::collections::BTreeMap::len).sum::<usize>();
                assert!(samples >= seen, "samples disappeared: {seen} before, {samples} now");
                seen = samples;
            }
        });
        for round in 0..rounds {
            for series in 0..20 {
                append(&engine, &labels(series), 1_000 * HOUR + round * 15_000, round as f64);
            }
        }
        [flusher, keeper, reader].into_iter().for_each(|thread| thread.join().unwrap());
    });
    let all = content(&engine);
    assert_eq!(all.len(), 20);
    assert!(all.values().all(|samples| samples.len() == usize::try_from(rounds).unwrap()));
    drop(engine);
    assert_eq!(content(&open(&env, config)), all);
}

#[test]
fn the_first_sample_closes_no_window() {
    let engine = open(&env(Arc::new(MemFs::default())), config());
    engine.maintain().unwrap();
    append(&engine, &labels(0), HOUR, 1.0);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().flushes_total, 0, "nothing is worth a flush yet");
}
