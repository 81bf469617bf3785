//! Append, select, flush, restart, delete, retention.

use std::sync::Arc;

use kymo_engine::{
    Clock, Engine, Env, ErrorKind, Exemplar, Fs, HistogramValue, Labels, MemFs, MemoryBudget, Metadata,
    Millis, Refusal, SampleColumns, SimClock, stale_nan,
};
use kymo_formats::histogram::{Histogram, ResetHint, Span};

use crate::support::{append, config, content, env, equal, everything, labels, open, select};

const HOUR: i64 = 3_600_000;

#[test]
fn what_was_appended_is_selected() {
    let engine = open(&env(Arc::new(MemFs::default())), config());
    for series in 0..10 {
        (0..300).for_each(|i| append(&engine, &labels(series), i * 15_000, i as f64 / 3.0));
    }
    let all = content(&engine);
    assert_eq!(all.len(), 10);
    assert!(all.values().all(|samples| samples.len() == 300));
    assert_eq!(all[&labels(3)][&(7 * 15_000)], (7.0_f64 / 3.0).to_bits());
    let part = select(&engine, &equal("__name__", "odd"), 15_000, 45_000);
    assert_eq!(part.len(), 5);
    assert!(part.values().all(|samples| samples.keys().copied().eq([15_000, 30_000, 45_000])));
    assert_eq!(
        engine.label_names(&[], i64::MIN, i64::MAX).unwrap().items,
        [&b"__name__"[..], b"instance", b"job"]
    );
    let values = engine.label_values(b"instance", &[equal("__name__", "odd")], 0, HOUR).unwrap().items;
    assert_eq!(values, [&b"host-0"[..], b"host-1", b"host-2", b"host-3", b"host-4"]);
    assert_eq!(engine.series(&[equal("instance", "host-2")], 0, HOUR).unwrap().items, [labels(4), labels(5)]);
    assert_eq!(engine.series(&[everything()], 2 * HOUR, 3 * HOUR).unwrap().items, []);
}

#[test]
fn flush_compaction_and_restart_change_nothing() {
    let fs = Arc::new(MemFs::default());
    let env = env(fs);
    let engine = open(&env, config());
    for i in 0..2_000_i64 {
        for series in 0..3 {
            append(&engine, &labels(series), i * 15_000, (i * 7 % 11) as f64);
        }
        if i % 500 == 250 {
            engine.maintain().unwrap();
        }
    }
    let before = content(&engine);
    engine.flush().unwrap();
    assert_eq!(content(&engine), before);
    let stats = engine.stats();
    assert!(stats.blocks.len() > 1, "one block a window at least: {:?}", stats.blocks.len());
    assert_eq!(stats.head.bytes.sealed_chunks, 0);
    engine.compact().unwrap();
    assert_eq!(content(&engine), before);
    assert!(engine.stats().blocks.len() < stats.blocks.len());
    drop(engine);
    let engine = open(&env, config());
    assert_eq!(content(&engine), before);
    append(&engine, &labels(0), 2_000 * 15_000, 1.0);
    engine.close().unwrap();
    let engine = open(&env, config());
    assert_eq!(content(&engine)[&labels(0)].len(), 2_001);
}

#[test]
fn another_number_of_shards_finds_everything() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    (0..50).for_each(|series| append(&engine, &labels(series), 1_000, series as f64));
    let before = content(&engine);
    drop(engine);
    for shards in [16, 1] {
        let mut config = config();
        config.head.shards = shards;
        let engine = open(&env, config);
        assert_eq!(content(&engine), before);
        engine.close().unwrap();
    }
}

#[test]
fn values_are_kept_bit_for_bit() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    let bits = [0, 1 << 63, 0x7ff0_0000_0000_0002, 0x7ff8_dead_beef_0001, 0xfff0_0000_0000_0000, 1, u64::MAX];
    for (i, bits) in bits.iter().enumerate() {
        append(&engine, &labels(0), i as i64, f64::from_bits(*bits));
    }
    let values = |engine: &Engine| content(engine)[&labels(0)].values().copied().collect::<Vec<_>>();
    assert_eq!(values(&engine), bits);
    engine.flush().unwrap();
    assert_eq!(values(&engine), bits);
    drop(engine);
    assert_eq!(values(&open(&env, config())), bits);
}

