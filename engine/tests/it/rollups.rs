//! Rollups of a store: what is in the tables is what the samples amount to, whatever comes late, is deleted, crashes or
//! fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use kymo_engine::{
    Clock, Engine, EngineConfig, Env, ErrorKind, FaultFs, FaultObjects, FolderStore, Fs, HistogramRun,
    KnownPlaces, Labels, MatchOp, Matcher, MemFs, MemoryBudget, Millis, ObjectFault, ObjectStore,
    RetentionConfig, Rng, Rollup, RollupFacts, RollupRequest, SampleColumns, SimClock, TierConfig,
    TiersConfig, WalConfig,
};
use kymo_formats::{
    histogram::{FloatHistogram, Histogram, HistogramValue, Span, algebra::same_data},
    rollup::roll_up_samples,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A day begins here.
const START: i64 = 20_000 * DAY;

fn tiers() -> TiersConfig {
    TiersConfig {
        rollups: vec![TierConfig::new(5 * MINUTE, 0), TierConfig::new(HOUR, 0)],
        ..TiersConfig::default()
    }
}

fn config() -> EngineConfig {
    EngineConfig {
        retention: RetentionConfig { age_ms: 0, bytes_max: 0 },
        tiers: tiers(),
        // Allocated in full, and copied for each image of a disk.
        wal: WalConfig { segment_bytes: 64 << 10, ..WalConfig::default() },
        ..EngineConfig::default()
    }
}

struct Store {
    fs: Arc<dyn Fs>,
    clock: Arc<SimClock>,
    places: KnownPlaces,
    config: EngineConfig,
    engine: Option<Engine>,
}

impl Store {
    fn new() -> Self {
        Self::on(Arc::new(MemFs::default()), config())
    }

    fn on(fs: Arc<dyn Fs>, config: EngineConfig) -> Self {
        let clock = Arc::new(SimClock::new(Millis(START)));
        let mut store = Self { fs, clock, places: KnownPlaces::default(), config, engine: None };
        store.reopen();
        store
    }

    fn reopen(&mut self) {
        drop(self.engine.take());
        let env = Env {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            places: Arc::new(self.places.clone()),
            ..Env::simulated(Arc::clone(&self.fs), 7)
        };
        self.engine = Some(Engine::open_in(&env, Path::new("/data"), self.config.clone()).unwrap());
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Appends a sample, and lets the clock follow it.
    fn append(&self, labels: &[(&str, &str)], ts: i64, value: f64) {
        if ts > self.clock.now().0 {
            self.clock.set(Millis(ts));
        }
        let mut batch = self.engine().batch();
        let series = batch.series(&Labels::from_pairs(labels.iter().copied()), None).unwrap();
        batch.float(series, ts, 0, value);
        assert_eq!(batch.commit().unwrap().refused_count, 0, "{labels:?} {ts} {value}");
    }

    /// Two series with a sample each 15 s, of `(from, to]`.
    fn scrape(&self, from: i64, to: i64) {
        for ts in (from + 15_000..=to).step_by(15_000) {
            let n = (ts - START) / 15_000;
            self.append(&[("__name__", "requests_total"), ("job", "api")], ts, ((n * 3) % 1_000) as f64);
            self.append(
                &[("__name__", "temperature"), ("job", "api"), ("room", "a")],
                ts,
                (n % 17) as f64 / 10.0,
            );
        }
    }

    fn rows(&self, width_ms: i64) -> BTreeMap<String, Vec<Rollup>> {
        let request = RollupRequest {
            width_ms,
            matchers: &[],
            from: i64::MIN,
            to: i64::MAX,
            facts: RollupFacts::ALL,
            memory: &MemoryBudget::unlimited(),
        };
        let selection = self.engine().select_rollups(&request).unwrap();
        let mut rows = BTreeMap::new();
        for series in selection.series {
            let mut rollups = Vec::new();
            series.read(&mut rollups).unwrap();
            rows.insert(series.labels().to_string(), rollups);
        }
        rows
    }

    /// What the samples that are there amount to, as far as windows are complete.
    fn expected(&self, width_ms: i64, rolled_to: i64) -> BTreeMap<String, Vec<Rollup>> {
        let mut rows = BTreeMap::new();
        let mut columns = SampleColumns::default();
        for series in self.engine().select(&[], i64::MIN, i64::MAX).unwrap().series {
            assert!(series.read(&mut columns).unwrap().is_empty());
            let mut rollups = Vec::new();
            let histograms: Vec<_> = columns.histograms.drain(..).map(|it| (it.ts, it.value)).collect();
            roll_up_samples(&columns.ts, &columns.values, &histograms, width_ms, &mut rollups);
            rollups.retain(|rollup| rollup.end <= rolled_to);
            if !rollups.is_empty() {
                rows.insert(series.labels().to_string(), rollups);
            }
        }
        rows
    }

    /// Rolls up everything, and compares all tiers with the samples.
    fn check(&self) {
        self.engine().roll_up().unwrap();
        for tier in self.engine().tiers() {
            assert!(tier.due.is_empty(), "{tier:?}");
            let Some(rolled_to) = tier.rolled_to else { continue };
            let (found, expected) = (self.rows(tier.width_ms), self.expected(tier.width_ms, rolled_to));
            assert!(
                found.keys().eq(expected.keys()),
                "{} {:?} {:?}",
                tier.table,
                found.keys(),
                expected.keys()
            );
            for (labels, rollups) in &expected {
                let ends =
                    |rows: &[Rollup]| rows.iter().map(|row| (row.end - START) / MINUTE).collect::<Vec<_>>();
                assert_eq!(ends(&found[labels]), ends(rollups), "{} {labels}: ends in minutes", tier.table);
                for (found, expected) in found[labels].iter().zip(rollups) {
                    assert_same(found, expected);
                }
            }
        }
    }

    fn rolled_to(&self) -> Vec<Option<i64>> {
        self.engine().tiers().into_iter().map(|tier| tier.rolled_to).collect()
    }
}

/// Equal, but for the last bits of sums.
fn assert_same(a: &Rollup, b: &Rollup) {
    assert_eq!((a.end, a.stale, a.floats.is_some()), (b.end, b.stale, b.floats.is_some()), "{a:?} {b:?}");
    assert_eq!(
        (a.histograms, a.together, a.states.is_some()),
        (b.histograms, b.together, b.states.is_some())
    );
    if let (Some(a), Some(b)) = (&a.states, &b.states) {
        assert_same_states(a, b);
    }
    let (Some(a), Some(b)) = (a.floats, b.floats) else { return };
    let exact = |run: &kymo_engine::FloatRun| {
        let floats = [run.first, run.last, run.min, run.max].map(f64::to_bits);
        (run.count, run.first_ts, run.last_ts, run.resets, run.changes, floats)
    };
    assert_eq!(exact(&a), exact(&b));
    for (a, b) in [(a.sum.unwrap(), b.sum.unwrap()), (a.correction, b.correction)] {
        let (a, b) = (a.total(), b.total());
        assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs()), "{a} {b}");
    }
}

