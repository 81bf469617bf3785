//! An engine with three weeks of odd data, from a seed.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use kymo_engine::{
    Batch, Engine, EngineConfig, Env, HistogramValue, Labels, MatchOp, Matcher, MemFs, MemoryBudget, Millis,
    SampleColumns, SimClock, TierConfig, TiersConfig, is_stale, stale_nan,
};
use kymo_formats::histogram::{FloatHistogram, Span};
use kymo_query::{EngineSource, Need, SelectRequest, Source};

use crate::native::Native;

pub(crate) const DAY_MS: i64 = 24 * 3_600_000;
/// The first block of level 3 begins at a multiple of eight days.
pub(crate) const START_MS: i64 = 62 * DAY_MS;
pub(crate) const END_MS: i64 = 82 * DAY_MS + DAY_MS / 2;
const INTERVAL_MS: i64 = 10 * 60_000;
/// What is written before the next flush: not whole windows.
const PART_MS: i64 = DAY_MS / 2 - DAY_MS / 24;

/// What the values of a series are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Restarting,
    Seconds,
    Gauge,
    Doubles,
    Constant,
    Zeros,
    WithNan,
    WithStale,
    WithInfinities,
    Huge,
    Sparse,
    Started,
    Histograms,
    Native,
    NativeCustom,
    NativeAny,
}

const KINDS: [Kind; 17] = [
    Kind::Counter,
    Kind::Restarting,
    Kind::Seconds,
    Kind::Gauge,
    Kind::Doubles,
    Kind::Constant,
    Kind::Zeros,
    Kind::WithNan,
    Kind::WithStale,
    Kind::WithInfinities,
    Kind::Huge,
    Kind::Sparse,
    Kind::Started,
    Kind::Histograms,
    Kind::Native,
    Kind::NativeCustom,
    Kind::NativeAny,
];

/// The engine, and what it holds as the queries of other tests would see it.
pub(crate) struct Store {
    source: EngineSource,
    floats: BTreeMap<Labels, Floats>,
    histograms: BTreeMap<Labels, Histograms>,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_tiers(seed, TiersConfig::none())
    }

    /// A store with rollups, which are made now and then.
    pub(crate) fn rolled_up(seed: u64) -> Self {
        let tier = |minutes: i64| TierConfig::new(minutes * 60_000, 0);
        Self::with_tiers(
            seed,
            TiersConfig {
                rollups: vec![tier(30), tier(6 * 60)],
                samples_per_row_min: 0,
                ..TiersConfig::default()
            },
        )
    }

    fn with_tiers(seed: u64, tiers: TiersConfig) -> Self {
        // The last day is not over, so its blocks stay as they are.
        let clock = Arc::new(SimClock::new(Millis(83 * DAY_MS - 1)));
        let env = Env { clock, ..Env::simulated(Arc::new(MemFs::new()), 1) };
        let mut config = EngineConfig { tiers, ..EngineConfig::keep_everything() };
        config.head.shards = 2;
        config.wal.segment_bytes = 2 << 20;
        let engine = Engine::open_in(&env, Path::new("/data"), config).unwrap();
        let mut random = Random(seed);
        let mut series: Vec<_> = KINDS.iter().map(|kind| Values::new(*kind)).collect();
        for part in (START_MS..END_MS).step_by(usize::try_from(PART_MS).unwrap()) {
            write_part(&engine, part, &mut series, &mut random);
            if random.one_in(3) {
                write_late(&engine, part, &mut random);
            }
            if random.one_in(12) {
                delete(&engine, part, &mut random);
            }
            engine.flush().unwrap();
            engine.maintain().unwrap();
        }
        // What stays in memory.
        write_part(&engine, END_MS, &mut series, &mut random);
        engine.roll_up().unwrap();
        let source = EngineSource(Arc::new(engine));
        let (floats, histograms) = read_all(&source);
        Self { source, floats, histograms }
    }

    pub(crate) fn source(&self) -> &EngineSource {
        &self.source
    }

    /// What reading objects of tiers cost so far.
    pub(crate) fn parts_read(&self) -> u64 {
        let fetch = self.source.rollup_stats().fetch;
        fetch.requests + fetch.hits
    }

    /// Levels of the blocks.
    pub(crate) fn levels(&self) -> Vec<u8> {
        self.source.stats().blocks.iter().map(|block| block.level).collect()
    }

    /// The floats of a series, with or without its name, in a window that is open on the left.
    pub(crate) fn floats(&self, labels: &Labels, (start, end): (i64, i64)) -> Vec<f64> {
        let of_kind = |(other, _): &(&Labels, _)| other.get(b"kind") == labels.get(b"kind");
        let series = self.floats.iter().find(of_kind).map(|(_, floats)| &floats[..]).unwrap_or_default();
        series.iter().filter(|(ts, _)| start < *ts && *ts <= end).map(|(_, value)| *value).collect()
    }
}

