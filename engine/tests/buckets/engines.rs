//! Rollups of engines in buckets.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kymo_engine::{
    Clock, Engine, EngineConfig, Env, Error, ErrorKind, FaultObjects, KnownPlaces, Labels, MemFs,
    MemoryBudget, Millis, ObjectFault, ObjectStore, PlaceOptions, Places, RemoteStore, RetentionConfig,
    RollupFacts, RollupRequest, SimClock, TierConfig, TiersConfig, WalConfig, spawn,
};

use super::{
    proxy::{self, Fate},
    world::{fresh_place, options, s3},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 20_000 * 24 * HOUR;

/// What of an engine outlives it.
#[derive(Clone)]
struct Writer {
    fs: Arc<MemFs>,
    clock: Arc<SimClock>,
    place: String,
    options: PlaceOptions,
    /// Instead of those of the world.
    places: Option<Arc<dyn Places>>,
    job: &'static str,
    seed: u64,
}

impl Writer {
    fn new(endpoint: &str, place: &str, job: &'static str, seed: u64) -> Self {
        Self {
            fs: Arc::default(),
            clock: Arc::new(SimClock::new(Millis(START))),
            place: place.to_owned(),
            options: options(endpoint),
            places: None,
            job,
            seed,
        }
    }

    fn open(&self) -> Engine {
        let simulated = Env::simulated(Arc::<MemFs>::clone(&self.fs), self.seed);
        let places = self.places.clone().unwrap_or_else(|| Arc::clone(&simulated.places));
        let env = Env { clock: Arc::<SimClock>::clone(&self.clock), places, ..simulated };
        let config = EngineConfig {
            retention: RetentionConfig { age_ms: 0, bytes_max: 0 },
            wal: WalConfig { segment_bytes: 64 << 10, ..WalConfig::default() },
            tiers: TiersConfig {
                rollups: vec![TierConfig::new(5 * MINUTE, 0), TierConfig::new(HOUR, 0)],
                place: self.place.clone(),
                place_options: [(self.place.clone(), self.options.clone())].into(),
                ..TiersConfig::default()
            },
            ..EngineConfig::default()
        };
        Engine::open_in(&env, Path::new("/data"), config).unwrap()
    }

    /// A sample each minute of `(from, to]`, counted in minutes.
    fn append(&self, engine: &Engine, from: i64, to: i64) {
        self.clock.set(Millis(START + to * MINUTE));
        let mut batch = engine.batch();
        let labels = Labels::from_pairs([("__name__", "m"), ("job", self.job)]);
        let series = batch.series(&labels, None).unwrap();
        for minute in from + 1..=to {
            batch.float(series, START + minute * MINUTE, 0, minute as f64);
        }
        assert_eq!(batch.commit().unwrap().refused_count, 0);
    }

    /// Another bucket of the same content.
    fn bucket(&self) -> RemoteStore {
        RemoteStore::open(&self.place, &self.options).unwrap()
    }
}

/// The ends of windows, in minutes, with the number of their samples, by the `job` of the series. Windows that are there
/// twice are twice in it.
fn windows(engine: &Engine, width_ms: i64) -> Result<BTreeMap<String, Vec<(i64, u64)>>, Error> {
    let request = RollupRequest {
        width_ms,
        matchers: &[],
        from: i64::MIN,
        to: i64::MAX,
        facts: RollupFacts::ALL,
        memory: &MemoryBudget::unlimited(),
    };
    let mut windows = BTreeMap::new();
    for series in engine.select_rollups(&request)?.series {
        let mut rollups = Vec::new();
        series.read(&mut rollups).map_err(|error| Error::Config { problem: error.to_string() })?;
        assert_eq!(rollups.len(), series.rows_max(), "no window is there twice");
        let job = String::from_utf8(series.labels().get(b"job").to_vec()).unwrap();
        let window = |row: &kymo_engine::Rollup| {
            ((row.end - START) / MINUTE, row.floats.map_or(0, |run| u64::from(run.count)))
        };
        windows.insert(job, rollups.iter().map(window).collect());
    }
    Ok(windows)
}

/// What they are if there is a sample each minute up to minute `to`.
fn expected(width_ms: i64, to: i64) -> Vec<(i64, u64)> {
    let width = width_ms / MINUTE;
    (1..=to / width).map(|window| (window * width, width.unsigned_abs())).collect()
}

fn check(engine: &Engine, jobs: &[&str], to: i64) {
    for width_ms in [5 * MINUTE, HOUR] {
        let found = windows(engine, width_ms).unwrap();
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), jobs);
        for (job, found) in found {
            assert_eq!(found, expected(width_ms, to), "{job} {width_ms}");
        }
    }
}

