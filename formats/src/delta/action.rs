//! What a commit says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checksum::{crc32, crc32_append};

/// Highest version of the protocol's reader side that is understood.
const READER_VERSION: u32 = 1;
/// Highest version of the protocol's writer side that is understood.
const WRITER_VERSION: u32 = 2;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// A line of a commit is not what the protocol says.
    #[error("line {line} of a commit does not parse")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The commit is no text.
    #[error("a commit is not UTF-8")]
    Text,
    /// The table wants a newer reader or writer.
    #[error(
        "the table asks for reader version {reader} and writer version {writer} of Delta; this is \
         {READER_VERSION} and {WRITER_VERSION}"
    )]
    Protocol {
        /// What it asks of readers.
        reader: u32,
        /// What it asks of writers.
        writer: u32,
    },
    /// The lines of a commit are not those that were written.
    #[error("a commit is damaged: the checksum of its lines is {found:08x}, not {expected:08x}")]
    Checksum {
        /// What the commit says.
        expected: u32,
        /// What its lines have.
        found: u32,
    },
    /// A checkpoint is damaged or foreign.
    #[error("a checkpoint does not decode: {what}")]
    Checkpoint {
        /// What is wrong.
        what: String,
    },
}

/// One action of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Where the commit comes from.
    CommitInfo(CommitInfo),
    /// What readers and writers must be able to do.
    Protocol(Protocol),
    /// What the table is.
    Metadata(Metadata),
    /// A file belongs to the table.
    Add(Add),
    /// A file does not belong to the table any more.
    Remove(Remove),
    /// How far an application has come.
    Txn(Txn),
}

/// Where a commit comes from. The protocol leaves its content free.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitInfo {
    /// When it was made, milliseconds.
    pub timestamp: i64,
    /// What was done, in Spark's words: `WRITE`, `OPTIMIZE`, `DELETE`.
    pub operation: String,
    /// Program and version.
    pub engine_info: String,
    /// Tells the writer, who may not have got the answer, that the commit is its own.
    pub nonce: String,
    /// CRC-32 of the other lines; none in commits of others. The protocol has none: a digit that flips in a range would
    /// leave rows out without a word.
    #[serde(rename = "kymoCrc32", skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

/// What readers and writers must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// Least version of readers.
    pub min_reader_version: u32,
    /// Least version of writers.
    pub min_writer_version: u32,
}

impl Protocol {
    /// What tables made here ask for.
    pub const OURS: Self = Self { min_reader_version: READER_VERSION, min_writer_version: WRITER_VERSION };

    /// Whether this release may read and write the table.
    ///
    /// # Errors
    /// [`DeltaError::Protocol`] if not.
    pub const fn check(&self) -> Result<(), DeltaError> {
        let Self { min_reader_version: reader, min_writer_version: writer } = *self;
        if reader > READER_VERSION || writer > WRITER_VERSION {
            return Err(DeltaError::Protocol { reader, writer });
        }
        Ok(())
    }
}

/// The format of data files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Format {
    /// `parquet`.
    pub provider: String,
    /// Empty.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its identity, a UUID.
    pub id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The format of its files.
    pub format: Format,
    /// Its columns, as JSON.
    pub schema_string: String,
    /// The columns that are directories.
    pub partition_columns: Vec<String>,
    /// Settings.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
    /// When it was made, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
}

/// A file that belongs to the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// Relative to the table.
    pub path: String,
    /// Values of the partition columns.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Length in bytes.
    pub size: i64,
    /// When it was made, milliseconds.
    pub modification_time: i64,
    /// Whether the commit changes what the table says, or only how it is stored.
    pub data_change: bool,
    /// Number of rows, and bounds of columns, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A file that does not belong to the table any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// Relative to the table.
    pub path: String,
    /// When, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<i64>,
    /// As [`Add::data_change`].
    pub data_change: bool,
    /// Whether what follows is there.
    #[serde(default)]
    pub extended_file_metadata: bool,
    /// Values of the partition columns.
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Length in bytes.
    #[serde(default)]
    pub size: i64,
}

impl Remove {
    /// The end of `file`.
    #[must_use]
    pub fn of(file: &Add, at_ms: i64, data_change: bool) -> Self {
        Self {
            path: file.path.clone(),
            deletion_timestamp: Some(at_ms),
            data_change,
            extended_file_metadata: true,
            partition_values: file.partition_values.clone(),
            size: file.size,
        }
    }
}

/// How far an application has come: whoever finds its version here has done the work before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    /// Which application.
    pub app_id: String,
    /// How far it is; never falls.
    pub version: i64,
    /// When, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<i64>,
}

/// The content of [`super::LAST_CHECKPOINT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheckpoint {
    /// Version of the newest checkpoint.
    pub version: u64,
    /// Number of actions in it.
    pub size: i64,
    /// CRC-32 of its file; none in those of others.
    #[serde(rename = "kymoCrc32", default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

/// A line as JSON has it: an object of one field. Fields that are not known, those of later versions of the protocol,
/// are passed over; what must not be is announced by [`Protocol`].
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    commit_info: Option<CommitInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta_data: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    add: Option<Add>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remove: Option<Remove>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txn: Option<Txn>,
}

/// Others put into it whatever they like.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<CommitInfo>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(Some(serde_json::from_value(value).unwrap_or_default()))
}

impl From<Action> for Line {
    fn from(action: Action) -> Self {
        let mut line = Self::default();
        match action {
            Action::CommitInfo(info) => line.commit_info = Some(info),
            Action::Protocol(protocol) => line.protocol = Some(protocol),
            Action::Metadata(metadata) => line.meta_data = Some(metadata),
            Action::Add(add) => line.add = Some(add),
            Action::Remove(remove) => line.remove = Some(remove),
            Action::Txn(txn) => line.txn = Some(txn),
        }
        line
    }
}

