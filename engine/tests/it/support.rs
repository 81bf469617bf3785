//! An engine in memory, and what the tests ask it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use kymo_engine::{
    Engine, EngineConfig, Env, Fs, HistogramValue, Labels, MatchOp, Matcher, Millis, SampleColumns, SimClock,
};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, Span};

/// All samples of a store: labels to time to bits of the value, or to the digest of a histogram.
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

/// A histogram that differs from those of other `n`: in form, layout, or at least in its counts. Some restart.
pub(crate) fn histogram(n: u64) -> HistogramValue {
    let counts = [n % 23, 1, n % 5];
    let in_buckets = counts.iter().sum::<u64>();
    let mut histogram = Histogram {
        schema: if n % 40 < 30 { 0 } else { 2 },
        count: in_buckets + n,
        sum: n as f64,
        zero_threshold: 0.001,
        zero_count: n,
        positive_spans: vec![
            Span { offset: 0, length: 2 },
            Span { offset: if n % 9 < 6 { 1 } else { 3 }, length: 1 },
        ],
        positive_buckets: vec![
            counts[0].cast_signed(),
            1 - counts[0].cast_signed(),
            counts[2].cast_signed() - 1,
        ],
        ..Histogram::default()
    };
    if n % 60 >= 50 {
        histogram = Histogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            zero_threshold: 0.0,
            zero_count: 0,
            count: in_buckets,
            custom_values: (0..8).map(f64::from).collect(),
            ..histogram
        };
    }
    if n % 16 < 12 { HistogramValue::Integer(histogram) } else { HistogramValue::Float(histogram.to_float()) }
}

/// A number for all that a histogram says, but for reset hints and empty buckets, which storage may add.
pub(crate) fn digest(histogram: &FloatHistogram) -> u64 {
    let mut digest = u64::from(histogram.schema.cast_unsigned());
    let mut add = |bits: u64| digest = (digest ^ bits).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    let FloatHistogram { count, sum, zero_count, zero_threshold, custom_values, .. } = histogram;
    [count, sum, zero_count, zero_threshold].into_iter().chain(custom_values).for_each(|v| add(v.to_bits()));
    for (spans, counts) in [
        (&histogram.positive_spans, &histogram.positive_buckets),
        (&histogram.negative_spans, &histogram.negative_buckets),
    ] {
        let mut start = 0_i64;
        let indexes = spans.iter().flat_map(|span| {
            let from = start + i64::from(span.offset);
            start = from + i64::from(span.length);
            from..start
        });
        for (index, count) in indexes.zip(counts).filter(|(_, count)| **count != 0.0) {
            add(index.cast_unsigned());
            add(count.to_bits());
        }
    }
    digest
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
        assert!(series.read(&mut columns).expect("readable chunks").is_empty(), "something was left out");
        assert!(columns.ts.is_sorted_by(|a, b| a < b), "times ascend, each once: {:?}", columns.ts);
        let samples = columns.ts.iter().zip(&columns.values);
        let inside = samples.filter(|(ts, _)| (start..=end).contains(*ts));
        let samples: BTreeMap<i64, u64> = inside.map(|(ts, value)| (*ts, value.to_bits())).collect();
        let mut samples = samples;
        for sample in columns.histograms.iter().filter(|sample| (start..=end).contains(&sample.ts)) {
            let taken = samples.insert(sample.ts, digest(&sample.value));
            assert_eq!(taken, None, "a float and a histogram at {}", sample.ts);
        }
        if !samples.is_empty() {
            assert!(content.insert(series.labels().clone(), samples).is_none(), "each series once");
        }
    }
    content
}

pub(crate) fn content(engine: &Engine) -> Content {
    select(engine, &everything(), i64::MIN, i64::MAX)
}