fn assert_same_states(a: &HistogramRun, b: &HistogramRun) {
    let exact = |run: &HistogramRun| {
        (run.count, run.first_ts, run.last_ts, run.first_reset, run.resets, run.changes, run.traits)
    };
    assert_eq!(exact(a), exact(b));
    assert!(same_data(&a.first, &b.first) && same_data(&a.last, &b.last));
    for (a, b) in [(&a.sum, &b.sum), (&a.correction, &b.correction)] {
        let (a, b) = (a.as_ref().map(|sum| sum.total()), b.as_ref().map(|sum| sum.total()));
        // Counts are whole numbers here; sums are rounded.
        let counts =
            |sum: &FloatHistogram| FloatHistogram { sum: 0.0, reset_hint: Default::default(), ..sum.clone() };
        assert_eq!(a.as_ref().map(counts), b.as_ref().map(counts));
        let (a, b) = (a.map_or(0.0, |sum| sum.sum), b.map_or(0.0, |sum| sum.sum));
        assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs()), "{a} {b}");
    }
}

/// State `n` of a counter that begins anew now and then, and with a finer layout.
fn histogram(n: i64) -> HistogramValue {
    let grown = n % 23;
    let schema = if n % 46 < 23 { 3 } else { 2 };
    HistogramValue::Integer(Histogram {
        schema,
        zero_threshold: 0.125,
        zero_count: grown.unsigned_abs(),
        count: 4 * grown.unsigned_abs(),
        sum: grown as f64 * 0.7,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        positive_buckets: vec![grown, grown],
        ..Histogram::default()
    })
}

