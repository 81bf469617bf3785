//! The mutable part of the engine: what was written and is not in a block yet.
//!
//! The head is split in shards by fingerprint. A shard has a lock; under it a row is checked, put into the WAL
//! frame and stored, so that the order of the log is the order of the head.
//!
//! * `batch` - one request: resolves series, collects rows, commits them
//! * `raw_table` - label bytes as received to series
//! * `shard`, `series`, `append` - one shard, one series of it, and rows into it
//! * `admission`, `refusal` - limits of new series, and what refused rows are told
//! * `labels`, `postings`, `index` - labels with ids, and the inverted index over them
//! * `pattern_cache` - which labels match regular expressions
//! * `cardinality` - how many series and values labels have
//! * `slab`, `arena`, `paged` - memory without an allocation per series
//! * `histograms` - open chunks of native histograms
//! * `bytes` - what the head costs, by component
//! * `idle` - series and memory that are not needed any more
//! * `sealed`, `late` - closed chunks and late samples, waiting for the flush
//! * `revised` - windows that have to be rolled up again
//! * `exemplars`, `metadata` - what accompanies samples
//! * `read`, `order` - copies of what a query needs, in the order of labels
//! * `checkpoint` - the head as records in a file, and back
//! * `replay` - frames of a checkpoint and of the log into the head

mod admission;
mod append;
mod arena;
mod batch;
mod bytes;
mod cardinality;
mod checkpoint;
mod config;
mod exemplars;
mod histograms;
mod idle;
mod index;
mod labels;
mod late;
mod metadata;
mod order;
mod paged;
mod pattern_cache;
mod postings;
mod raw_table;
mod read;
mod refusal;
mod replay;
mod revised;
mod sealed;
mod series;
mod shard;
mod slab;
mod take;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use parking_lot::{Mutex, RwLock};

use crate::{
    data_time::ArrivalTimes,
    env::Env,
    model::{Fingerprint, Labels, Matcher},
};
use admission::Admission;
use exemplars::Exemplars;
use metadata::MetadataTable;
use raw_table::RawTable;
use refusal::RefusedCounters;
use shard::Shard;

pub use {
    batch::{AppendOutcome, Batch, CommitError, SeriesRef},
    bytes::HeadBytes,
    cardinality::{Cardinality, Count, LabelCount},
    config::HeadConfig,
    exemplars::Exemplar,
    metadata::Metadata,
    raw_table::{RawHash, RawHasher},
    refusal::{Refusal, RefusedRow, RefusedSeries},
};
pub(crate) use {
    exemplars::SeriesExemplar,
    idle::DropIdle,
    late::LateSamples,
    read::{HeadSamples, HeadSeries},
    replay::{Arrivals, ReplayCounts, Replayer, Share},
    take::WindowRows,
};

/// Bytes of labels of exemplars, and bytes of metadata, are at most this part of the budget each.
const SIDE_PART: u64 = 32;

/// A series of the head: shard in the low bits, id there in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SeriesPlace(u32);

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Pressure {
    /// It is not.
    None = 0,
    /// New series are refused.
    NoNewSeries = 1,
    /// All writes are refused.
    NoWrites = 2,
}

/// The head.
#[derive(Debug)]
pub(crate) struct Head {
    shards: Vec<RwLock<Shard>>,
    shard_bits: u32,
    raw: RawTable,
    hasher: RawHasher,
    /// Batches and readers hold it shared, because they hold series ids; who changes ids takes it alone.
    gate: RwLock<()>,
    series: AtomicU64,
    samples: AtomicU64,
    /// Number of batches that were begun.
    batches: AtomicU32,
    series_created: AtomicU64,
    pressure: AtomicU8,
    admission: Mutex<Admission>,
    refused: RefusedCounters,
    exemplars: Mutex<Exemplars>,
    metadata: RwLock<MetadataTable>,
    config: HeadConfig,
    window_ms: i64,
}

impl Head {
    /// An empty head whose chunks never cross a multiple of `window_ms`.
    pub(crate) fn new(env: &Env, config: HeadConfig, window_ms: i64) -> Self {
        let shards = if config.shards == 0 { default_shards() } else { config.shards };
        let mut rng = env.rng("head");
        // No flush moves these to disk, so they must not be what uses the budget up.
        let share_bytes = match config.budget_bytes {
            0 => usize::MAX,
            budget => usize::try_from(budget / SIDE_PART).unwrap_or(usize::MAX),
        };
        Self {
            shards: (0..shards).map(|_| RwLock::new(Shard::new(rng.next_u64()))).collect(),
            shard_bits: shards.trailing_zeros(),
            raw: RawTable::default(),
            hasher: RawHasher::new(rng.next_u64()),
            gate: RwLock::new(()),
            series: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            batches: AtomicU32::new(0),
            series_created: AtomicU64::new(0),
            pressure: AtomicU8::new(Pressure::None as u8),
            admission: Mutex::new(Admission::default()),
            refused: RefusedCounters::default(),
            exemplars: Mutex::new(Exemplars::new(config.exemplars_max, share_bytes)),
            metadata: RwLock::new(MetadataTable::new(config.metadata_families_max, share_bytes)),
            config,
            window_ms,
        }
    }

    /// Hashes label sets for [`Batch::known_series`].
    pub(crate) const fn hasher(&self) -> RawHasher {
        self.hasher
    }

    fn shard_of(&self, fingerprint: Fingerprint) -> usize {
        // The high bits: hash tables inside of a shard use the low ones.
        let [.., top] = fingerprint.0.to_le_bytes();
        let [.., second, _] = fingerprint.0.to_le_bytes();
        usize::from(u16::from_le_bytes([second, top])) & (self.shards.len() - 1)
    }

