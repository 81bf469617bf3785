//! Blocks in object storage: what went there is read as before, whatever crashes or fails on the way, and what cannot be
//! reached is named.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use kymo_engine::{
    Clock, Engine, EngineConfig, Env, Error, FaultFs, FaultObjects, FolderStore, Fs, KnownPlaces, Labels,
    MemFs, Millis, ObjectFault, ObjectStore, RawConfig, RetentionConfig, Rng, SampleColumns, SimClock,
    TiersConfig, WalConfig,
};

use crate::support::equal;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const START: i64 = 20_000 * DAY;
const STEP: i64 = 30 * 60_000;

/// Samples by series, and whether all could be reached.
type Answer = (BTreeMap<String, Vec<(i64, u64)>>, bool);

struct Store {
    fs: Arc<dyn Fs>,
    clock: Arc<SimClock>,
    bucket: Arc<dyn ObjectStore>,
    objects: Arc<FaultObjects>,
    config: EngineConfig,
    engine: Option<Engine>,
}

fn config() -> EngineConfig {
    EngineConfig {
        // Blocks of a day, and no longer ones.
        retention: RetentionConfig { age_ms: 2 * DAY, bytes_max: 0 },
        tiers: TiersConfig { raw: Some(RawConfig::new("s3://cold")), ..TiersConfig::none() },
        wal: WalConfig { segment_bytes: 64 << 10, ..WalConfig::default() },
        ..EngineConfig::default()
    }
}

impl Store {
    fn new() -> Self {
        Self::on(Arc::new(MemFs::default())).unwrap()
    }

    fn on(fs: Arc<dyn Fs>) -> Result<Self, Error> {
        let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap();
        let bucket: Arc<dyn ObjectStore> = Arc::new(folder);
        let objects = Arc::new(FaultObjects::new(Arc::clone(&bucket)));
        let clock = Arc::new(SimClock::new(Millis(START)));
        let mut store = Self { fs, clock, bucket, objects, config: config(), engine: None };
        store.reopen()?;
        Ok(store)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        drop(self.engine.take());
        let places = KnownPlaces::default().with("s3://cold", Arc::<FaultObjects>::clone(&self.objects));
        let env = Env {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            places: Arc::new(places),
            ..Env::simulated(Arc::clone(&self.fs), 7)
        };
        self.engine = Some(Engine::open_in(&env, Path::new("/data"), self.config.clone())?);
        Ok(())
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Two series, and maintenance now and then.
    fn run(&self, from: i64, to: i64) -> Result<(), Error> {
        for ts in (from..to).step_by(usize::try_from(STEP).unwrap()) {
            self.clock.set(Millis(ts));
            let mut batch = self.engine().batch();
            for name in ["a", "b"] {
                let series = batch.series(&Labels::from_pairs([("__name__", name)]), None).unwrap();
                batch.float(series, ts, 0, value(ts));
            }
            batch.commit().map_err(|_| Error::Config { problem: "the log takes no more".to_owned() })?;
            if ts % (6 * HOUR) == 0 {
                // What fails in the bucket is tried again.
                match self.engine().maintain() {
                    Err(Error::Tier(_)) | Ok(()) => {}
                    failed => failed?,
                }
            }
        }
        Ok(())
    }

    fn ask(&self, from: i64, to: i64) -> Answer {
        let mut found = BTreeMap::new();
        let selection = self.engine().select(&[], from, to).unwrap();
        let mut is_whole = selection.warnings.is_empty();
        let mut columns = SampleColumns::default();
        for series in selection.series {
            is_whole &= series.read(&mut columns).unwrap().is_empty();
            let samples = columns.ts.iter().zip(&columns.values).map(|(ts, v)| (*ts, v.to_bits()));
            found.insert(series.labels().metric_name().escape_ascii().to_string(), samples.collect());
        }
        (found, is_whole)
    }

    fn objects(&self) -> usize {
        self.bucket.list("blocks/", None).unwrap().len()
    }

    fn files(&self) -> usize {
        self.fs.list(Path::new("/data/blocks")).unwrap().len()
    }
}

fn value(ts: i64) -> f64 {
    ((ts / STEP) % 101) as f64
}

fn expected(from: i64, to: i64) -> Answer {
    let times = (from..to).step_by(usize::try_from(STEP).unwrap());
    let samples: Vec<_> = times.map(|ts| (ts, value(ts).to_bits())).collect();
    (["a", "b"].into_iter().map(|name| (name.to_owned(), samples.clone())).collect(), true)
}

#[test]
fn old_blocks_go_to_the_bucket_and_are_read_there() {
    let mut store = Store::new();
    store.run(START, START + 5 * DAY).unwrap();
    let stats = store.engine().cold_stats();
    assert!(stats.blocks >= 3 && stats.blocks_local < stats.blocks, "{stats:?}");
    assert_eq!(store.objects() as u64, stats.blocks);
    let live = store.engine().stats().blocks.len() as u64;
    assert_eq!(
        store.files() as u64,
        live - (stats.blocks - stats.blocks_local),
        "files of the others are gone"
    );
    assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY));
    assert_eq!(store.engine().samples_reach_to(), START, "they are not lost");
    store.reopen().unwrap();
    assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY));
    let requests = store.engine().cold_stats().requests_total;
    let in_bucket = stats.blocks - stats.blocks_local;
    assert!(requests <= 4 * in_bucket, "{requests} requests for {in_bucket} blocks");
    assert_eq!(store.ask(i64::MIN, i64::MAX).0, expected(START, START + 5 * DAY).0);
    assert_eq!(store.engine().cold_stats().requests_total, requests, "the second time all is there");
}