/// Native histograms, floats between them, and files of both kinds put together.
#[test]
fn native_histograms_are_rolled_up() {
    let mut store = Store::new();
    for part in 0..5 {
        store.scrape(START + part * 40 * MINUTE, START + (part + 1) * 40 * MINUTE);
        if part != 1 {
            let mut batch = store.engine().batch();
            let labels = Labels::from_pairs([("__name__", "seconds"), ("job", "api")]);
            let series = batch.series(&labels, None).unwrap();
            for n in 0..160 {
                let ts = START + part * 40 * MINUTE + n * 15_000 + 1;
                if n % 50 == 7 {
                    batch.float(series, ts, 0, n as f64);
                } else {
                    batch.histogram(series, ts, 0, histogram(n));
                }
            }
            assert_eq!(batch.commit().unwrap().refused_count, 0);
        }
        store.check();
        if part == 2 {
            store.engine().flush().unwrap();
            store.reopen();
        }
    }
    store.scrape(START + 200 * MINUTE, START + 250 * MINUTE);
    store.check();
    let rows = store.rows(HOUR);
    let runs: Vec<_> =
        rows["{__name__=\"seconds\", job=\"api\"}"].iter().map(|row| row.states.clone()).collect();
    assert!(runs.len() >= 3 && runs.iter().flatten().all(|run| run.resets > 1), "{runs:?}");
    assert!(
        rows["{__name__=\"temperature\", job=\"api\", room=\"a\"}"].iter().all(|row| row.states.is_none())
    );
}

#[test]
fn windows_are_rolled_up_when_they_are_complete() {
    let store = Store::new();
    assert_eq!(store.rolled_to(), [None, None]);
    store.check();
    store.scrape(START, START + 2 * HOUR + 20 * MINUTE);
    store.check();
    // By the data it is a minute or two earlier than the newest sample, and a window is given two minutes.
    assert_eq!(store.rolled_to(), [Some(START + 2 * HOUR + 15 * MINUTE), Some(START + 2 * HOUR)]);
    assert_eq!(store.rows(HOUR).len(), 2);
    store.scrape(START + 2 * HOUR + 20 * MINUTE, START + 3 * HOUR + 10 * MINUTE);
    store.check();
    assert_eq!(store.rolled_to(), [Some(START + 3 * HOUR + 5 * MINUTE), Some(START + 3 * HOUR)]);
}

#[test]
fn a_year_of_gaps_and_the_turn_of_a_month() {
    let store = Store::new();
    // 2024-10-04 is day 20,000.
    for begin in [0, DAY - 7 * MINUTE, 27 * DAY + 23 * HOUR, 28 * DAY - 20 * MINUTE, 150 * DAY] {
        store.scrape(START + begin, START + begin + 40 * MINUTE);
        store.engine().maintain().unwrap();
    }
    store.check();
    assert_eq!(store.rows(5 * MINUTE).len(), 2);
}

#[test]
fn what_comes_late_is_rolled_up_again() {
    let store = Store::new();
    store.scrape(START, START + 26 * HOUR);
    store.check();
    let room_b = [("__name__", "temperature"), ("job", "api"), ("room", "b")];
    for ts in [START + 1, START + 5 * MINUTE, START + 5 * MINUTE + 1, START + 25 * HOUR + 3] {
        store.append(&room_b, ts, 5.0);
    }
    store.check();
    assert_eq!(store.rows(HOUR)["{__name__=\"temperature\", job=\"api\", room=\"b\"}"].len(), 1);
    // While it is in a block already, and after a restart.
    let mut store = store;
    store.append(&room_b, START + 9 * HOUR, 6.0);
    store.engine().flush().unwrap();
    store.reopen();
    store.check();
    store.append(&room_b, START + 8 * HOUR, 6.0);
    store.reopen();
    store.check();
    assert_eq!(store.rows(HOUR)["{__name__=\"temperature\", job=\"api\", room=\"b\"}"].len(), 3);
}