#[test]
fn late_samples_show_at_once_and_the_first_written_wins() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    let series = labels(0);
    append(&engine, &series, 10 * HOUR, 1.0);
    append(&engine, &series, HOUR, 2.0);
    append(&engine, &series, 5 * HOUR, 3.0);
    append(&engine, &series, 5 * HOUR, 3.0);
    let refused = |ts, value| {
        let mut batch = engine.batch();
        let id = batch.series(&series, None).unwrap();
        batch.float(id, ts, 0, value);
        batch.commit().unwrap().refused.pop().map(|row| row.reason)
    };
    assert_eq!(refused(5 * HOUR, 4.0), Some(Refusal::DuplicateTimestamp));
    assert_eq!(refused(10 * HOUR, 4.0), Some(Refusal::DuplicateTimestamp));
    assert_eq!(refused(11 * HOUR, stale_nan()), None);
    let expected = content(&engine);
    assert_eq!(expected[&series].keys().copied().collect::<Vec<_>>(), [HOUR, 5 * HOUR, 10 * HOUR, 11 * HOUR]);
    engine.flush().unwrap();
    assert_eq!(content(&engine), expected);
    // In a block now, so it is not looked up: accepted, and the one in the block counts.
    assert_eq!(refused(5 * HOUR, 9.0), None);
    assert_eq!(content(&engine), expected);
    engine.flush().unwrap();
    engine.compact().unwrap();
    assert_eq!(content(&engine), expected);
}

#[test]
fn samples_outside_of_the_bounds_are_refused_and_the_rest_is_stored() {
    let fs = Arc::new(MemFs::default());
    let clock = Arc::new(SimClock::new(Millis(100 * HOUR)));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(fs) };
    let mut config = config();
    config.retention.age_ms = 24 * HOUR;
    let engine = open(&env, config);
    let mut batch = engine.batch();
    let series = batch.series(&labels(0), None).unwrap();
    for ts in [i64::MIN, 76 * HOUR - 1, 76 * HOUR, 100 * HOUR, 100 * HOUR + 600_001, i64::MAX] {
        batch.float(series, ts, 0, 1.0);
    }
    let outcome = batch.commit().unwrap();
    assert_eq!((outcome.floats, outcome.refused_count), (2, 4));
    let reasons: Vec<_> = outcome.refused.into_iter().map(|row| row.reason).collect();
    assert_eq!(reasons, [Refusal::TooOld, Refusal::TooOld, Refusal::OutOfBounds, Refusal::OutOfBounds]);
    assert_eq!(content(&engine)[&labels(0)].len(), 2);
}

#[test]
fn retention_drops_blocks_by_age() {
    let clock = Arc::new(SimClock::new(Millis(100 * HOUR)));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(Arc::new(MemFs::default())) };
    let mut config = config();
    config.retention.age_ms = 24 * HOUR;
    let engine = open(&env, config);
    append(&engine, &labels(0), 80 * HOUR, 1.0);
    append(&engine, &labels(0), 100 * HOUR, 2.0);
    engine.flush().unwrap();
    engine.maintain().unwrap();
    assert_eq!(content(&engine)[&labels(0)].len(), 2);
    clock.advance(Millis(5 * HOUR));
    engine.maintain().unwrap();
    assert_eq!(content(&engine)[&labels(0)].keys().copied().collect::<Vec<_>>(), [100 * HOUR]);
    assert_eq!(engine.stats().blocks_expired_total, 1);
}

#[test]
fn deleted_samples_are_gone_and_newer_ones_stay() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    for series in 0..4 {
        (0..10).for_each(|i| append(&engine, &labels(series), i * HOUR, i as f64));
    }
    engine.delete_series(&[equal("__name__", "odd")], 2 * HOUR, 4 * HOUR).unwrap();
    engine.delete_series(&[equal("instance", "host-0")], i64::MIN, i64::MAX).unwrap();
    let check = |engine: &Engine, late: usize| {
        let all = content(engine);
        assert_eq!(all.get(&labels(0)), None);
        assert_eq!(all[&labels(2)].len(), 10);
        assert_eq!(all[&labels(3)].len(), 7 + late);
        let hosts = engine.label_values(b"instance", &[], i64::MIN, i64::MAX).unwrap().items;
        assert_eq!(hosts, [b"host-1"]);
    };
    check(&engine, 0);
    // Written after the deletion, so it stays.
    append(&engine, &labels(3), 3 * HOUR, 33.0);
    check(&engine, 1);
    engine.flush().unwrap();
    engine.compact().unwrap();
    check(&engine, 1);
    drop(engine);
    check(&open(&env, config()), 1);
}

