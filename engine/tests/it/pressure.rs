//! Memory: what leaves it under churn, and what is done when it gets short, in order.

use std::sync::Arc;

use kymo_engine::{
    Clock, CommitError, Engine, EngineConfig, Env, ErrorKind, Exemplar, FaultFs, Fs, Labels, MemFs,
    MemoryStage, Metadata, Millis, Refusal, SimClock,
};

use crate::support::{config, content, env, open};

const START: i64 = 1_000 * 3_600_000;
const MINUTE: i64 = 60_000;

/// A store whose clock the test moves.
struct Store {
    engine: Engine,
    clock: Arc<SimClock>,
}

impl Store {
    fn new(fs: Arc<dyn Fs>, config: EngineConfig) -> Self {
        let clock = Arc::new(SimClock::new(Millis(START)));
        let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(fs) };
        Self { engine: open(&env, config), clock }
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// Gives each of the series a sample now; returns how many were refused.
    fn write(&self, series: impl Iterator<Item = Labels>) -> Result<u64, CommitError> {
        let mut refused = 0;
        let all: Vec<Labels> = series.collect();
        for part in all.chunks(200) {
            let mut batch = self.engine.batch();
            for labels in part {
                match batch.series(labels, Some(self.engine.raw_hasher().hash(labels.canonical()))) {
                    Ok(series) => batch.float(series, self.now(), 0, self.now() as f64),
                    Err(reason) => batch.refuse(labels.clone(), None, reason),
                }
            }
            refused += batch.commit()?.refused_count;
        }
        Ok(refused)
    }

    fn used(&self) -> usize {
        self.engine.stats().head.bytes.total()
    }
}

fn pod(generation: usize, number: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("metric_{}", number % 20)),
        ("pod", format!("app-{generation}-{number}")),
        ("uid", format!("{:032x}", (generation * 1_000_003 + number) as u128 * 0x9e37_79b9_7f4a_7c15)),
    ])
}

/// Deployments come and go: series, labels, strings and look-up tables of those that are gone do not stay.
#[test]
fn memory_stays_flat_under_churn() {
    const PODS: usize = 600;
    let mut config = config();
    config.head.shards = 1;
    config.wal.segment_bytes = 1 << 20;
    config.flush.wal_bytes_max = 64 << 20;
    let store = Store::new(Arc::new(MemFs::default()), config);
    let mut most = [0; 20];
    for (generation, most) in most.iter_mut().enumerate() {
        for scrape in 0..6 {
            // A few are always there.
            let steady = (0..PODS / 10).map(|number| pod(usize::MAX / 2_000_000, number));
            let pods = (0..PODS).map(|number| pod(generation, number));
            assert_eq!(store.write(steady.chain(pods)).unwrap(), 0, "scrape {scrape}");
            store.clock.advance(Millis(5 * MINUTE));
            store.engine.maintain().unwrap();
            *most = store.used().max(*most);
        }
        let series = store.engine.stats().head.series;
        assert!(series <= 5 * PODS as u64, "{series} series in generation {generation}");
    }
    let early = most[4..10].iter().max().unwrap();
    let late = most[12..].iter().max().unwrap();
    assert!(*late <= early + early / 20, "{most:?}");
    assert_eq!(content(&store.engine).len(), 20 * PODS + PODS / 10, "and nothing is lost");
}

/// What nothing can move to disk has a share of the budget, or it could use up all of it.
#[test]
fn exemplars_and_metadata_have_a_share_of_the_budget() {
    let mut config = config();
    config.head.budget_bytes = 8 << 20;
    let store = Store::new(Arc::new(MemFs::default()), config);
    for number in 0..40_000 {
        let mut batch = store.engine.batch();
        let series = batch.series(&gauge(number % 10), None).unwrap();
        let labels = Labels::from_pairs([("trace_id", format!("{number:064x}"))]);
        batch.exemplar(series, Exemplar { labels, value: 1.0, ts: store.now() + number as i64 });
        let help = format!("{number}").repeat(50);
        batch.metadata(&format!("family{number}"), Metadata { help, ..Metadata::default() });
        batch.commit().unwrap();
    }
    let stats = store.engine.stats();
    assert!(stats.head.exemplars > 1_000 && store.engine.metadata().len() > 500, "{stats:?}");
    assert!(stats.head.bytes.exemplars < 2 << 20, "{:?}", stats.head.bytes);
    assert!(stats.head.bytes.metadata < 1 << 20, "{:?}", stats.head.bytes);
}

