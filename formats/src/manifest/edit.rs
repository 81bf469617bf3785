//! Edits of the manifest, one behind the other in the payload of a frame.
//!
//! An edit is `kind u8, version u8, length varint, body`. The body of each kind and version is frozen: a new fact
//! gets a new version, which an older release meets as [`EditRecord::Unknown`] and must refuse, because an edit it
//! skipped could be the one that adds a block, or removes it.
//!
//! | kind | edit | body |
//! |---|---|---|
//! | 1 | add block | id, sequence u64; level u8; flags u8; space u32; min_ts, end_ts, created_ms i64; series, samples, bytes varint; count varint of sources, each varint |
//! | 2 | remove block | id u64 |
//! | 3 | add tombstone | id u64; space u32; min_ts, end_ts, created_ms i64; count varint of matchers, each op u8, name, value prefixed |
//! | 4 | remove tombstone | id u64 |
//! | 5 | WAL start | segment u64; has checkpoint u8; checkpoint u64 |
//! | 6 | next id | id u64 |
//! | 7 | store id | low, high u64 |
//! | 8 | rollup progress | width_ms i64; job u64; rolled_to_ms i64; count varint of pending, each from, to i64; count varint of due, each from, to i64 |
//! | 9 | samples from | time_ms i64 |
//! | 10 | source | number u16 |
//! | 11 | cold block | block id u64; state u8; place, key prefixed |

use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

/// One change of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditRecord {
    /// A block is live.
    AddBlock(BlockRecord),
    /// The block of this id is not live any more.
    RemoveBlock(u64),
    /// What matches is deleted.
    AddTombstone(TombstoneRecord),
    /// The tombstone of this id has been applied to everything.
    RemoveTombstone(u64),
    /// Where replay begins.
    WalStart {
        /// The first segment that holds what no block holds.
        segment: u64,
        /// The checkpoint to load before it, if there is one.
        checkpoint: Option<u64>,
    },
    /// No id below was or will be given out again.
    NextId(u64),
    /// What tells this store from its copies.
    StoreId(u128),
    /// How far the rollups of one width are; replaces what was said of it before.
    Rollup(RollupRecord),
    /// Of what is older not all samples are there any more, milliseconds.
    SamplesFrom(i64),
    /// As whose the rows that this store writes to tables are known; copies keep it.
    Source(u16),
    /// Where a block lies outside of the data directory; replaces what was said of it before.
    ColdBlock(ColdRecord),
    /// An edit that this release does not know.
    Unknown {
        /// Its kind.
        kind: u8,
        /// The version of its body.
        version: u8,
    },
}

/// A live block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockRecord {
    /// Its id, never given to another block.
    pub id: u64,
    /// Age of the oldest data in it, as in the block itself.
    pub sequence: u64,
    /// Level of compaction; 0 = flushed from the head.
    pub level: u8,
    /// Reserved, 0.
    pub flags: u8,
    /// Reserved for tenants, 0.
    pub space: u32,
    /// Earliest timestamp, milliseconds.
    pub min_ts: i64,
    /// One more than the latest timestamp.
    pub end_ts: i64,
    /// When it was written, milliseconds of the wall clock.
    pub created_ms: i64,
    /// Number of series.
    pub series: u64,
    /// Number of samples.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Ids of the blocks it was made from; empty for one flushed from the head.
    pub sources: Vec<u64>,
}

/// How far the rollups of one width are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollupRecord {
    /// Width of the windows, milliseconds.
    pub width_ms: i64,
    /// Number of the last job that was begun.
    pub job: u64,
    /// Windows that end here or before have been rolled up once, milliseconds.
    pub rolled_to_ms: i64,
    /// Windows of the last job, if it is not known to be committed: those that end in `(from, to]`.
    pub pending: Vec<(i64, i64)>,
    /// Windows that have to be rolled up anew.
    pub due: Vec<(i64, i64)>,
}

/// A block that lies, is to lie, or has lain in object storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdRecord {
    /// The block.
    pub block: u64,
    /// How far it is.
    pub state: ColdState,
    /// The place, as the settings name it.
    pub place: String,
    /// The key of the object in the place.
    pub key: String,
}

