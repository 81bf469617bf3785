//! An engine in memory, and what the tests ask it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use kymo_engine::{Engine, EngineConfig, Env, Fs, Labels, MatchOp, Matcher, Millis, SampleColumns, SimClock};

/// All samples of a store: labels to time to bits of the value.
pub(crate) type Content = BTreeMap<Labels, BTreeMap<i64, u64>>;

/// Settings for data of any age, with a small log so that tests see it rotate.
pub(crate) fn config() -> EngineConfig {
    let mut config = EngineConfig::keep_everything();
    config.head.shards = 2;
    config.wal.segment_bytes = 64 * 1_024;
    config.flush.wal_bytes_max = 256 * 1_024;
    config
}

/// An environment whose clock stands a thousand hours after the epoch.
pub(crate) fn env(fs: Arc<dyn Fs>) -> Env {
    let clock = SimClock::new(Millis(1_000 * 3_600_000));
    Env { clock: Arc::new(clock), ..Env::simulated(fs, 7) }
}

pub(crate) fn open(env: &Env, config: EngineConfig) -> Engine {
    Engine::open_in(env, Path::new("/data"), config).expect("open the store")
}

pub(crate) fn labels(series: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", if series.is_multiple_of(2) { "even" } else { "odd" }),
        ("instance", &format!("host-{}", series / 2)),
        ("job", "test"),
    ])
}

/// Every series: each has a metric name.
pub(crate) fn everything() -> Matcher {
    Matcher::new(MatchOp::NotEqual, b"__name__", b"").expect("a valid matcher")
}

pub(crate) fn equal(name: &str, value: &str) -> Matcher {
    Matcher::new(MatchOp::Equal, name.as_bytes(), value.as_bytes()).expect("a valid matcher")
}

/// Appends one float; the outcome must be that it is stored.
pub(crate) fn append(engine: &Engine, labels: &Labels, ts: i64, value: f64) {
    let mut batch = engine.batch();
    let series = batch.series(labels, None).expect("a series within the limits");
    batch.float(series, ts, 0, value);
    let outcome = batch.commit().expect("a working log");
    assert_eq!((outcome.floats, outcome.refused_count), (1, 0), "{:?}", outcome.refused);
}

/// All floats that `matcher` selects between `start` and `end`, both inclusive.
pub(crate) fn select(engine: &Engine, matcher: &Matcher, start: i64, end: i64) -> Content {
    let mut content = Content::new();
    let mut columns = SampleColumns::default();
    for series in engine.select(std::slice::from_ref(matcher), start, end).expect("a readable store").series {
        series.read(&mut columns).expect("readable chunks");
        assert!(columns.ts.is_sorted_by(|a, b| a < b), "times ascend, each once: {:?}", columns.ts);
        let samples = columns.ts.iter().zip(&columns.values);
        let inside = samples.filter(|(ts, _)| (start..=end).contains(*ts));
        let samples: BTreeMap<i64, u64> = inside.map(|(ts, value)| (*ts, value.to_bits())).collect();
        if !samples.is_empty() {
            assert!(content.insert(series.labels().clone(), samples).is_none(), "each series once");
        }
    }
    content
}

pub(crate) fn content(engine: &Engine) -> Content {
    select(engine, &everything(), i64::MIN, i64::MAX)
}