#[test]
fn histograms_exemplars_metadata_and_start_timestamps_survive() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    let histogram = |n: u64| {
        HistogramValue::Integer(Histogram {
            count: 3 * n,
            sum: n as f64,
            zero_count: n,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![n.cast_signed(), 0],
            ..Histogram::default()
        })
    };
    let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 0.5, ts: 3_000 };
    let metadata = Metadata { kind: "counter".to_owned(), help: "Help.".to_owned(), unit: String::new() };
    let mut batch = engine.batch();
    let series = batch.series(&labels(0), None).unwrap();
    (1..=200).for_each(|n| batch.histogram(series, n * 1_000, 500, histogram(n.unsigned_abs())));
    batch.exemplar(series, exemplar.clone());
    batch.metadata("even", metadata.clone());
    let floats = batch.series(&labels(1), None).unwrap();
    (1..=200).for_each(|n| batch.float(floats, n * 1_000, n * 1_000 - 7, n as f64));
    let outcome = batch.commit().unwrap();
    assert_eq!(
        (outcome.floats, outcome.histograms, outcome.exemplars, outcome.refused_count),
        (200, 200, 1, 0)
    );

    let check = |engine: &Engine| {
        let mut columns = SampleColumns::default();
        let found = engine.select(&[everything()], i64::MIN, i64::MAX).unwrap().series;
        assert_eq!(found.len(), 2);
        assert!(found[0].read(&mut columns).unwrap().is_empty());
        assert_eq!(columns.histograms.len(), 200);
        for (n, sample) in (1..).zip(&columns.histograms) {
            assert_eq!((sample.ts, sample.start_ts), (n * 1_000, 500));
            let mut expected = histogram(n.unsigned_abs()).to_float();
            expected.reset_hint = sample.value.reset_hint;
            assert_eq!(*sample.value, expected);
            assert_ne!(sample.value.reset_hint, ResetHint::Reset);
        }
        assert_eq!(columns.histograms[0].value.reset_hint, ResetHint::Unknown);
        assert!(found[1].read(&mut columns).unwrap().is_empty());
        assert!(columns.ts.iter().zip(&columns.start_ts).all(|(ts, start)| ts - start == 7));
        assert_eq!((columns.ts.len(), columns.start_ts.len()), (200, 200));
        let exemplars = engine.exemplars(&[vec![everything()]], 0, 10_000);
        assert_eq!(exemplars, [(labels(0), vec![exemplar.clone()])]);
        assert_eq!(engine.metadata(), [("even".to_owned(), metadata.clone())]);
    };
    check(&engine);
    drop(engine);
    let engine = open(&env, config());
    check(&engine);
    engine.close().unwrap();
    let engine = open(&env, config());
    check(&engine);
    engine.flush().unwrap();
    check(&engine);
    engine.compact().unwrap();
    check(&engine);
}

#[test]
fn limits_refuse_new_series_only() {
    let mut config = config();
    config.head.series_max = 2;
    let engine = open(&env(Arc::new(MemFs::default())), config);
    append(&engine, &labels(0), 1, 1.0);
    append(&engine, &labels(1), 1, 1.0);
    let mut batch = engine.batch();
    let refused = batch.series(&labels(2), None).unwrap_err();
    assert_eq!(refused, Refusal::SeriesLimit { limit: 2, metric: "even".to_owned() });
    drop(batch);
    append(&engine, &labels(0), 2, 1.0);
    let long = Labels::from_pairs([("__name__", "x"), ("long", &"x".repeat(100_000))]);
    let mut batch = engine.batch();
    assert!(batch.series(&long, None).is_err());
}

#[test]
fn limits_name_the_offender_and_the_setting() {
    let mut config = config();
    config.head.metric_series_max = 1;
    config.head.label_values_max = 2;
    let engine = open(&env(Arc::new(MemFs::default())), config);
    let series = |metric: &str, pod: &str| Labels::from_pairs([("__name__", metric), ("pod", pod)]);
    append(&engine, &series("up", "a"), 1, 1.0);
    append(&engine, &series("down", "b"), 1, 1.0);
    let refused = |labels: &Labels| engine.batch().series(labels, None).unwrap_err().to_string();
    assert_eq!(
        refused(&series("up", "b")),
        "metric \"up\" has 1 series, the limit (head.metric_series_max) is 1: new series refused"
    );
    let nameless = Labels::from_pairs([("pod", "c")]);
    assert_eq!(
        refused(&nameless),
        "label \"pod\" has 2 values, the limit (head.label_values_max) is 2: new series of metric \"\" refused"
    );
    append(&engine, &series("up", "a"), 2, 1.0);
    append(&engine, &Labels::from_pairs([("pod", "a")]), 2, 1.0);
    let counted = engine.stats().head.series_refused;
    assert_eq!((counted.metric_series_max, counted.label_values_max, counted.series_max), (1, 1, 0));
    let top = engine.cardinality(1);
    assert_eq!(
        (top.labels, &top.series_by_label[0].value[..], top.series_by_label[0].series),
        (4, &b"a"[..], 2)
    );
}