impl Store {
    /// As [`Store::floats`], of native histograms.
    pub(crate) fn histograms(&self, labels: &Labels, (start, end): (i64, i64)) -> Vec<Arc<FloatHistogram>> {
        let of_kind = |(other, _): &(&Labels, _)| other.get(b"kind") == labels.get(b"kind");
        let series = self.histograms.iter().find(of_kind).map(|(_, all)| &all[..]).unwrap_or_default();
        series.iter().filter(|(ts, _)| start < *ts && *ts <= end).map(|(_, it)| Arc::clone(it)).collect()
    }
}

/// The floats of a series, by time.
type Floats = Vec<(i64, f64)>;

/// The histograms of a series, by time.
type Histograms = Vec<(i64, Arc<FloatHistogram>)>;

/// A small generator of numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound.unsigned_abs()).cast_signed()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as i64)).unwrap()]
    }

    pub(crate) fn one_in(&mut self, chances: i64) -> bool {
        self.below(chances) == 0
    }
}

/// The values of a series, one after another.
struct Values {
    kind: Kind,
    last: f64,
    /// With exponential and with custom buckets.
    native: [Native; 2],
}

impl Values {
    fn new(kind: Kind) -> Self {
        Self { kind, last: 0.0, native: [Native::new(false), Native::new(true)] }
    }

    /// The next histogram, if the series has one there.
    fn next_histogram(&mut self, part: i64, random: &mut Random) -> Option<HistogramValue> {
        let [exponential, custom] = &mut self.native;
        match self.kind {
            Kind::Histograms if part / DAY_MS % 5 == 0 => Some(histogram(random)),
            Kind::Native => Some(exponential.next(random)),
            Kind::NativeCustom => Some(custom.next(random)),
            // Everything in one series, and now and then within one window.
            Kind::NativeAny if random.one_in(25) => None,
            Kind::NativeAny if (part / DAY_MS % 2 == 0) != random.one_in(25) => {
                Some(exponential.next(random))
            }
            Kind::NativeAny => Some(custom.next(random)),
            _ => None,
        }
    }

    fn next(&mut self, random: &mut Random) -> f64 {
        let small = random.below(1_000) as f64;
        let grown = |last: f64, by: f64, resets: bool| if resets { by } else { last + by };
        self.last = match self.kind {
            Kind::Counter | Kind::Started => grown(self.last, small, random.one_in(1_500)),
            Kind::Restarting => grown(self.last, small, random.one_in(30)),
            Kind::Seconds => grown(self.last, small / 1e3 + 1e-9, random.one_in(800)),
            Kind::Gauge | Kind::Sparse | Kind::Histograms => (small - 500.0) / 10.0,
            Kind::Native | Kind::NativeCustom | Kind::NativeAny => small / 10.0,
            Kind::Doubles => (small - 300.0).sin() * 1e3,
            Kind::Constant if random.one_in(250) => small,
            Kind::Constant => self.last,
            Kind::Zeros if random.one_in(60) => -1.0,
            Kind::Zeros => random.of(&[0.0, -0.0]),
            Kind::WithNan if random.one_in(150) => return f64::NAN,
            Kind::WithStale if random.one_in(60) => return stale_nan(),
            Kind::WithInfinities if random.one_in(150) => {
                return if random.one_in(2) { f64::INFINITY } else { f64::NEG_INFINITY };
            }
            Kind::Huge if random.one_in(120) => {
                return random.of(&[f64::MAX, -f64::MAX, 1e290, 1e305]);
            }
            Kind::WithNan | Kind::WithStale | Kind::WithInfinities | Kind::Huge => small / 8.0,
        };
        self.last
    }
}