    /// As [`Head::shard_of`], as frames of the log have it.
    fn shard_number(&self, fingerprint: Fingerprint) -> u16 {
        u16::try_from(self.shard_of(fingerprint)).expect("there are at most 1024 shards")
    }

    fn series_place(&self, shard: usize, id: u32) -> SeriesPlace {
        let shard = u32::try_from(shard).expect("there are at most 1024 shards");
        SeriesPlace(id << self.shard_bits | shard)
    }

    const fn split_place(&self, series: SeriesPlace) -> (usize, u32) {
        (series.0 as usize & (self.shards.len() - 1), series.0 >> self.shard_bits)
    }

    /// The series with these labels, made known if it is new.
    fn resolve(&self, labels: &Labels) -> Result<SeriesPlace, Refusal> {
        let fingerprint = Fingerprint::of(labels);
        let shard = self.shard_of(fingerprint);
        if let Some(id) = self.shards[shard].read().find(fingerprint, labels) {
            return Ok(self.series_place(shard, id));
        }
        let admitted = self.admit(labels);
        let mut locked = self.shards[shard].write();
        // Another request may have added it meanwhile, and reached a limit by that.
        if let Some(id) = locked.find(fingerprint, labels) {
            return Ok(self.series_place(shard, id));
        }
        let admitted = admitted.inspect_err(|refusal| self.refused.count(refusal))?;
        self.series.fetch_add(1, Ordering::Relaxed);
        self.series_created.fetch_add(1, Ordering::Relaxed);
        let id = locked.add(fingerprint, labels);
        drop(locked);
        admitted.added();
        Ok(self.series_place(shard, id))
    }

    pub(crate) fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::NoNewSeries,
            _ => Pressure::NoWrites,
        }
    }

    pub(crate) fn set_pressure(&self, pressure: Pressure) {
        self.pressure.store(pressure as u8, Ordering::Relaxed);
    }

    /// Time of the newest sample, `i64::MIN` before the first.
    pub(crate) fn newest_ts(&self) -> i64 {
        self.shards.iter().map(|shard| shard.read().newest_ts).max().unwrap_or(i64::MIN)
    }

    /// The times of the samples that arrived since the last call.
    pub(crate) fn take_arrival_times(&self) -> ArrivalTimes {
        let mut all = ArrivalTimes::default();
        self.shards.iter().for_each(|shard| all.merge(std::mem::take(&mut shard.write().arrival_times)));
        all
    }

    /// What the head holds, and what it costs.
    pub(crate) fn stats(&self) -> HeadStats {
        let mut stats = HeadStats {
            series: self.series.load(Ordering::Relaxed),
            samples_appended: self.samples.load(Ordering::Relaxed),
            series_created: self.series_created.load(Ordering::Relaxed),
            series_refused: self.refused.load(),
            exemplars: self.exemplars.lock().len(),
            newest_ts: i64::MIN,
            ..HeadStats::default()
        };
        for shard in &self.shards {
            let shard = shard.read();
            stats.bytes += shard.bytes();
            stats.labels += shard.labels().len();
            stats.sealed_chunks += shard.sealed.len();
            stats.late_samples += shard.late_len;
            stats.newest_ts = stats.newest_ts.max(shard.newest_ts);
        }
        stats.bytes.raw_table = self.raw.bytes();
        stats.bytes.exemplars = self.exemplars.lock().heap_bytes();
        stats.bytes.metadata = self.metadata.read().heap_bytes();
        stats
    }

    /// The exemplars of series that satisfy one of the matcher lists, in the order of their arrival.
    pub(crate) fn exemplars(&self, selectors: &[Vec<Matcher>], start: i64, end: i64) -> Vec<SeriesExemplar> {
        let wanted = |series: &Labels| {
            selectors
                .iter()
                .any(|matchers| matchers.iter().all(|matcher| matcher.matches(series.get(matcher.name()))))
        };
        let exemplars = self.exemplars.lock();
        let in_range = exemplars.iter().filter(|found| (start..=end).contains(&found.exemplar.ts));
        in_range.filter(|found| wanted(&found.series)).cloned().collect()
    }

    /// All metadata, sorted by metric family.
    pub(crate) fn metadata(&self) -> Vec<(String, Metadata)> {
        self.metadata.read().iter().map(|(family, metadata)| (family.to_owned(), metadata.clone())).collect()
    }
}

/// What the head holds, and what it costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadStats {
    /// Series in memory.
    pub series: u64,
    /// Series that became known since the start, those that were known before and forgotten included.
    pub series_created: u64,
    /// How often new series were refused by limits.
    pub series_refused: RefusedSeries,
    /// Distinct labels (name and value), counted in each shard.
    pub labels: usize,
    /// Samples accepted since the start.
    pub samples_appended: u64,
    /// Sealed chunks that wait for the flush.
    pub sealed_chunks: usize,
    /// Late samples that wait for the flush.
    pub late_samples: usize,
    /// Exemplars kept.
    pub exemplars: usize,
    /// Time of the newest sample in milliseconds; `i64::MIN` when there is none.
    pub newest_ts: i64,
    /// Memory in bytes.
    pub bytes: HeadBytes,
}

/// Twice the number of cores, rounded up to a power of two: enough that writers rarely meet.
fn default_shards() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (2 * cores).next_power_of_two().min(1_024)
}

/// Bytes shared by the chunks that were copied under one lock.
type SharedBytes = Arc<[u8]>;