#[test]
fn two_engines_write_to_one_bucket() {
    let Some(endpoint) = s3("two_engines_write_to_one_bucket") else { return };
    let place = fresh_place("two-engines");
    let writers = [Writer::new(&endpoint, &place, "a", 1), Writer::new(&endpoint, &place, "b", 2)];
    let threads = writers.clone().map(|writer| {
        let work = move || {
            let engine = writer.open();
            for step in 0..8 {
                writer.append(&engine, step * 15, (step + 1) * 15);
                // The clock of the data runs ahead of the windows that are wanted.
                engine.roll_up().unwrap();
            }
            writer.append(&engine, 120, 130);
            engine.roll_up().unwrap();
        };
        spawn("writer", work).unwrap()
    });
    for thread in threads {
        thread.join().unwrap();
    }
    for writer in &writers {
        let engine = writer.open();
        engine.roll_up().unwrap();
        engine.tend_tiers().unwrap();
        let found = windows(&engine, HOUR).unwrap();
        assert_eq!(found["a"], expected(HOUR, 120));
        assert_eq!(found["b"], expected(HOUR, 120));
        let found = windows(&engine, 5 * MINUTE).unwrap();
        assert_eq!(found["a"], expected(5 * MINUTE, 125));
        assert_eq!(found["b"], expected(5 * MINUTE, 125));
    }
}

/// The writer dies at each call of the bucket in turn, and goes on later.
#[test]
fn a_writer_that_dies_anywhere_has_done_all_once() {
    let Some(endpoint) = s3("a_writer_that_dies_anywhere_has_done_all_once") else { return };
    let mut died = 0;
    for call in (0..).step_by(3) {
        let mut writer = Writer::new(&endpoint, &fresh_place("dies"), "a", call);
        let faults = Arc::new(FaultObjects::new(Arc::new(writer.bucket())));
        let places = KnownPlaces::default().with(&writer.place, Arc::<FaultObjects>::clone(&faults));
        writer.places = Some(Arc::new(places));
        faults.plan((0..call).map(|_| None).chain((0..500).map(|_| Some(ObjectFault::Fails))));
        let engine = writer.open();
        writer.append(&engine, 0, 123);
        let done = engine.roll_up().is_ok();
        drop(engine);
        faults.heal();
        let engine = writer.open();
        engine.roll_up().unwrap();
        check(&engine, &["a"], 120);
        if done {
            break;
        }
        died += 1;
    }
    assert!(died > 5, "{died}");
}

#[test]
fn answers_of_commits_that_are_lost_are_no_commits_of_others() {
    let Some(endpoint) = s3("answers_of_commits_that_are_lost_are_no_commits_of_others") else { return };
    for fate in [Fate::AnswerIsLost, Fate::DoneAndSlowDown] {
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let commits = AtomicU64::new(0);
        let rule = move |method: &str, path: &str| {
            let is_commit = method == "PUT" && path.contains("_delta_log") && path.ends_with(".json");
            // The attempt after a lost one passes.
            if is_commit && commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                count.fetch_add(1, Ordering::Relaxed);
                return fate;
            }
            Fate::Passes
        };
        let writer = Writer::new(&proxy::start(&endpoint, rule), &fresh_place("lost-commits"), "a", 1);
        let engine = writer.open();
        for step in 0..4 {
            writer.append(&engine, step * 30, (step + 1) * 30);
            engine.roll_up().unwrap();
        }
        writer.append(&engine, 120, 123);
        engine.roll_up().unwrap();
        check(&engine, &["a"], 120);
        assert!(lost.load(Ordering::Relaxed) > 4);
        let stats = engine.rollup_stats();
        assert_eq!(stats.failures, 0, "{stats:?}");
    }
}

