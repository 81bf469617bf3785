//! The embeddable storage engine of Kymo: open a directory, append, select.
//!
//! ```
//! use kymo_engine::{Engine, EngineConfig, Labels, MatchOp, Matcher, SampleColumns};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let engine = Engine::open_with(dir.path(), EngineConfig::keep_everything())?;
//! let mut batch = engine.batch();
//! let series = batch.series(&Labels::from_pairs([("__name__", "up"), ("job", "demo")]), None)?;
//! batch.float(series, 1_000, 0, 1.0);
//! batch.commit()?; // Durable from here on.
//!
//! let matcher = Matcher::new(MatchOp::Equal, b"job", b"demo")?;
//! let mut columns = SampleColumns::default();
//! for series in engine.select(&[matcher], 0, 2_000)?.series {
//!     let warnings = series.read(&mut columns)?;
//!     assert!(warnings.is_empty(), "damaged data was left out");
//!     assert_eq!((&columns.ts[..], &columns.values[..]), (&[1_000][..], &[1.0][..]));
//! }
//! # engine.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! Times are milliseconds since the Unix epoch. All methods are synchronous and may be called from any thread;
//! nothing here needs an async runtime. `docs/architecture.md` draws the whole.

mod block;
mod checkpoint_file;
mod cold;
mod compact;
mod compaction;
mod config;
mod data_time;
mod disk;
mod engine;
mod env;
mod error;
mod flush;
mod head;
mod index;
mod inspect;
mod limits;
mod maintenance;
mod manifest;
mod model;
mod parts;
mod pressure;
mod read;
mod recovery;
mod retention;
mod rollup;
mod signals;
mod snapshot;
mod tier;
mod verify;
mod wal;

#[cfg(feature = "object-storage")]
pub use env::RemoteStore;
#[cfg(any(test, feature = "test-util"))]
pub use env::{
    FaultFs, FaultObjects, KnownPlaces, MemFs, ObjectFault, SimClock,
    keeps_its_promises as keeps_object_promises,
};
#[cfg(any(test, feature = "test-util"))]
pub use index::IndexInMemory;
pub use kymo_formats::{
    codec::summary::ChunkSummary,
    rollup::{FloatRun, HistogramRun, Rollup, Traits as HistogramTraits, table::Facts as RollupFacts},
};
pub use {
    block::{
        BlockCache, BlockCacheBytes, BlockChunk, BlockError, BlockInfo, BlockReader, BlockSeries, BlockSpec,
        BlockWriter, ChunkBody, ChunkColumns, ChunkSummaries, block_path,
    },
    cold::ColdStats,
    compaction::{
        Choice, Compacted, CompactionEnv, CompactionError, Deletion, Level, Levels, MergeInput, PlanBlock,
        Urgency, compact, plan, plan_within,
    },
    config::{EngineConfig, FlushConfig, RetentionConfig},
    engine::{Engine, EngineStats},
    env::{
        Clock, DirEntry, Env, File, FolderStore, Fs, LockGuard, Mapping, ObjectError, ObjectErrorKind,
        ObjectInfo, ObjectStore, OpenMode, OsFs, PlaceOptions, Places, ProbeError, Probed, Rng, SystemClock,
        Upload, UploadWriter, memory_bytes, probe as probe_conditional_writes, spawn,
    },
    error::{Error, ErrorKind},
    flush::FlushReport,
    head::{
        AppendOutcome, Batch, Cardinality, CommitError, Count, Exemplar, HeadBytes, HeadConfig, HeadStats,
        LabelCount, Metadata, RawHash, RawHasher, Refusal, RefusedRow, RefusedSeries, SeriesRef,
    },
    index::{LabelIndex, label_names, label_values, select, series_order},
    inspect::{EncodingStats, InspectedBlock, Inspection, LabelStats, LogBytes, SectionBytes, inspect},
    manifest::{
        BlockMeta, ColdBlock, ColdState, Edit, ManifestError, ManifestStats, ManifestStore, RollupProgress,
        Tombstone, Version, Violation, WalStart,
    },
    model::{
        Captures, Fingerprint, HistogramSample, HistogramValue, Label, Labels, LabelsBuilder, MatchOp,
        Matcher, MatcherError, MemoryBudget, Millis, OverBudget, Regex, RegexError, RegexErrorKind,
        STALE_NAN_BITS, SampleColumns, WindowSet, is_printable, is_stale, quote, quote_char, stale_nan,
    },
    parts::FetchStats,
    pressure::MemoryStage,
    read::{Found, ReadCost, ReadMeter, SelectedSeries, Selection, SummaryRequest, Warnings, WindowGrid},
    recovery::{RecoveryReport, ReplayProgress, ReplayedSegments},
    rollup::{RollupRequest, RollupSelection, RollupSeries, RollupStats, TierStats},
    signals::metrics::FloatForm,
    snapshot::{SnapshotReport, restore},
    tier::{
        CacheConfig, DataFileMeta, Partition, PolicyConfig, RawConfig, TableSize, TableState, TierConfig,
        TierError, TiersConfig,
    },
    verify::{CheckedFile, Damage, FileKind, Unreadable, VerifyReport, verify},
    wal::{
        Lsn, QuarantinedRange, Replay, ReplayReport, ReplayedFrame, SYNC_SECONDS_BOUNDS, TruncatedTail, Wal,
        WalConfig, WalError, WalPin, WalStats, WalSync,
    },
};
