//! Edits as the engine uses them, and their conversion to and from the frozen records on disk.

use std::{ops::Range, sync::Arc};

use kymo_formats::manifest::{
    BlockRecord, ColdRecord, EditRecord, MatcherOp, MatcherRecord, RollupRecord, TombstoneRecord,
};

pub use kymo_formats::manifest::ColdState;

use crate::model::{MatchOp, Matcher, MatcherError, Millis, WindowSet};

/// One change of the manifest. A batch of them is applied as a whole, in its order.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// A block is live from now on. Its file must be durable, under its name, before.
    AddBlock(Arc<BlockMeta>),
    /// The block of this id is not live any more. Its file is removed after, when no reader holds it.
    RemoveBlock(u64),
    /// What matches is deleted from now on.
    AddTombstone(Arc<Tombstone>),
    /// The tombstone of this id has been applied to every block it concerns.
    RemoveTombstone(u64),
    /// Replay begins here from now on. What the segments before hold is in live blocks and the checkpoint.
    WalStart(WalStart),
    /// No id below is given out again; for snapshots.
    NextId(u64),
    /// What tells this store from its copies: they get one of their own.
    StoreId(u128),
    /// How far the rollups of one width are; replaces what was known of it.
    Rollup(RollupProgress),
    /// Of what is older not all samples are there any more, milliseconds.
    SamplesFrom(i64),
    /// As whose the rows that this store writes to tables are known: copies go on with them.
    Source(u16),
    /// Where a block lies outside of the data directory; replaces what was known of it.
    Cold(Arc<ColdBlock>),
}

/// A block that lies, is to lie, or has lain in object storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdBlock {
    /// The block.
    pub block: u64,
    /// How far it is.
    pub state: ColdState,
    /// The place, as the settings name it.
    pub place: String,
    /// The key of the object in the place.
    pub key: String,
}

impl ColdBlock {
    /// The prefix of the keys of the blocks of a store. An object under another one belongs to another store, of which
    /// this one is a copy: it is read, and never removed.
    #[must_use]
    pub fn prefix(store_id: u128) -> String {
        format!("blocks/{store_id:032x}/")
    }

    /// This one in another state.
    #[must_use]
    pub fn in_state(&self, state: ColdState) -> Self {
        Self { state, ..self.clone() }
    }

    /// Whether the object is whole, and the block one of those that are never merged.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.state, ColdState::Both | ColdState::Bucket)
    }
}

/// How far the rollups of one width are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupProgress {
    /// Width of the windows, milliseconds.
    pub width_ms: i64,
    /// Number of the last job that was begun; 0 before the first.
    pub job: u64,
    /// Windows that end here or before have been rolled up once; `i64::MIN` if none has.
    pub rolled_to: i64,
    /// Windows of the last job, as long as it is not known to be committed.
    pub pending: WindowSet,
    /// Windows that have to be rolled up anew: what they consist of has changed since.
    pub due: WindowSet,
}

impl RollupProgress {
    /// Nothing has been rolled up.
    #[must_use]
    pub fn new(width_ms: i64) -> Self {
        Self {
            width_ms,
            job: 0,
            rolled_to: i64::MIN,
            pending: WindowSet::default(),
            due: WindowSet::default(),
        }
    }

    /// Windows that end here or before have been read, or may have been: what comes for them comes late.
    #[must_use]
    pub fn begun_to(&self) -> i64 {
        self.pending.bounds().map_or(self.rolled_to, |(_, to)| to.max(self.rolled_to))
    }
}

/// A live block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMeta {
    /// Its id: its file's name, never given to another block.
    pub id: u64,
    /// Age of the oldest data in it, see [`kymo_formats::block::meta::BlockSummary::sequence`].
    pub sequence: u64,
    /// Level of compaction; 0 = flushed from the head.
    pub level: u8,
    /// Reserved for tenants, 0.
    pub space: u32,
    /// The time it covers, half-open, in milliseconds.
    pub range: Range<i64>,
    /// When it was written.
    pub created: Millis,
    /// Number of series.
    pub series: u64,
    /// Number of samples.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Ids of the blocks it was made from; empty for one flushed from the head.
    pub sources: Vec<u64>,
}

/// A deletion: samples in `range` of the series that satisfy all matchers are gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// Its id, from the same sequence as those of blocks: it is younger than a block with a lower id.
    pub id: u64,
    /// Reserved for tenants, 0.
    pub space: u32,
    /// The deleted time, half-open, in milliseconds.
    pub range: Range<i64>,
    /// When it was made.
    pub created: Millis,
    /// What a series must satisfy.
    pub matchers: Vec<Matcher>,
}

/// Where replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalStart {
    /// The first segment to replay.
    pub segment: u64,
    /// The checkpoint to load before it, if there is one.
    pub checkpoint: Option<u64>,
}

impl Default for WalStart {
    /// The beginning of a new log.
    fn default() -> Self {
        Self { segment: 1, checkpoint: None }
    }
}