#[test]
fn only_the_windows_that_changed_are_rolled_up_again() {
    let store = Store::new();
    store.scrape(START, START + 26 * HOUR);
    store.check();
    let before = store.engine().rollup_stats();
    let paths = |store: &Store| {
        let tier = store.engine().tiers().remove(0);
        tier.state.files().map(|file| file.path.clone()).collect::<Vec<_>>()
    };
    let old = paths(&store);
    store.append(&[("__name__", "temperature"), ("job", "b")], START + 24 * HOUR + 30 * MINUTE, 1.0);
    store.check();
    let new = paths(&store);
    let kept = old.iter().filter(|path| new.contains(path)).count();
    assert_eq!((old.len(), new.len(), kept), (2, 2, 1), "the file of the day before is as it was");
    assert_eq!(store.engine().rollup_stats().jobs - before.jobs, 2);
}

#[test]
fn deleted_samples_leave_the_rollups() {
    let store = Store::new();
    store.scrape(START, START + 3 * HOUR);
    store.check();
    let matcher = Matcher::new(MatchOp::Equal, b"room", b"a").unwrap();
    store.engine().delete_series(&[matcher], START + HOUR, START + 2 * HOUR).unwrap();
    store.check();
    let rows = store.rows(5 * MINUTE);
    assert_eq!(rows["{__name__=\"temperature\", job=\"api\", room=\"a\"}"].len(), 23);
    assert_eq!(rows["{__name__=\"requests_total\", job=\"api\"}"].len(), 35);
}

/// A store that has rows of its first four hours, in a bucket, and no samples of them any more.
fn store_without_samples() -> (Store, Arc<FaultObjects>) {
    let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap();
    let objects = Arc::new(FaultObjects::new(Arc::new(folder)));
    let mut store = Store {
        fs: Arc::new(MemFs::default()),
        clock: Arc::new(SimClock::new(Millis(START))),
        places: KnownPlaces::default().with("bucket", Arc::<FaultObjects>::clone(&objects)),
        config: EngineConfig {
            retention: RetentionConfig { age_ms: 6 * HOUR, bytes_max: 0 },
            tiers: TiersConfig { place: "bucket".to_owned(), ..tiers() },
            ..config()
        },
        engine: None,
    };
    store.reopen();
    store.scrape(START, START + 4 * HOUR);
    store.scrape(START + 23 * HOUR, START + 24 * HOUR);
    store.engine().roll_up().unwrap();
    store.engine().flush().unwrap();
    store.engine().maintain().unwrap();
    assert!(store.engine().samples_reach_to() > START + 4 * HOUR);
    assert!(store.engine().select(&[], i64::MIN, START + 4 * HOUR).unwrap().series.is_empty());
    (store, objects)
}

/// They cannot be rolled up again without what was deleted.
#[test]
fn rows_of_deleted_series_go_where_samples_are_gone() {
    let (mut store, objects) = store_without_samples();
    let room = || Matcher::new(MatchOp::Equal, b"room", b"a").unwrap();
    let (api, room_a) =
        ("{__name__=\"requests_total\", job=\"api\"}", "{__name__=\"temperature\", job=\"api\", room=\"a\"}");
    let early = |rows: &[Rollup]| rows.iter().filter(|row| row.end <= START + 4 * HOUR).count();
    let counts = |store: &Store| {
        [5 * MINUTE, HOUR].map(|width| {
            let rows = store.rows(width);
            [api, room_a].map(|series| rows.get(series).map_or(0, |rows| early(rows)))
        })
    };
    assert_eq!(counts(&store), [[48, 48], [4, 4]]);
    let (first, last) = (START + 1, START + 90 * MINUTE);

    objects.fail_at_random(Rng::new(1), 1_000, &[ObjectFault::Fails]);
    let error = store.engine().delete_series(&[room()], first, last).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    objects.heal();
    assert_eq!(counts(&store), [[48, 48], [4, 4]]);

    store.engine().delete_series(&[room()], first, last).unwrap();
    assert_eq!(counts(&store), [[48, 30], [4, 3]]);
    let second = store.rows(HOUR)[room_a][0].clone();
    assert_eq!(second.end, START + 2 * HOUR);
    assert_eq!(
        (second.samples(), second.floats.unwrap().first_ts),
        (120, last + 15_000),
        "made of what is left"
    );

    let version = |store: &Store| store.engine().tiers()[0].state.version();
    let before = version(&store);
    store.engine().delete_series(&[room()], first, last).unwrap();
    store.engine().delete_series(&[room()], START + 121 * MINUTE, START + 124 * MINUTE).unwrap();
    assert_eq!(
        (version(&store), counts(&store)),
        (before, [[48, 30], [4, 3]]),
        "a part of a window cannot go"
    );
    assert_eq!(store.engine().rollup_stats().windows_too_late, 0);

    store.engine().delete_series(&[room()], i64::MIN, i64::MAX).unwrap();
    store.reopen();
    store.engine().roll_up().unwrap();
    assert_eq!(counts(&store), [[48, 0], [4, 0]]);
    assert!(!store.rows(HOUR).contains_key(room_a), "nor where samples were there");
    assert_eq!(store.rows(5 * MINUTE)[api].len(), 48 + 11);
}