/// How far a block is on its way to object storage, and out of it. The numbers are those on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ColdState {
    /// There may be an object, whole or not; the file is what counts.
    Uploading = 1,
    /// Both the file and the object are whole.
    Both = 2,
    /// The object is all there is; the file may still lie there.
    Bucket = 3,
    /// The block is not live any more; there may be an object, which nobody needs.
    Going = 4,
    /// There is neither block nor object: nothing is to be known of it any more.
    Gone = 5,
}

impl ColdState {
    const fn from_u8(state: u8) -> Option<Self> {
        Some(match state {
            1 => Self::Uploading,
            2 => Self::Both,
            3 => Self::Bucket,
            4 => Self::Going,
            5 => Self::Gone,
            _ => return None,
        })
    }
}

/// A deletion: samples in `[min_ts, end_ts)` of the series that match are gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TombstoneRecord {
    /// Its id, from the same sequence as those of blocks.
    pub id: u64,
    /// Reserved for tenants, 0.
    pub space: u32,
    /// Earliest deleted timestamp, milliseconds.
    pub min_ts: i64,
    /// One more than the latest deleted timestamp.
    pub end_ts: i64,
    /// When it was made, milliseconds of the wall clock.
    pub created_ms: i64,
    /// What a series must satisfy, all of it.
    pub matchers: Vec<MatcherRecord>,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherRecord {
    /// How it compares.
    pub op: MatcherOp,
    /// The label.
    pub name: Vec<u8>,
    /// A value, or a regular expression as written.
    pub value: Vec<u8>,
}

/// How a matcher compares. The numbers are those on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MatcherOp {
    /// `=`
    Equal = 1,
    /// `!=`
    NotEqual = 2,
    /// `=~`
    Regex = 3,
    /// `!~`
    NotRegex = 4,
}

const VERSION: u8 = 1;
const ADD_BLOCK: u8 = 1;
const REMOVE_BLOCK: u8 = 2;
const ADD_TOMBSTONE: u8 = 3;
const REMOVE_TOMBSTONE: u8 = 4;
const WAL_START: u8 = 5;
const NEXT_ID: u8 = 6;
const STORE_ID: u8 = 7;
const ROLLUP: u8 = 8;
const SAMPLES_FROM: u8 = 9;
const SOURCE: u8 = 10;
const COLD_BLOCK: u8 = 11;

/// Appends `edit` to `out`.
///
/// # Panics
/// On [`EditRecord::Unknown`]: only a reader makes one, and refuses it.
pub fn encode_edit(edit: &EditRecord, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    let mut writer = Writer::new(&mut body);
    let (kind, version) = match edit {
        EditRecord::AddBlock(block) => {
            block.encode(&mut writer);
            (ADD_BLOCK, VERSION)
        }
        EditRecord::RemoveBlock(id) => {
            writer.u64(*id);
            (REMOVE_BLOCK, VERSION)
        }
        EditRecord::AddTombstone(tombstone) => {
            tombstone.encode(&mut writer);
            (ADD_TOMBSTONE, VERSION)
        }
        EditRecord::RemoveTombstone(id) => {
            writer.u64(*id);
            (REMOVE_TOMBSTONE, VERSION)
        }
        EditRecord::WalStart { segment, checkpoint } => {
            writer.u64(*segment);
            writer.u8(u8::from(checkpoint.is_some()));
            writer.u64(checkpoint.unwrap_or(0));
            (WAL_START, VERSION)
        }
        EditRecord::NextId(id) => {
            writer.u64(*id);
            (NEXT_ID, VERSION)
        }
        EditRecord::StoreId(id) => {
            writer.bytes(&id.to_le_bytes());
            (STORE_ID, VERSION)
        }
        EditRecord::Rollup(rollup) => {
            rollup.encode(&mut writer);
            (ROLLUP, VERSION)
        }
        EditRecord::SamplesFrom(ts) => {
            writer.i64(*ts);
            (SAMPLES_FROM, VERSION)
        }
        EditRecord::Source(number) => {
            writer.u16(*number);
            (SOURCE, VERSION)
        }
        EditRecord::ColdBlock(cold) => {
            cold.encode(&mut writer);
            (COLD_BLOCK, VERSION)
        }
        EditRecord::Unknown { .. } => unreachable!("an unknown edit is refused, never written"),
    };
    let mut writer = Writer::new(out);
    writer.u8(kind);
    writer.u8(version);
    writer.prefixed(&body);
}