fn gauge(number: usize) -> Labels {
    Labels::from_pairs([("__name__", "gauge".to_owned()), ("number", number.to_string())])
}

/// A budget that is used up bit by bit: spill early, evict what is idle, refuse new series, refuse writes.
/// The head's budget where memory gets short.
const BUDGET: usize = 4 << 20;

impl Store {
    /// Writes new series, numbered from `series` on, until the head takes so many parts of 256 of the budget.
    fn fill(&self, series: &mut usize, part_of_256: usize) {
        while self.used() < BUDGET / 256 * part_of_256 {
            assert_eq!(self.write((*series..*series + 50).map(gauge)).unwrap(), 0);
            *series += 50;
        }
    }

    /// Writes a hundred late samples of one series.
    fn write_late(&self, number: usize) {
        let mut batch = self.engine.batch();
        let known = batch.series(&gauge(number), None).unwrap();
        let late = i64::try_from(self.engine.stats().head.late_samples).unwrap();
        (late..late + 100).for_each(|late| batch.float(known, self.now() - late, 0, 1.0));
        drop(batch.commit().unwrap());
    }
}

#[test]
fn measures_are_taken_in_order() {
    let mut config = config();
    config.head.shards = 1;
    config.head.budget_bytes = BUDGET as u64;
    // What is written while the disk is full fits the segment that is there.
    config.wal.segment_bytes = 16 << 20;
    config.flush.wal_bytes_max = 16 << 20;
    let fs = Arc::new(FaultFs::default());
    let store = Store::new(Arc::clone(&fs) as Arc<dyn Fs>, config);
    let stats = || store.engine.stats();
    let mut series = 500;

    // Sealed chunks, and little else.
    for _ in 0..121 {
        assert_eq!(store.write((0..series).map(gauge)).unwrap(), 0);
        store.clock.advance(Millis(1_000));
    }
    assert!(stats().head.sealed_chunks >= series);
    while store.used() < BUDGET / 256 * 194 {
        // Late samples wait for a flush as sealed chunks do.
        store.write_late(series);
    }
    store.engine.maintain().unwrap();
    assert_eq!((stats().flushes_total, stats().head.sealed_chunks, stats().head.late_samples), (1, 0, 0));
    assert_eq!(stats().head.series, series as u64 + 1, "no series has left");
    assert_eq!(stats().memory_stage, MemoryStage::Calm, "and that was enough");

    // Series without samples for a few minutes: far from idle as long as there is room.
    series += 1;
    store.fill(&mut series, 190);
    store.clock.advance(Millis(10 * MINUTE));
    store.engine.maintain().unwrap();
    assert_eq!(stats().head.series, series as u64);
    let old = series;
    store.fill(&mut series, 225);
    store.engine.maintain().unwrap();
    assert_eq!(stats().head.series, (series - old) as u64, "the old ones have left");
    assert_eq!(stats().memory_stage, MemoryStage::Calm);

    // Series that are all alive.
    store.fill(&mut series, 290);
    store.engine.maintain().unwrap();
    assert_eq!(stats().memory_stage, MemoryStage::RefuseSeries);
    let mut batch = store.engine.batch();
    let refused = batch.series(&gauge(series), None).unwrap_err();
    assert_eq!(refused, Refusal::MemoryBudget { budget_bytes: BUDGET as u64, metric: "gauge".to_owned() });
    drop(batch);
    assert_eq!(stats().head.series_refused.budget_bytes, 1);
    assert_eq!(store.write([gauge(old)].into_iter()).unwrap(), 0, "known ones are welcome");

    // And they go on, while the disk is full.
    fs.set_capacity(Some(0));
    while store.used() < BUDGET / 256 * 330 {
        store.write_late(old);
    }
    assert!(store.engine.maintain().is_err());
    assert_eq!(stats().memory_stage, MemoryStage::RefuseWrites);
    let refused = store.write([gauge(old)].into_iter()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);

    // Room on disk is room in memory.
    fs.set_capacity(None);
    store.engine.maintain().unwrap();
    assert!(stats().memory_stage < MemoryStage::RefuseWrites, "{:?}", stats().head.bytes);
    assert_eq!(store.write([gauge(old)].into_iter()).unwrap(), 0);
    assert_eq!(content(&store.engine).len(), series);
}