#[test]
fn counters_without_resets_are_kept_without_their_sum() {
    let store = Store::new();
    store.scrape(START, START + HOUR + 10 * MINUTE);
    let mut batch = store.engine().batch();
    let metadata = kymo_engine::Metadata { kind: "counter".to_owned(), ..Default::default() };
    batch.metadata("requests_total", metadata);
    batch.commit().unwrap();
    store.engine().roll_up().unwrap();
    let rows = store.rows(5 * MINUTE);
    let sums =
        |name: &str| rows[name].iter().map(|row| row.floats.unwrap().sum.is_some()).collect::<Vec<_>>();
    assert!(sums("{__name__=\"temperature\", job=\"api\", room=\"a\"}").iter().all(|known| *known));
    let counter = sums("{__name__=\"requests_total\", job=\"api\"}");
    // Its 1,000 are reached after 333 scrapes of 280.
    assert!(counter.iter().all(|known| !known), "{counter:?}");
    let run = rows["{__name__=\"requests_total\", job=\"api\"}"][3].floats.unwrap();
    assert_eq!((run.min, run.max), (run.first, run.last));
}

#[test]
fn files_become_few_and_old_ones_go() {
    let mut store = Store::new();
    for step in 0..60 {
        store.scrape(START + step * 30 * MINUTE, START + (step + 1) * 30 * MINUTE);
        store.engine().roll_up().unwrap();
    }
    let files = |store: &Store| {
        store.engine().tiers().iter().map(|tier| tier.state.files().count()).collect::<Vec<_>>()
    };
    assert_eq!(files(&store), [60, 29]);
    store.engine().tend_tiers().unwrap();
    // The first day is closed, the second has few; a month has as many small ones as are put together early.
    assert_eq!(files(&store), [13, 1]);
    store.check();
    store.append(&[("__name__", "late")], START + 5 * HOUR, 1.0);
    store.check();
    let objects = || {
        let folder = FolderStore::open(Arc::clone(&store.fs), Path::new("/data/rollups")).unwrap();
        folder.list("", None).unwrap().iter().filter(|it| !it.key.contains("_delta_log")).count()
    };
    assert!(objects() > 100, "what was replaced is kept for a while: {}", objects());
    store.clock.advance(Millis(25 * HOUR));
    store.engine().tend_tiers().unwrap();
    let left = files(&store).iter().sum::<usize>();
    assert_eq!(objects(), 2 * left);
    store.check();

    // More than a tenth, and more than one day: only if that was meant.
    store.config.tiers.rollups[0].retention_ms = HOUR;
    store.reopen();
    store.engine().roll_up().unwrap();
    let before = files(&store);
    store.engine().tend_tiers().unwrap();
    assert_eq!((files(&store), store.engine().rollup_stats().deletion_held_back), (before, true));
    store.config.tiers.confirm_deletion = true;
    store.reopen();
    store.engine().roll_up().unwrap();
    store.engine().tend_tiers().unwrap();
    assert_eq!(files(&store), [0, 1]);
}