/// The edits in `payload`.
///
/// # Errors
/// When the bytes are not whole edits.
pub fn decode_edits(payload: &[u8]) -> Result<Vec<EditRecord>, DecodeError> {
    let mut reader = Reader::new(payload);
    let mut edits = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u8("edit kind")?;
        let version = reader.u8("edit version")?;
        let body = reader.prefixed("edit body")?;
        let start = reader.position() - body.len();
        let edit = decode_edit(kind, version, body)
            .map_err(|error| DecodeError::new(error.what, start + error.offset))?;
        edits.push(edit);
    }
    Ok(edits)
}

fn decode_edit(kind: u8, version: u8, body: &[u8]) -> Result<EditRecord, DecodeError> {
    let mut reader = Reader::new(body);
    let edit = match (kind, version) {
        (ADD_BLOCK, VERSION) => EditRecord::AddBlock(BlockRecord::decode(&mut reader)?),
        (REMOVE_BLOCK, VERSION) => EditRecord::RemoveBlock(reader.u64("block id")?),
        (ADD_TOMBSTONE, VERSION) => EditRecord::AddTombstone(TombstoneRecord::decode(&mut reader)?),
        (REMOVE_TOMBSTONE, VERSION) => EditRecord::RemoveTombstone(reader.u64("tombstone id")?),
        (WAL_START, VERSION) => {
            let segment = reader.u64("WAL segment")?;
            let has_checkpoint = match reader.u8("checkpoint flag")? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError::new("checkpoint flag", 8)),
            };
            let checkpoint = reader.u64("checkpoint")?;
            EditRecord::WalStart { segment, checkpoint: has_checkpoint.then_some(checkpoint) }
        }
        (NEXT_ID, VERSION) => EditRecord::NextId(reader.u64("next id")?),
        (STORE_ID, VERSION) => EditRecord::StoreId(u128::from_le_bytes(reader.array("store id")?)),
        (ROLLUP, VERSION) => EditRecord::Rollup(RollupRecord::decode(&mut reader)?),
        (SAMPLES_FROM, VERSION) => EditRecord::SamplesFrom(reader.i64("samples from")?),
        (SOURCE, VERSION) => EditRecord::Source(reader.u16("source")?),
        (COLD_BLOCK, VERSION) => EditRecord::ColdBlock(ColdRecord::decode(&mut reader)?),
        _ => return Ok(EditRecord::Unknown { kind, version }),
    };
    reader.finish("edit end")?;
    Ok(edit)
}

impl BlockRecord {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.id);
        writer.u64(self.sequence);
        writer.u8(self.level);
        writer.u8(self.flags);
        writer.u32(self.space);
        writer.i64(self.min_ts);
        writer.i64(self.end_ts);
        writer.i64(self.created_ms);
        writer.varint(self.series);
        writer.varint(self.samples);
        writer.varint(self.bytes);
        writer.varint_usize(self.sources.len());
        for source in &self.sources {
            writer.varint(*source);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut block = Self {
            id: reader.u64("block id")?,
            sequence: reader.u64("block sequence")?,
            level: reader.u8("block level")?,
            flags: reader.u8("block flags")?,
            space: reader.u32("block space")?,
            min_ts: reader.i64("block start")?,
            end_ts: reader.i64("block end")?,
            created_ms: reader.i64("block creation time")?,
            series: reader.varint("block series")?,
            samples: reader.varint("block samples")?,
            bytes: reader.varint("block bytes")?,
            sources: Vec::new(),
        };
        // Not reserved for: the count is only a claim, the sources that follow are what counts.
        for _ in 0..reader.varint("block source count")? {
            block.sources.push(reader.varint("block source")?);
        }
        Ok(block)
    }
}