#[test]
fn a_truncated_object_is_named_and_nothing_is_deleted() {
    let Some(endpoint) = s3("a_truncated_object_is_named_and_nothing_is_deleted") else { return };
    let writer = Writer::new(&endpoint, &fresh_place("truncated"), "a", 1);
    let engine = writer.open();
    writer.append(&engine, 0, 123);
    engine.roll_up().unwrap();
    check(&engine, &["a"], 120);
    drop(engine);
    let bucket = writer.bucket();
    let keys = || bucket.list("", None).unwrap().into_iter().map(|object| object.key).collect::<Vec<_>>();
    let is_data = |key: &&String| key.starts_with("rollup_5m/day=") && key.ends_with(".parquet");
    let before = keys();
    let key = before.iter().find(is_data).unwrap();
    let body = bucket.get(key).unwrap();
    for left in [body.len() / 2, 10, 0] {
        bucket.delete(key).unwrap();
        bucket.put(key, body.slice(..left)).unwrap();
        let engine = writer.open();
        // Whoever needs its rows for a job fails, too.
        if let Err(error) = engine.roll_up() {
            assert!(error.to_string().contains(key.as_str()), "{left}: {error}");
        }
        let error = windows(&engine, 5 * MINUTE).unwrap_err().to_string();
        assert!(error.contains(key.as_str()), "{left}: {error}");
        // Neither by queries, nor by who tidies up, two days later.
        writer.clock.set(Millis(writer.clock.now().0 + 2 * 24 * HOUR));
        drop(engine.tend_tiers());
        assert_eq!(keys(), before, "{left}");
        assert_eq!(windows(&engine, HOUR).unwrap()["a"], expected(HOUR, 120), "others can be read");
    }
    bucket.put(key, body).unwrap();
    let engine = writer.open();
    engine.roll_up().unwrap();
    check(&engine, &["a"], 120);
}

#[test]
fn a_bucket_that_cannot_be_reached_holds_up_nothing_else() {
    let Some(endpoint) = s3("a_bucket_that_cannot_be_reached_holds_up_nothing_else") else { return };
    // A port that nobody listens on, until later.
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let writer = Writer::new(&format!("http://{address}"), &fresh_place("unreachable"), "a", 1);
    let engine = writer.open();
    writer.append(&engine, 0, 123);
    engine.flush().unwrap();
    let error = engine.roll_up().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&writer.place), "{error}");
    assert!(!error.to_string().contains("not-to-be-shown"), "{error}");
    let found = engine.select(&[], i64::MIN, i64::MAX).unwrap();
    assert_eq!(found.series.len(), 1);
    drop(engine);
    let engine = writer.open();
    proxy::start_at(address, &endpoint, |_: &str, _: &str| Fate::Passes);
    engine.roll_up().unwrap();
    check(&engine, &["a"], 120);
}

#[test]
fn a_place_whose_conditional_writes_do_not_hold_is_not_written_to() {
    let test = "a_place_whose_conditional_writes_do_not_hold_is_not_written_to";
    let Some(stores) = super::world::server("KYMO_HOSTILE_S3", test) else { return };
    for url in stores.split(',') {
        let (endpoint, bucket) = url.rsplit_once('/').unwrap();
        let mut writer = Writer::new(endpoint, &format!("s3://{bucket}/refused"), "a", 1);
        writer.options = PlaceOptions::new([
            ("aws_access_key_id", "S3RVER"),
            ("aws_secret_access_key", "S3RVER"),
            ("aws_endpoint", endpoint),
            ("aws_allow_http", "true"),
        ]);
        let engine = writer.open();
        writer.append(&engine, 0, 123);
        for _ in 0..2 {
            let error = engine.roll_up().unwrap_err();
            let refused = matches!(&error, Error::Tier(tier) if !tier.is_transient());
            assert!(refused, "{error}");
            assert!(error.to_string().contains("conditional writes do not hold"), "{error}");
        }
        let keys = writer.bucket().list("rollup_5m/", None).unwrap();
        assert_eq!(keys, []);
    }
}