impl Line {
    fn action(self) -> Option<Action> {
        let info = self.commit_info.map(Action::CommitInfo);
        info.or_else(|| self.protocol.map(Action::Protocol))
            .or_else(|| self.meta_data.map(Action::Metadata))
            .or_else(|| self.add.map(Action::Add))
            .or_else(|| self.remove.map(Action::Remove))
            .or_else(|| self.txn.map(Action::Txn))
    }
}

/// The file of a commit: a line of JSON for each action. What it says of itself comes first, with a checksum of the
/// others.
///
/// # Panics
/// Never: the actions have no keys that are not strings.
#[must_use]
pub fn encode_commit(info: CommitInfo, actions: Vec<Action>) -> Vec<u8> {
    let mut lines = Vec::new();
    actions.into_iter().for_each(|action| encode_line(action, &mut lines));
    let mut bytes = Vec::new();
    encode_line(Action::CommitInfo(CommitInfo { crc32: Some(crc32(&lines)), ..info }), &mut bytes);
    bytes.append(&mut lines);
    bytes
}

fn encode_line(action: Action, bytes: &mut Vec<u8>) {
    serde_json::to_writer(&mut *bytes, &Line::from(action)).expect("maps have strings as keys");
    bytes.push(b'\n');
}

/// The actions of a commit. Those of a kind that is not known are left out.
///
/// # Errors
/// When a line is not what the protocol says, the lines are not those that were written, or the protocol is too new.
pub fn decode_commit(bytes: &[u8]) -> Result<Vec<Action>, DeltaError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DeltaError::Text)?;
    let mut actions = Vec::new();
    let (mut expected, mut found) = (None, crc32(b""));
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let bad = |source| DeltaError::Line { line: at + 1, source };
        let action = if line.trim().is_empty() {
            None
        } else {
            serde_json::from_str::<Line>(line).map_err(bad)?.action()
        };
        match &action {
            Some(Action::CommitInfo(info)) => expected = expected.or(info.crc32),
            _ => found = crc32_append(found, line.as_bytes()),
        }
        if let Some(Action::Protocol(protocol)) = &action {
            protocol.check()?;
        }
        actions.extend(action);
    }
    match expected {
        Some(expected) if expected != found => Err(DeltaError::Checksum { expected, found }),
        _ => Ok(actions),
    }
}

/// The action that a line says, which is given as a value; `None` for one of a kind that is not known.
pub(super) fn action_of(line: serde_json::Value) -> Result<Option<Action>, serde_json::Error> {
    serde_json::from_value::<Line>(line).map(Line::action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add() -> Add {
        Add {
            path: "day=2026-11-26/a.parquet".to_owned(),
            partition_values: BTreeMap::from([("day".to_owned(), Some("2026-11-26".to_owned()))]),
            size: 7,
            modification_time: 9,
            data_change: true,
            stats: Some("{\"numRecords\":1}".to_owned()),
            tags: Some(BTreeMap::from([("width".to_owned(), "300000".to_owned())])),
        }
    }

    #[test]
    fn commits_are_read_as_written() {
        let add = add();
        let actions = vec![
            Action::Protocol(Protocol::OURS),
            Action::Remove(Remove::of(&add, 3, false)),
            Action::Add(add),
            Action::Txn(Txn { app_id: "a".to_owned(), version: 4, last_updated: None }),
        ];
        let bytes = encode_commit(info(), actions.clone());
        let decoded = decode_commit(&bytes).unwrap();
        assert!(matches!(&decoded[0], Action::CommitInfo(info) if info.nonce == "n" && info.crc32.is_some()));
        assert_eq!(decoded[1..], actions);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#), "{text}");
        assert!(text.contains(r#""partitionValues":{"day":"2026-11-26"}"#), "{text}");
    }

    fn info() -> CommitInfo {
        CommitInfo { nonce: "n".to_owned(), ..CommitInfo::default() }
    }

    #[test]
    fn no_flipped_bit_changes_what_a_commit_does() {
        let add = add();
        let actions = vec![Action::Remove(Remove::of(&add, 3, false)), Action::Add(add)];
        let bytes = encode_commit(info(), actions.clone());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(decoded) = decode_commit(&damaged) {
                let done: Vec<_> =
                    decoded.into_iter().filter(|action| !matches!(action, Action::CommitInfo(_))).collect();
                assert_eq!(done, actions, "bit {bit}");
            }
        }
        for len in 0..bytes.len() {
            let decoded = decode_commit(&bytes[..len]).unwrap_or_default();
            assert!(decoded.len() < 3, "{len} bytes are enough: {decoded:?}");
            assert!(
                decoded.iter().all(|action| matches!(action, Action::CommitInfo(_))),
                "{len} {decoded:?}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_what_must_be_known_is_not() {
        let foreign = br#"{"domainMetadata":{"domain":"x"}}
{"commitInfo":{"timestamp":"never","operation":[1]}}

{"txn":{"appId":"a","version":1,"more":true}}"#;
        let actions = decode_commit(foreign).unwrap();
        assert_eq!(actions.len(), 2);
        assert_eq!(actions[1], Action::Txn(Txn { app_id: "a".to_owned(), version: 1, last_updated: None }));
        let newer = br#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}"#;
        assert!(matches!(decode_commit(newer), Err(DeltaError::Protocol { reader: 3, writer: 7 })));
        assert!(matches!(decode_commit(b"\n{\"add\":{}}"), Err(DeltaError::Line { line: 2, .. })));
        assert!(matches!(decode_commit(b"\xff"), Err(DeltaError::Text)));
        assert!(decode_commit(br#"{"add":{"path":"a""#).is_err());
    }
}