#[test]
fn a_copy_has_the_rollups_and_goes_on_by_itself() {
    let store = Store::new();
    store.scrape(START, START + 3 * HOUR);
    store.check();
    store.engine().snapshot("/copy").unwrap();
    let env =
        Env { clock: Arc::clone(&store.clock) as Arc<dyn Clock>, ..Env::simulated(Arc::clone(&store.fs), 8) };
    let copy = Store {
        fs: Arc::clone(&store.fs),
        clock: Arc::clone(&store.clock),
        places: KnownPlaces::default(),
        config: config(),
        engine: Some(Engine::open_in(&env, Path::new("/copy"), config()).unwrap()),
    };
    copy.check();
    assert_eq!(copy.rows(HOUR).len(), 2);
    // Both number their jobs from here on: what one has done is not taken for the other's.
    copy.scrape(START + 3 * HOUR, START + 5 * HOUR);
    copy.check();
    store.scrape(START + 3 * HOUR, START + 4 * HOUR);
    store.check();
}

/// Crashes at each point where something becomes durable, and goes on.
#[test]
fn a_crash_at_any_sync_leaves_rollups_that_become_right() {
    let run = |crash_at: Option<u64>| -> u64 {
        let fs = Arc::new(FaultFs::new());
        if let Some(sync) = crash_at {
            fs.crash_at(sync);
        }
        let clock = Arc::new(SimClock::new(Millis(START)));
        let work = |fs: &Arc<FaultFs>| -> Result<(), Box<dyn std::error::Error>> {
            let env = Env {
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                ..Env::simulated(Arc::<FaultFs>::clone(fs), 7)
            };
            let engine = Engine::open_in(&env, Path::new("/data"), config())?;
            for step in 0..3 {
                clock.set(Millis(START + (step * 30 + 29) * MINUTE));
                let mut batch = engine.batch();
                let series = batch.series(&Labels::from_pairs([("__name__", "m")]), None)?;
                for n in 0..30 {
                    batch.float(series, START + (step * 30 + n) * MINUTE, 0, n as f64);
                }
                batch.commit()?;
                engine.roll_up()?;
                if step == 1 {
                    engine.flush()?;
                }
            }
            Ok(())
        };
        let finished = work(&fs).is_ok();
        assert_eq!(finished, crash_at.is_none() || !fs.crashed(), "{crash_at:?}");
        let syncs = fs.sync_points();
        let image = fs.durable_image(crash_at.unwrap_or(0));
        let mut store = Store::on(Arc::new(image), config());
        store.clock.set(Millis(START + 2 * HOUR));
        store.check();
        store.append(&[("__name__", "m")], START + 3 * HOUR, 1.0);
        store.append(&[("__name__", "m")], START + 3 * HOUR + 9 * MINUTE, 1.0);
        store.check();
        store.reopen();
        store.check();
        syncs
    };
    let syncs = run(None);
    assert!(syncs > 40, "{syncs}");
    for sync in 0..syncs {
        run(Some(sync));
    }
}

/// The place of the tables fails now and then, in all ways; in the end they are right, and no row is there twice.
#[test]
fn a_bad_place_delays_and_spoils_nothing() {
    for seed in 0..20 {
        let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap();
        let objects = Arc::new(FaultObjects::new(Arc::new(folder)));
        let config =
            EngineConfig { tiers: TiersConfig { place: "bucket".to_owned(), ..tiers() }, ..config() };
        let mut store = Store {
            fs: Arc::new(MemFs::default()),
            clock: Arc::new(SimClock::new(Millis(START))),
            places: KnownPlaces::default().with("bucket", Arc::<FaultObjects>::clone(&objects)),
            config,
            engine: None,
        };
        store.reopen();
        objects.fail_at_random(Rng::new(seed), 150, &ObjectFault::ALL);
        let mut rng = Rng::new(seed);
        let mut failed = 0;
        for step in 0..12 {
            store.scrape(START + step * 20 * MINUTE, START + (step + 1) * 20 * MINUTE);
            let ago = i64::try_from(rng.below(90)).unwrap() * MINUTE;
            let ts = (store.clock.now().0 - ago).max(START + 1) + 7;
            store.append(&[("__name__", "late"), ("job", "b")], ts, 1.0);
            failed += u64::from(store.engine().roll_up().is_err());
            if rng.below(6) == 0 {
                store.reopen();
            }
        }
        objects.heal();
        store.check();
        assert!(failed > 0, "seed {seed}");
        let request = objects.calls();
        assert!(request > 100, "seed {seed}: {request}");
    }
}