impl Edit {
    pub(super) fn to_record(&self) -> EditRecord {
        match self {
            Self::AddBlock(block) => EditRecord::AddBlock(block.to_record()),
            Self::RemoveBlock(id) => EditRecord::RemoveBlock(*id),
            Self::AddTombstone(tombstone) => EditRecord::AddTombstone(tombstone.to_record()),
            Self::RemoveTombstone(id) => EditRecord::RemoveTombstone(*id),
            Self::WalStart(WalStart { segment, checkpoint }) => {
                EditRecord::WalStart { segment: *segment, checkpoint: *checkpoint }
            }
            Self::NextId(id) => EditRecord::NextId(*id),
            Self::StoreId(id) => EditRecord::StoreId(*id),
            Self::Rollup(progress) => EditRecord::Rollup(progress.to_record()),
            Self::SamplesFrom(ts) => EditRecord::SamplesFrom(*ts),
            Self::Source(number) => EditRecord::Source(*number),
            Self::Cold(cold) => EditRecord::ColdBlock(cold.to_record()),
        }
    }

    /// The edit that `record` stands for.
    pub(super) fn from_record(record: EditRecord) -> Result<Self, RecordError> {
        Ok(match record {
            EditRecord::AddBlock(block) => Self::AddBlock(Arc::new(BlockMeta::from_record(block))),
            EditRecord::RemoveBlock(id) => Self::RemoveBlock(id),
            EditRecord::AddTombstone(tombstone) => {
                let tombstone = Tombstone::from_record(tombstone).map_err(|_| RecordError::Matcher)?;
                Self::AddTombstone(Arc::new(tombstone))
            }
            EditRecord::RemoveTombstone(id) => Self::RemoveTombstone(id),
            EditRecord::WalStart { segment, checkpoint } => Self::WalStart(WalStart { segment, checkpoint }),
            EditRecord::NextId(id) => Self::NextId(id),
            EditRecord::StoreId(id) => Self::StoreId(id),
            EditRecord::Rollup(record) => Self::Rollup(RollupProgress::from_record(record)),
            EditRecord::SamplesFrom(ts) => Self::SamplesFrom(ts),
            EditRecord::Source(number) => Self::Source(number),
            EditRecord::ColdBlock(record) => Self::Cold(Arc::new(ColdBlock::from_record(record))),
            EditRecord::Unknown { kind, version } => return Err(RecordError::Unknown { kind, version }),
        })
    }
}

/// A record that stands for no edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordError {
    /// It was written by a later release.
    Unknown { kind: u8, version: u8 },
    /// One of its matchers cannot be built.
    Matcher,
}

impl BlockMeta {
    fn to_record(&self) -> BlockRecord {
        BlockRecord {
            id: self.id,
            sequence: self.sequence,
            level: self.level,
            flags: 0,
            space: self.space,
            min_ts: self.range.start,
            end_ts: self.range.end,
            created_ms: self.created.0,
            series: self.series,
            samples: self.samples,
            bytes: self.bytes,
            sources: self.sources.clone(),
        }
    }

    fn from_record(record: BlockRecord) -> Self {
        Self {
            id: record.id,
            sequence: record.sequence,
            level: record.level,
            space: record.space,
            range: record.min_ts..record.end_ts,
            created: Millis(record.created_ms),
            series: record.series,
            samples: record.samples,
            bytes: record.bytes,
            sources: record.sources,
        }
    }
}

impl ColdBlock {
    fn to_record(&self) -> ColdRecord {
        let Self { block, state, place, key } = self.clone();
        ColdRecord { block, state, place, key }
    }

    fn from_record(ColdRecord { block, state, place, key }: ColdRecord) -> Self {
        Self { block, state, place, key }
    }
}

impl RollupProgress {
    fn to_record(&self) -> RollupRecord {
        RollupRecord {
            width_ms: self.width_ms,
            job: self.job,
            rolled_to_ms: self.rolled_to,
            pending: self.pending.ranges().to_vec(),
            due: self.due.ranges().to_vec(),
        }
    }

    fn from_record(record: RollupRecord) -> Self {
        Self {
            width_ms: record.width_ms,
            job: record.job,
            rolled_to: record.rolled_to_ms,
            pending: record.pending.into_iter().collect(),
            due: record.due.into_iter().collect(),
        }
    }
}

impl Tombstone {
    fn to_record(&self) -> TombstoneRecord {
        TombstoneRecord {
            id: self.id,
            space: self.space,
            min_ts: self.range.start,
            end_ts: self.range.end,
            created_ms: self.created.0,
            matchers: self.matchers.iter().map(matcher_to_record).collect(),
        }
    }

    fn from_record(record: TombstoneRecord) -> Result<Self, MatcherError> {
        Ok(Self {
            id: record.id,
            space: record.space,
            range: record.min_ts..record.end_ts,
            created: Millis(record.created_ms),
            matchers: record.matchers.iter().map(matcher_from_record).collect::<Result<_, _>>()?,
        })
    }
}

fn matcher_to_record(matcher: &Matcher) -> MatcherRecord {
    let op = match matcher.op() {
        MatchOp::Equal => MatcherOp::Equal,
        MatchOp::NotEqual => MatcherOp::NotEqual,
        MatchOp::Regex => MatcherOp::Regex,
        MatchOp::NotRegex => MatcherOp::NotRegex,
    };
    MatcherRecord { op, name: matcher.name().to_vec(), value: matcher.value().to_vec() }
}

fn matcher_from_record(record: &MatcherRecord) -> Result<Matcher, MatcherError> {
    let op = match record.op {
        MatcherOp::Equal => MatchOp::Equal,
        MatcherOp::NotEqual => MatchOp::NotEqual,
        MatcherOp::Regex => MatchOp::Regex,
        MatcherOp::NotRegex => MatchOp::NotRegex,
    };
    Matcher::new(op, &record.name, &record.value)
}