#[test]
fn idle_series_leave_memory_and_come_back() {
    let clock = Arc::new(SimClock::new(Millis(HOUR)));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(Arc::new(MemFs::default())) };
    let engine = open(&env, config());
    let hasher = engine.raw_hasher();
    let hash = |series: usize| hasher.hash(labels(series).canonical());
    for series in 0..20 {
        let mut batch = engine.batch();
        let id = batch.series(&labels(series), Some(hash(series))).unwrap();
        batch.float(id, HOUR, 0, series as f64);
        batch.commit().unwrap();
    }
    engine.flush().unwrap();
    engine.maintain().unwrap();
    clock.advance(Millis(3 * HOUR));
    append(&engine, &labels(7), 4 * HOUR, 1.0);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().head.series, 1);
    let mut batch = engine.batch();
    assert!(batch.known_series(hash(3), 100).is_none());
    let id = batch.series(&labels(3), Some(hash(3))).unwrap();
    assert_eq!(batch.known_series(hash(3), 100), Some(id));
    batch.float(id, 4 * HOUR, 0, 5.0);
    batch.commit().unwrap();
    let all = content(&engine);
    assert_eq!((all.len(), all[&labels(3)].len(), all[&labels(7)].len()), (20, 2, 2));
}

#[test]
fn a_directory_has_one_engine() {
    let env = env(Arc::new(MemFs::default()));
    let engine = open(&env, config());
    let error = Engine::open_in(&env, std::path::Path::new("/data"), config()).unwrap_err();
    assert!(error.to_string().contains("another process has this data directory open"), "{error}");
    drop(engine);
    open(&env, config());
}

#[test]
fn blocks_without_their_manifest_are_not_taken_for_rubbish() {
    let fs = Arc::new(MemFs::default());
    let env = env(Arc::clone(&fs) as Arc<dyn Fs>);
    let engine = open(&env, config());
    append(&engine, &labels(0), 1, 1.0);
    engine.flush().unwrap();
    let before = content(&engine);
    drop(engine);
    let manifest = std::path::Path::new("/data/manifest");
    let away = std::path::Path::new("/data/away");
    fs.create_dir_all(away).unwrap();
    let files = fs.list(manifest).unwrap();
    files.iter().for_each(|file| fs.rename(&manifest.join(&file.name), &away.join(&file.name)).unwrap());
    let error = Engine::open_in(&env, std::path::Path::new("/data"), config()).unwrap_err();
    assert!(error.to_string().contains("holds no manifest"), "{error}");
    files.iter().for_each(|file| fs.rename(&away.join(&file.name), &manifest.join(&file.name)).unwrap());
    assert_eq!(content(&open(&env, config())), before);
}

#[test]
fn a_selection_takes_no_more_memory_than_it_may() {
    let engine = open(&env(Arc::new(MemFs::default())), config());
    (0..1_000).for_each(|series| append(&engine, &labels(series), 15_000, 1.0));
    let select = |matcher, max| {
        let memory = MemoryBudget::new(max);
        engine.select_within(&[matcher], 0, HOUR, &memory).map(|found| (found.series.len(), memory.held()))
    };
    let check = || {
        let (found, held) = select(everything(), u64::MAX).unwrap();
        assert_eq!(found, 1_000);
        assert!((100_000..1_000_000).contains(&held), "{held} bytes for a thousand series");
        let refused = select(everything(), held / 2).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Limit);
        assert!(refused.to_string().contains(&(held / 2).to_string()), "{refused}");
        assert_eq!(select(equal("instance", "host-7"), held / 2).unwrap().0, 2);
    };
    check();
    engine.flush().unwrap();
    check();
}

/// Its place may be another series' by then.
#[test]
#[should_panic(expected = "a series is known to the batch that it was asked of")]
fn a_series_is_good_for_one_batch() {
    let engine = open(&env(Arc::new(MemFs::default())), config());
    let series = engine.batch().series(&labels(0), None).unwrap();
    engine.batch().float(series, 1_000, 0, 1.0);
}