/// The coarse tier lies elsewhere, in a place that fails: the fine one goes on, and the coarse one when it can.
#[test]
fn a_tier_may_lie_in_a_place_of_its_own() {
    let folder = Arc::new(FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap());
    let objects = Arc::new(FaultObjects::new(Arc::<FolderStore>::clone(&folder)));
    let coarse = TierConfig { place: "bucket".to_owned(), ..TierConfig::new(HOUR, 0) };
    let tiers = TiersConfig { rollups: vec![TierConfig::new(5 * MINUTE, 0), coarse], ..tiers() };
    let mut store = Store {
        fs: Arc::new(MemFs::default()),
        clock: Arc::new(SimClock::new(Millis(START))),
        places: KnownPlaces::default().with("bucket", Arc::<FaultObjects>::clone(&objects)),
        config: EngineConfig { tiers, ..config() },
        engine: None,
    };
    objects.fail_at_random(Rng::new(1), 1_000, &[ObjectFault::Fails]);
    store.reopen();
    store.scrape(START, START + 3 * HOUR);
    assert_eq!(store.engine().roll_up().unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(store.rolled_to()[0].is_some() && store.rolled_to()[1].is_none(), "{:?}", store.rolled_to());
    objects.heal();
    store.check();
    let tables = |objects: &dyn ObjectStore| {
        let keys = objects.list("", None).unwrap().into_iter().map(|object| object.key);
        keys.map(|key| key.split('/').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(tables(&*folder), BTreeSet::from(["rollup_1h".to_owned()]));
    let local = FolderStore::open(Arc::clone(&store.fs), Path::new("/data/rollups")).unwrap();
    assert_eq!(tables(&local), BTreeSet::from(["rollup_5m".to_owned()]));
    // A place that cannot be is found at the start, and not in the log of the next day.
    store.config.tiers.place = "nowhere".to_owned();
    let env = Env::simulated(Arc::new(MemFs::default()), 7);
    let error = Engine::open_in(&env, Path::new("/data"), store.config.clone()).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

/// Two nodes of a bucket, one of which takes the time for half a day later: neither removes what the other one needs.
#[test]
fn nodes_whose_clocks_differ_by_hours_lose_nothing() {
    let folder = Arc::new(FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap());
    let node = |ahead: i64| {
        let mut store = Store {
            fs: Arc::new(MemFs::default()),
            clock: Arc::new(SimClock::new(Millis(START + ahead))),
            places: KnownPlaces::default().with("bucket", Arc::<FolderStore>::clone(&folder)),
            config: EngineConfig { tiers: TiersConfig { place: "bucket".to_owned(), ..tiers() }, ..config() },
            engine: None,
        };
        store.reopen();
        store
    };
    let ahead = 11 * HOUR;
    let nodes = [("a", node(0)), ("b", node(ahead))];
    let hours = 50;
    for hour in 0..hours {
        let (from, to) = (START + hour * HOUR, START + (hour + 1) * HOUR);
        for (name, node) in &nodes {
            for ts in (from + MINUTE..=to).step_by(usize::try_from(MINUTE).unwrap()) {
                node.append(&[("__name__", "m"), ("job", name)], ts, 1.0);
            }
        }
        nodes[1].1.clock.set(Millis(to + ahead));
        for (_, node) in &nodes {
            node.engine().roll_up().unwrap();
            node.engine().tend_tiers().unwrap();
        }
    }
    for _ in 0..3 {
        for (_, node) in &nodes {
            node.clock.advance(Millis(25 * HOUR));
            node.engine().roll_up().unwrap();
            node.engine().tend_tiers().unwrap();
        }
    }
    for (name, node) in &nodes {
        for (width, expected) in [(5 * MINUTE, hours * 12), (HOUR, hours)] {
            let rows = node.rows(width);
            let counts: Vec<_> = rows.values().map(|rows| rows.len() as i64).collect();
            assert_eq!(counts, [expected; 2], "{name} sees {:?}", rows.keys());
        }
    }
    let objects = folder.list("", None).unwrap().into_iter();
    let parquet = objects.filter(|it| it.key.ends_with(".parquet") && !it.key.contains("_delta_log"));
    let tiers = nodes[0].1.engine().tiers();
    let live = tiers.iter().flat_map(|tier| tier.state.files().map(|file| file.path.clone()));
    let live: BTreeSet<_> = live.collect();
    let left: Vec<_> = parquet.filter(|object| !live.iter().any(|path| object.key.ends_with(path))).collect();
    assert!(left.is_empty(), "what is not needed is gone: {left:?} {live:?}");
}

/// A reset that is deleted with the histogram that began anew is found between those that are left.
#[test]
fn a_histogram_behind_a_deleted_one_is_compared_with_the_one_before() {
    let store = Store::new();
    store.clock.set(Millis(START + HOUR));
    let mut batch = store.engine().batch();
    let labels = Labels::from_pairs([("__name__", "seconds")]);
    let series = batch.series(&labels, None).unwrap();
    // Begins anew at the twenty-third minute.
    (20..30).for_each(|n| batch.histogram(series, START + n * MINUTE, 0, histogram(n)));
    assert_eq!(batch.commit().unwrap().refused_count, 0);
    store.engine().flush().unwrap();
    let matcher = Matcher::new(MatchOp::Equal, b"__name__", b"seconds").unwrap();
    store.engine().delete_series(&[matcher], START + 22 * MINUTE, START + 24 * MINUTE).unwrap();
    let mut columns = SampleColumns::default();
    let selection = store.engine().select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(selection.series[0].read(&mut columns).unwrap().is_empty());
    let states: Vec<_> = columns.histograms.iter().map(|sample| &sample.value).collect();
    let resets: Vec<_> = states.windows(2).map(|pair| pair[1].detect_reset(pair[0])).collect();
    assert_eq!(resets, [false, true, false, false, false, false]);
}

/// A disk that fills up while windows are rolled up: the job fails and says why, nothing of it stays, and neither the log
/// nor flushes lack the room that was left to them. With room again, all is rolled up.
#[test]
fn a_full_disk_stops_rollups_and_nothing_else() {
    let mut failed = 0;
    for room_bytes in (0..40).map(|n| n * 8_192) {
        let fs = Arc::new(FaultFs::default());
        let store = Store::on(Arc::clone(&fs) as Arc<dyn Fs>, config());
        store.scrape(START, START + 3 * HOUR);
        fs.set_capacity(Some(used_bytes(&*fs, Path::new("/data")) + room_bytes));
        let before = store.engine().rollup_stats();
        let Err(error) = store.engine().roll_up() else { continue };
        failed += 1;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{room_bytes}: {error}");
        assert_eq!(store.engine().rollup_stats().failures, before.failures + 1, "{room_bytes}");
        let why = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let why = why.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        // What is small is written all the same, up to the last byte.
        let says_so = why.contains("are left to the log and to flushes") || why.contains("no storage space");
        assert!(says_so, "{room_bytes}: {why}");
        // What was begun is removed.
        let unfinished = fs.list(Path::new("/data/rollups/.unfinished")).unwrap();
        assert!(unfinished.is_empty(), "{room_bytes}: {unfinished:?}");
        if room_bytes > 2 * config().wal.segment_bytes {
            store.scrape(START + 3 * HOUR, START + 3 * HOUR + 10 * MINUTE);
            store.engine().flush().unwrap_or_else(|error| panic!("{room_bytes}: {error}"));
        }
        fs.set_capacity(None);
        store.scrape(START + 4 * HOUR, START + 5 * HOUR);
        store.check();
        assert_eq!(store.rolled_to()[1], Some(START + 4 * HOUR), "{room_bytes}");
    }
    assert!(failed > 10, "{failed}");
}

fn used_bytes(fs: &dyn Fs, dir: &Path) -> u64 {
    let entries = fs.list(dir).unwrap().into_iter();
    let bytes = entries.map(|entry| {
        let path = dir.join(&entry.name);
        if entry.is_dir { used_bytes(fs, &path) } else { fs.file_len(&path).unwrap() }
    });
    bytes.sum()
}
