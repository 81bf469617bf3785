//! A fleet of exporters that are scraped together, and an engine that takes it in.

use std::sync::Arc;

use kymo_engine::{Clock, Engine, EngineConfig, Env, Labels, Millis, OsFs, RawHash, SimClock};

/// Series of all targets.
pub(crate) const SERIES: usize = TARGETS * SERIES_PER_TARGET;
const TARGETS: usize = 400;
const SERIES_PER_TARGET: usize = 500;
const SCRAPE_MS: i64 = 15_000;
/// The end of a 2-hour window.
const WINDOW_END_MS: i64 = 1_000 * 3_600_000;
/// Targets whose samples come in one request: each request waits for the disk.
const TARGETS_PER_REQUEST: usize = 20;

/// The fleet with its store.
pub(crate) struct Fleet {
    pub(crate) engine: Engine,
    clock: Arc<SimClock>,
    now_ms: i64,
    flushes: u64,
    _dir: tempfile::TempDir,
}

impl Fleet {
    /// A fleet whose first `scrapes` scrapes are the last ones of a window.
    pub(crate) fn starting_before_a_window_ends(scrapes: i64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let start_ms = WINDOW_END_MS - scrapes * SCRAPE_MS;
        let clock = Arc::new(SimClock::new(Millis(start_ms)));
        let fs = Arc::new(OsFs);
        let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::simulated(fs, 1) };
        let mut config = EngineConfig::keep_everything();
        config.head.shards = 4;
        config.head.budget_bytes = 1 << 30;
        let engine = Engine::open_in(&env, dir.path(), config).expect("an empty directory");
        Self { engine, clock, now_ms: start_ms, flushes: 0, _dir: dir }
    }

    /// Every series gets a sample.
    pub(crate) fn scrape(&mut self) {
        for targets in (0..TARGETS).step_by(TARGETS_PER_REQUEST) {
            let mut batch = self.engine.batch();
            for target in targets..targets + TARGETS_PER_REQUEST {
                for number in 0..SERIES_PER_TARGET {
                    let hash = self.hash(target, number);
                    let series = batch.known_series(hash, 100).unwrap_or_else(|| {
                        batch.series(&labels(target, number), Some(hash)).expect("no limit is set")
                    });
                    batch.float(series, self.now_ms, 0, self.value(target, number));
                }
            }
            let outcome = batch.commit().expect("a working log");
            assert_eq!(outcome.floats, (TARGETS_PER_REQUEST * SERIES_PER_TARGET) as u64);
        }
        self.now_ms += SCRAPE_MS;
        self.clock.advance(Millis(SCRAPE_MS));
    }

    /// A scrape, and what happens by itself until the next one.
    pub(crate) fn scrape_and_maintain(&mut self) {
        self.scrape();
        self.engine.maintain().expect("a working disk");
    }

    /// A minute without samples.
    pub(crate) fn wait_and_maintain(&mut self) {
        self.clock.advance(Millis(60_000));
        self.engine.maintain().expect("a working disk");
    }

    /// Whether there was a flush since the last call.
    pub(crate) fn flushed(&mut self) -> bool {
        let flushes = self.engine.stats().flushes_total;
        std::mem::replace(&mut self.flushes, flushes) != flushes
    }

    fn hash(&self, target: usize, number: usize) -> RawHash {
        self.engine.raw_hasher().hash(&(target * SERIES_PER_TARGET + number).to_le_bytes())
    }

    /// Half of the series are constant, as in real fleets; others count, or have all digits.
    fn value(&self, target: usize, number: usize) -> f64 {
        let step = self.now_ms / SCRAPE_MS % 100_000;
        let noise = mixed((target * 1_000_003 + number) as u64 ^ step.cast_unsigned() << 40);
        match number % 8 {
            0..=3 => number as f64,
            4 | 5 => (step * (1 + number as i64 % 90) + (noise % 7) as i64) as f64,
            6 => (noise % 100) as f64,
            _ => noise as f64 / 1e18,
        }
    }
}

fn labels(target: usize, number: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("node_family_number_{:03}_total", number / 10)),
        ("instance", format!("host-{target:05}.example.org:9100")),
        ("job", "node".to_owned()),
        ("device", format!("device{}", number % 10)),
        ("cluster", format!("cluster-{}", target % 7)),
        ("mode", format!("mode{}", number % 5)),
    ])
}

fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