#[test]
fn what_was_read_is_on_disk_and_never_more_than_it_may_be() {
    for parts in [0, 3, 1_000] {
        let mut store = Store::new();
        store.config.tiers.cache.bytes_max = parts << 16;
        store.run(START, START + 5 * DAY).unwrap();
        store.reopen().unwrap();
        assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY));
        let cache = store.engine().cold_stats().cache;
        assert!(cache.disk_bytes <= parts << 16 && (cache.disk_bytes > 0) == (parts > 0), "{cache:?}");
        assert_eq!(store.fs.exists(Path::new("/data/cache")).unwrap(), parts > 0);
    }
}

#[test]
fn what_is_deleted_stays_deleted_in_the_bucket() {
    let mut store = Store::new();
    store.run(START, START + 5 * DAY).unwrap();
    store.engine().delete_series(&[equal("__name__", "a")], START, START + DAY - 1).unwrap();
    store.engine().compact().unwrap();
    store.reopen().unwrap();
    let (found, is_whole) = store.ask(i64::MIN, i64::MAX);
    assert!(is_whole);
    assert_eq!(found["a"], expected(START + DAY, START + 5 * DAY).0["a"]);
    assert_eq!(found["b"], expected(START, START + 5 * DAY).0["b"]);
    let names = store.engine().label_values(b"__name__", &[], START, START + DAY - 1).unwrap();
    assert_eq!(names.items, [b"b"]);
}

#[test]
fn a_bucket_that_does_not_answer_hides_old_samples_only() {
    let mut store = Store::new();
    store.run(START, START + 5 * DAY).unwrap();
    store.reopen().unwrap();
    store.objects.fail_at_random(Rng::new(1), 1_000, &[ObjectFault::Fails]);
    let calls = store.objects.calls();
    let hot = START + 4 * DAY;
    assert_eq!(store.ask(hot, i64::MAX), expected(hot, START + 5 * DAY));
    assert_eq!(store.objects.calls(), calls, "recent samples do not need it");
    let selection = store.engine().select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(selection.warnings.is_unreachable());
    let (found, is_whole) = store.ask(i64::MIN, i64::MAX);
    assert!(!is_whole && found["a"].ends_with(&expected(hot, START + 5 * DAY).0["a"]));
    assert_eq!(store.engine().stats().blocks_damaged, 0, "nothing is known of the blocks themselves");
    assert!(store.engine().cold_stats().left_out_total > 0);
    store.objects.heal();
    assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY));
}

#[test]
fn a_damaged_object_is_named() {
    let mut store = Store::new();
    store.run(START, START + 5 * DAY).unwrap();
    let key = store.bucket.list("blocks/", None).unwrap()[0].key.clone();
    let mut bytes = store.bucket.get(&key).unwrap().to_vec();
    // The first byte of the chunk data, behind the header.
    bytes[64] ^= 1;
    store.bucket.put(&key, Bytes::from(bytes)).unwrap();
    store.reopen().unwrap();
    let selection = store.engine().select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(!selection.warnings.is_empty() && !selection.warnings.is_unreachable());
    assert_eq!(store.engine().stats().blocks_damaged, 1);
    store.bucket.delete(&key).unwrap();
    store.reopen().unwrap();
    let (found, is_whole) = store.ask(i64::MIN, i64::MAX);
    assert!(!is_whole && found["b"].len() < expected(START, START + 5 * DAY).0["b"].len());
}

#[test]
fn uploads_that_fail_or_are_cut_lose_nothing() {
    for seed in 0..6 {
        let mut store = Store::new();
        store.objects.fail_at_random(Rng::new(seed), 400, &ObjectFault::ALL);
        store.run(START, START + 5 * DAY).unwrap();
        store.objects.heal();
        store.clock.advance(Millis(HOUR));
        store.engine().maintain().unwrap();
        store.engine().maintain().unwrap();
        store.reopen().unwrap();
        assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY), "seed {seed}");
        let stats = store.engine().cold_stats();
        assert_eq!(store.objects() as u64, stats.blocks, "seed {seed}: {stats:?}");
    }
}