impl RollupRecord {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.i64(self.width_ms);
        writer.u64(self.job);
        writer.i64(self.rolled_to_ms);
        for ranges in [&self.pending, &self.due] {
            writer.varint_usize(ranges.len());
            for (from, to) in ranges {
                writer.i64(*from);
                writer.i64(*to);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut rollup = Self {
            width_ms: reader.i64("rollup width")?,
            job: reader.u64("rollup job")?,
            rolled_to_ms: reader.i64("rollup time")?,
            ..Self::default()
        };
        for ranges in [&mut rollup.pending, &mut rollup.due] {
            // Not reserved for, as above.
            for _ in 0..reader.varint("range count")? {
                ranges.push((reader.i64("range start")?, reader.i64("range end")?));
            }
        }
        Ok(rollup)
    }
}

impl ColdRecord {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.block);
        writer.u8(self.state as u8);
        writer.prefixed(self.place.as_bytes());
        writer.prefixed(self.key.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let block = reader.u64("block id")?;
        let at = reader.position();
        let state = ColdState::from_u8(reader.u8("state of a cold block")?)
            .ok_or(DecodeError::new("state of a cold block", at))?;
        let mut text = |what| {
            let bytes = reader.prefixed(what)?.to_vec();
            String::from_utf8(bytes).map_err(|_| DecodeError::new(what, reader.position()))
        };
        Ok(Self { block, state, place: text("place of a block")?, key: text("key of a block")? })
    }
}

impl TombstoneRecord {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.id);
        writer.u32(self.space);
        writer.i64(self.min_ts);
        writer.i64(self.end_ts);
        writer.i64(self.created_ms);
        writer.varint_usize(self.matchers.len());
        for matcher in &self.matchers {
            writer.u8(matcher.op as u8);
            writer.prefixed(&matcher.name);
            writer.prefixed(&matcher.value);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut tombstone = Self {
            id: reader.u64("tombstone id")?,
            space: reader.u32("tombstone space")?,
            min_ts: reader.i64("tombstone start")?,
            end_ts: reader.i64("tombstone end")?,
            created_ms: reader.i64("tombstone creation time")?,
            matchers: Vec::new(),
        };
        for _ in 0..reader.varint("matcher count")? {
            tombstone.matchers.push(MatcherRecord::decode(reader)?);
        }
        Ok(tombstone)
    }
}

