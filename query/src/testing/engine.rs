//! The real engine as storage of scripts, on a file system in memory.

use std::{path::Path, sync::Arc};

use kymo_engine::{Engine, EngineConfig, Env, HistogramValue, MemFs, Millis, SimClock};

use super::{TestSeries, TestStorage, TestValue};
use crate::{EngineSource, Source};

/// Where the engine holds what a script stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In memory.
    Head,
    /// In blocks: it is flushed behind each load.
    Blocks,
    /// In blocks that have been compacted.
    CompactedBlocks,
}

/// An engine that scripts write to and query.
#[derive(Debug)]
pub struct EngineStorage {
    source: EngineSource,
    placement: Placement,
}

impl EngineStorage {
    /// An empty engine.
    ///
    /// # Panics
    /// When it does not open, which on an empty file system in memory it does.
    #[must_use]
    pub fn new(placement: Placement) -> Self {
        // Later than any sample of a script: one that is ahead of the clock would be refused.
        let clock = Arc::new(SimClock::new(Millis(i64::MAX / 2)));
        let env = Env { clock, ..Env::simulated(Arc::new(MemFs::new()), 1) };
        // Scripts open thousands of engines: segments that are allocated in full must be small.
        let mut config = EngineConfig::keep_everything();
        config.wal.segment_bytes = 2 << 20;
        config.wal.spare_segments_max = 0;
        config.head.shards = 2;
        config.head.exemplars_max = 0;
        let engine = Engine::open_in(&env, Path::new("/data"), config)
            .expect("an engine opens on an empty file system");
        Self { source: EngineSource(Arc::new(engine)), placement }
    }
}

impl TestStorage for EngineStorage {
    fn append(&mut self, series: Vec<TestSeries>) -> Result<(), String> {
        let mut batch = self.source.batch();
        for TestSeries { labels, samples } in series {
            let id = batch.series(&labels, None).map_err(|refusal| refusal.to_string())?;
            for sample in samples {
                match sample.value {
                    TestValue::Float(value) => batch.float(id, sample.ts, sample.start_ts, value),
                    TestValue::Histogram(histogram) => {
                        batch.histogram(id, sample.ts, sample.start_ts, HistogramValue::Float(histogram));
                    }
                }
            }
        }
        let outcome = batch.commit().map_err(|error| error.to_string())?;
        if let Some(row) = outcome.refused.first() {
            return Err(format!("{} at {:?}: {}", row.labels, row.ts, row.reason));
        }
        if self.placement != Placement::Head {
            self.source.flush().map_err(|error| error.to_string())?;
        }
        if self.placement == Placement::CompactedBlocks {
            self.source.compact().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn source(&self) -> &dyn Source {
        &self.source
    }
}