#[test]
fn blocks_wait_for_a_bucket_that_does_not_answer() {
    let store = Store::new();
    store.objects.fail_at_random(Rng::new(1), 1_000, &[ObjectFault::Denied]);
    store.run(START, START + 5 * DAY).unwrap();
    assert_eq!((store.objects(), store.engine().cold_stats().blocks), (0, 0));
    assert_eq!(
        store.ask(i64::MIN, i64::MAX),
        expected(START, START + 5 * DAY),
        "they stay, whatever their age"
    );
}

#[test]
fn retention_of_the_bucket_asks_before_it_removes_much() {
    let mut store = Store::new();
    store.run(START, START + 7 * DAY).unwrap();
    let before = store.objects();
    let raw = RawConfig { retention_ms: 3 * DAY, ..RawConfig::new("s3://cold") };
    store.config.tiers.raw = Some(raw);
    store.reopen().unwrap();
    store.engine().tend_cold().unwrap();
    assert!(store.engine().cold_stats().deletion_held_back);
    assert_eq!(store.objects(), before);
    store.config.tiers.confirm_deletion = true;
    store.reopen().unwrap();
    // The object goes after the manifest has let go of the block, however often that is tried.
    store.objects.plan([Some(ObjectFault::AnswerIsLost)]);
    assert!(store.engine().tend_cold().is_err());
    store.reopen().unwrap();
    store.engine().tend_cold().unwrap();
    let stats = store.engine().cold_stats();
    assert_eq!((store.objects() as u64, stats.blocks_going), (stats.blocks, 0));
    assert!(store.objects() < before);
    let (found, is_whole) = store.ask(i64::MIN, i64::MAX);
    assert!(is_whole && found["a"][0].0 >= START + 3 * DAY, "{:?}", found["a"][0]);
    assert_eq!(store.engine().samples_reach_to(), found["a"][0].0);
}

#[test]
fn a_crash_at_any_sync_loses_no_sample_and_no_object() {
    let to = START + 4 * DAY;
    let run = |crash_at: Option<u64>| -> u64 {
        let fs = Arc::new(FaultFs::new());
        let mut store = Store::on(Arc::<FaultFs>::clone(&fs)).unwrap();
        store.run(START, START + 2 * DAY).unwrap();
        let before = fs.sync_points();
        if let Some(sync) = crash_at {
            fs.crash_at(before + sync);
        }
        // What was acknowledged is there up to here; the rest of the time passes without samples.
        for hours in (0..48).step_by(6) {
            store.clock.set(Millis(START + 2 * DAY + hours * HOUR));
            if store.engine().maintain().is_err() && fs.crashed() {
                break;
            }
        }
        let syncs = fs.sync_points() - before;
        store.fs = Arc::new(fs.durable_image(crash_at.unwrap_or(0)));
        store.reopen().unwrap();
        let answer = store.ask(i64::MIN, i64::MAX);
        assert_eq!(answer, expected(START, START + 2 * DAY), "crash at {crash_at:?}");
        store.clock.set(Millis(to));
        (0..2).for_each(|_| store.engine().maintain().unwrap());
        let stats = store.engine().cold_stats();
        assert!(stats.blocks > 0 && stats.blocks_local < stats.blocks, "{stats:?}");
        assert_eq!((store.objects() as u64, stats.blocks_going), (stats.blocks, 0), "crash at {crash_at:?}");
        assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 2 * DAY), "crash at {crash_at:?}");
        syncs
    };
    let syncs = run(None);
    assert!(syncs > 8, "{syncs}");
    for sync in 0..syncs {
        run(Some(sync));
    }
}

#[test]
fn a_copy_reads_the_objects_and_never_removes_them() {
    let mut store = Store::new();
    store.run(START, START + 5 * DAY).unwrap();
    store.engine().snapshot("/copy").unwrap();
    drop(store.engine.take());
    kymo_engine::restore(&store.fs, Path::new("/copy"), Path::new("/restored")).unwrap();
    store.fs.remove_dir_all(Path::new("/data")).unwrap();
    kymo_engine::restore(&store.fs, Path::new("/restored"), Path::new("/data")).unwrap();
    store.reopen().unwrap();
    assert_eq!(store.ask(i64::MIN, i64::MAX), expected(START, START + 5 * DAY));
    let before = store.objects();
    let raw = RawConfig { retention_ms: 3 * DAY, ..RawConfig::new("s3://cold") };
    store.config.tiers.raw = Some(raw);
    store.config.tiers.confirm_deletion = true;
    store.reopen().unwrap();
    store.engine().tend_cold().unwrap();
    assert_eq!(store.objects(), before, "they are of another store");
    assert!(store.ask(i64::MIN, i64::MAX).0["a"][0].0 > START);
}