fn labels(kind: Kind) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("kind", &format!("{kind:?}"))])
}

fn write_part(engine: &Engine, part: i64, series: &mut [Values], random: &mut Random) {
    let mut batch = engine.batch();
    for (n, values) in (0..).zip(series) {
        let id = batch.series(&labels(values.kind), None).unwrap();
        for scrape in (part..part + PART_MS).step_by(usize::try_from(INTERVAL_MS).unwrap()) {
            let value = values.next(random);
            // Some are scraped at midnight sharp, some with jitter; and some scrapes are missed.
            let ts = scrape + if n % 3 == 0 { 0 } else { n * 977 + random.below(5) };
            let missed = random.one_in(if values.kind == Kind::Sparse { 2 } else { 25 });
            if missed || (values.kind == Kind::Sparse && part / DAY_MS % 3 != 0) {
                continue;
            }
            if let Some(histogram) = values.next_histogram(part, random) {
                batch.histogram(id, ts, 0, histogram);
                continue;
            }
            match values.kind {
                Kind::Started => batch.float(id, ts, START_MS - 5, value),
                _ => batch.float(id, ts, 0, value),
            }
        }
    }
    commit(batch);
}

fn commit(batch: Batch<'_>) {
    // A late sample may have the time of another; which one counts is not what is tested here.
    batch.commit().unwrap();
}

/// Samples between those of earlier parts.
fn write_late(engine: &Engine, part: i64, random: &mut Random) {
    let mut batch = engine.batch();
    let kind = random.of(&KINDS);
    let id = batch.series(&labels(kind), None).unwrap();
    let from = START_MS + random.below(part - START_MS + PART_MS);
    for n in 0..1 + random.below(4) {
        batch.float(id, from + n * random.below(INTERVAL_MS) + n, 0, random.below(1_000) as f64 / 4.0);
    }
    commit(batch);
}

fn delete(engine: &Engine, part: i64, random: &mut Random) {
    let kind = format!("{:?}", random.of(&KINDS));
    let matcher = Matcher::new(MatchOp::Equal, b"kind", kind.as_bytes()).unwrap();
    let from = START_MS + random.below(part - START_MS + PART_MS);
    engine.delete_series(&[matcher], from, from + random.below(DAY_MS / 3)).unwrap();
}

fn histogram(random: &mut Random) -> HistogramValue {
    let count = random.below(50) as f64;
    HistogramValue::Float(FloatHistogram {
        count,
        sum: count * 2.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![count],
        ..FloatHistogram::default()
    })
}

fn read_all(source: &EngineSource) -> (BTreeMap<Labels, Floats>, BTreeMap<Labels, Histograms>) {
    let matchers = [Matcher::new(MatchOp::Equal, b"__name__", b"m").unwrap()];
    let memory = MemoryBudget::unlimited();
    let (start, end) = (i64::MIN / 2, i64::MAX / 2);
    let request =
        SelectRequest { matchers: &matchers, start, end, limit: 0, need: Need::Samples, memory: &memory };
    let (mut all, mut histograms) = (BTreeMap::new(), BTreeMap::new());
    for reader in source.select(&request).unwrap().series {
        let mut columns = SampleColumns::default();
        assert!(reader.read(&mut columns).unwrap().is_empty());
        let floats = columns.ts.iter().copied().zip(columns.values.iter().copied());
        all.insert(reader.labels().clone(), floats.filter(|(_, value)| !is_stale(*value)).collect());
        let states = columns.histograms.drain(..).filter(|sample| !is_stale(sample.value.sum));
        histograms.insert(reader.labels().clone(), states.map(|sample| (sample.ts, sample.value)).collect());
    }
    (all, histograms)
}