impl MatcherRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        let op = match reader.u8("matcher operator")? {
            1 => MatcherOp::Equal,
            2 => MatcherOp::NotEqual,
            3 => MatcherOp::Regex,
            4 => MatcherOp::NotRegex,
            _ => return Err(DecodeError::new("matcher operator", at)),
        };
        let name = reader.prefixed("matcher name")?.to_vec();
        let value = reader.prefixed("matcher value")?.to_vec();
        Ok(Self { op, name, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn blocks() -> impl Strategy<Value = BlockRecord> {
        let ids = (any::<u64>(), any::<u64>(), any::<u8>(), any::<u8>(), any::<u32>());
        let times = (any::<i64>(), any::<i64>(), any::<i64>());
        let counts = (any::<u64>(), any::<u64>(), any::<u64>(), prop::collection::vec(any::<u64>(), 0..5));
        (ids, times, counts).prop_map(
            |(
                (id, sequence, level, flags, space),
                (min_ts, end_ts, created_ms),
                (series, samples, bytes, sources),
            )| {
                BlockRecord {
                    id,
                    sequence,
                    level,
                    flags,
                    space,
                    min_ts,
                    end_ts,
                    created_ms,
                    series,
                    samples,
                    bytes,
                    sources,
                }
            },
        )
    }

    fn tombstones() -> impl Strategy<Value = TombstoneRecord> {
        let ops = prop::sample::select(vec![
            MatcherOp::Equal,
            MatcherOp::NotEqual,
            MatcherOp::Regex,
            MatcherOp::NotRegex,
        ]);
        let matcher = (ops, any::<Vec<u8>>(), any::<Vec<u8>>()).prop_map(|(op, name, value)| MatcherRecord {
            op,
            name,
            value,
        });
        let numbers = (any::<u64>(), any::<u32>(), any::<i64>(), any::<i64>(), any::<i64>());
        (numbers, prop::collection::vec(matcher, 0..4)).prop_map(
            |((id, space, min_ts, end_ts, created_ms), matchers)| TombstoneRecord {
                id,
                space,
                min_ts,
                end_ts,
                created_ms,
                matchers,
            },
        )
    }

    fn edits() -> impl Strategy<Value = EditRecord> {
        prop_oneof![
            blocks().prop_map(EditRecord::AddBlock),
            any::<u64>().prop_map(EditRecord::RemoveBlock),
            tombstones().prop_map(EditRecord::AddTombstone),
            any::<u64>().prop_map(EditRecord::RemoveTombstone),
            (any::<u64>(), any::<Option<u64>>())
                .prop_map(|(segment, checkpoint)| EditRecord::WalStart { segment, checkpoint }),
            any::<u64>().prop_map(EditRecord::NextId),
            any::<u128>().prop_map(EditRecord::StoreId),
            rollups().prop_map(EditRecord::Rollup),
            any::<i64>().prop_map(EditRecord::SamplesFrom),
            any::<u16>().prop_map(EditRecord::Source),
            cold_blocks().prop_map(EditRecord::ColdBlock),
        ]
    }

    fn cold_blocks() -> impl Strategy<Value = ColdRecord> {
        let states = prop::sample::select(vec![
            ColdState::Uploading,
            ColdState::Both,
            ColdState::Bucket,
            ColdState::Going,
            ColdState::Gone,
        ]);
        (any::<u64>(), states, any::<String>(), any::<String>())
            .prop_map(|(block, state, place, key)| ColdRecord { block, state, place, key })
    }

    fn rollups() -> impl Strategy<Value = RollupRecord> {
        let ranges = || prop::collection::vec(any::<(i64, i64)>(), 0..4);
        (any::<i64>(), any::<u64>(), any::<i64>(), ranges(), ranges()).prop_map(
            |(width_ms, job, rolled_to_ms, pending, due)| RollupRecord {
                width_ms,
                job,
                rolled_to_ms,
                pending,
                due,
            },
        )
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/edit.txt")))]

        #[test]
        fn round_trips(edits in prop::collection::vec(edits(), 0..5)) {
            let mut bytes = Vec::new();
            edits.iter().for_each(|edit| encode_edit(edit, &mut bytes));
            prop_assert_eq!(decode_edits(&bytes), Ok(edits));
        }

        #[test]
        fn a_cut_is_an_error(edit in edits(), keep in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode_edit(&edit, &mut bytes);
            bytes.truncate(keep.index(bytes.len()));
            prop_assert_eq!(decode_edits(&bytes).is_err(), !bytes.is_empty());
        }

        #[test]
        fn any_bytes_decode_or_fail(kind in 0_u8..13, version in 0_u8..3, body: Vec<u8>) {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            writer.u8(kind);
            writer.u8(version);
            writer.prefixed(&body);
            if let Ok(edits) = decode_edits(&bytes) {
                prop_assert_eq!(edits.len(), 1);
            }
        }
    }

    #[test]
    fn edits_of_a_later_release_are_recognised() {
        let known = EditRecord::RemoveBlock(3);
        let mut bytes = vec![99, 4, 2, 0xaa, 0xbb];
        encode_edit(&known, &mut bytes);
        let newer_version = [REMOVE_BLOCK, 2, 1, 0];
        bytes.extend(newer_version);
        let expected = [
            EditRecord::Unknown { kind: 99, version: 4 },
            known,
            EditRecord::Unknown { kind: REMOVE_BLOCK, version: 2 },
        ];
        assert_eq!(decode_edits(&bytes), Ok(expected.to_vec()));
    }
}
