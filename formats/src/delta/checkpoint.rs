//! The state of a table as a Parquet file: an action per row, in the columns that the protocol prescribes.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        reader::FileReader,
        serialized_reader::SerializedFileReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    record::{Field, Row},
    schema::parser::parse_message_type,
};
use serde_json::{Map, Value};

use super::{Action, Add, DeltaError, Metadata, Protocol, Remove, Txn, action::action_of};

/// The columns, in the order in which [`Writer`] writes them.
const SCHEMA: &str = "
message checkpoint {
  optional group txn {
    optional binary appId (STRING);
    optional int64 version;
    optional int64 lastUpdated;
  }
  optional group add {
    optional binary path (STRING);
    optional group partitionValues (MAP) {
      repeated group key_value { required binary key (STRING); optional binary value (STRING); }
    }
    optional int64 size;
    optional int64 modificationTime;
    optional boolean dataChange;
    optional binary stats (STRING);
    optional group tags (MAP) {
      repeated group key_value { required binary key (STRING); optional binary value (STRING); }
    }
  }
  optional group remove {
    optional binary path (STRING);
    optional int64 deletionTimestamp;
    optional boolean dataChange;
    optional boolean extendedFileMetadata;
    optional group partitionValues (MAP) {
      repeated group key_value { required binary key (STRING); optional binary value (STRING); }
    }
    optional int64 size;
  }
  optional group metaData {
    optional binary id (STRING);
    optional binary name (STRING);
    optional group format {
      optional binary provider (STRING);
      optional group options (MAP) {
        repeated group key_value { required binary key (STRING); optional binary value (STRING); }
      }
    }
    optional binary schemaString (STRING);
    optional group partitionColumns (LIST) {
      repeated group list { optional binary element (STRING); }
    }
    optional group configuration (MAP) {
      repeated group key_value { required binary key (STRING); optional binary value (STRING); }
    }
    optional int64 createdTime;
  }
  optional group protocol {
    optional int32 minReaderVersion;
    optional int32 minWriterVersion;
  }
}";

/// The file of a checkpoint that holds `actions`.
///
/// # Errors
/// When Parquet's writer fails, which writing to memory does not explain.
pub fn encode_checkpoint(actions: &[Action]) -> Result<Vec<u8>, DeltaError> {
    encode(actions).map_err(|error| DeltaError::Checkpoint { what: error.to_string() })
}

fn encode(actions: &[Action]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(None)
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    let mut writer = Writer { actions, group: &mut group };
    writer.txn()?;
    writer.add()?;
    writer.remove()?;
    writer.metadata()?;
    writer.protocol()?;
    group.close()?;
    file.into_inner()
}

struct Writer<'a, 'b, 'c> {
    actions: &'a [Action],
    group: &'b mut SerializedRowGroupWriter<'c, Vec<u8>>,
}

type StringMap = BTreeMap<String, Option<String>>;

impl Writer<'_, '_, '_> {
    fn txn(&mut self) -> Result<(), ParquetError> {
        fn txn(action: &Action) -> Option<&Txn> {
            if let Action::Txn(txn) = action { Some(txn) } else { None }
        }
        self.value::<ByteArrayType>(2, |action| levels(txn(action), |txn| Some(text(&txn.app_id))))?;
        self.value::<Int64Type>(2, |action| levels(txn(action), |txn| Some(txn.version)))?;
        self.value::<Int64Type>(2, |action| levels(txn(action), |txn| txn.last_updated))
    }

    fn add(&mut self) -> Result<(), ParquetError> {
        fn add(action: &Action) -> Option<&Add> {
            if let Action::Add(add) = action { Some(add) } else { None }
        }
        self.value::<ByteArrayType>(2, |action| levels(add(action), |add| Some(text(&add.path))))?;
        self.map(2, |action| add(action).map(|add| Some(add.partition_values.clone())))?;
        self.value::<Int64Type>(2, |action| levels(add(action), |add| Some(add.size)))?;
        self.value::<Int64Type>(2, |action| levels(add(action), |add| Some(add.modification_time)))?;
        self.value::<BoolType>(2, |action| levels(add(action), |add| Some(add.data_change)))?;
        self.value::<ByteArrayType>(2, |action| levels(add(action), |add| add.stats.as_deref().map(text)))?;
        self.map(2, |action| add(action).map(|add| add.tags.as_ref().map(optional_values)))
    }

    fn remove(&mut self) -> Result<(), ParquetError> {
        fn remove(action: &Action) -> Option<&Remove> {
            if let Action::Remove(remove) = action { Some(remove) } else { None }
        }
        self.value::<ByteArrayType>(2, |action| levels(remove(action), |remove| Some(text(&remove.path))))?;
        self.value::<Int64Type>(2, |action| levels(remove(action), |remove| remove.deletion_timestamp))?;
        self.value::<BoolType>(2, |action| levels(remove(action), |remove| Some(remove.data_change)))?;
        self.value::<BoolType>(2, |action| levels(remove(action), |it| Some(it.extended_file_metadata)))?;
        self.map(2, |action| remove(action).map(|remove| Some(remove.partition_values.clone())))?;
        self.value::<Int64Type>(2, |action| levels(remove(action), |remove| Some(remove.size)))
    }

    fn metadata(&mut self) -> Result<(), ParquetError> {
        fn meta(action: &Action) -> Option<&Metadata> {
            if let Action::Metadata(metadata) = action { Some(metadata) } else { None }
        }
        self.value::<ByteArrayType>(2, |action| levels(meta(action), |meta| Some(text(&meta.id))))?;
        self.value::<ByteArrayType>(2, |action| levels(meta(action), |meta| meta.name.as_deref().map(text)))?;
        self.value::<ByteArrayType>(3, |action| match meta(action) {
            None => Err(0),
            Some(meta) => Ok(text(&meta.format.provider)),
        })?;
        self.map(3, |action| meta(action).map(|meta| Some(optional_values(&meta.format.options))))?;
        self.value::<ByteArrayType>(2, |action| {
            levels(meta(action), |meta| Some(text(&meta.schema_string)))
        })?;
        self.list(|action| meta(action).map(|meta| meta.partition_columns.as_slice()))?;
        self.map(2, |action| meta(action).map(|meta| Some(optional_values(&meta.configuration))))?;
        self.value::<Int64Type>(2, |action| levels(meta(action), |meta| meta.created_time))
    }

    fn protocol(&mut self) -> Result<(), ParquetError> {
        fn protocol(action: &Action) -> Option<&Protocol> {
            if let Action::Protocol(protocol) = action { Some(protocol) } else { None }
        }
        let number = |version: u32| i32::try_from(version).ok();
        self.value::<Int32Type>(2, |action| levels(protocol(action), |it| number(it.min_reader_version)))?;
        self.value::<Int32Type>(2, |action| levels(protocol(action), |it| number(it.min_writer_version)))
    }

    /// A column of single values: `of` gives a value, or how many of the groups around it are there. `depth` is how
    /// many there are, the value counted.
    fn value<T: DataType>(
        &mut self,
        depth: i16,
        of: impl Fn(&Action) -> Result<T::T, i16>,
    ) -> Result<(), ParquetError> {
        let mut values = Vec::new();
        let mut levels = Vec::new();
        for action in self.actions {
            match of(action) {
                Ok(value) => {
                    values.push(value);
                    levels.push(depth);
                }
                Err(level) => levels.push(level),
            }
        }
        self.column::<T>(&values, &levels, None)
    }

    /// The two columns of a map: `of` gives nothing where the group around it is missing, then perhaps the map.
    /// `depth` is how many groups there are, the map counted.
    fn map(
        &mut self,
        depth: i16,
        of: impl Fn(&Action) -> Option<Option<StringMap>>,
    ) -> Result<(), ParquetError> {
        let mut keys = Repeated::default();
        let mut values = Repeated::default();
        for action in self.actions {
            let map = match of(action) {
                None => Err(0),
                Some(None) => Err(depth - 1),
                Some(Some(map)) if map.is_empty() => Err(depth),
                Some(Some(map)) => Ok(map),
            };
            let entries = map.as_ref().map_err(|level| *level);
            keys.push(entries.map(|map| map.keys().map(|key| (depth + 1, Some(text(key))))));
            values.push(entries.map(|map| {
                map.values().map(|value| match value {
                    Some(value) => (depth + 2, Some(text(value))),
                    None => (depth + 1, None),
                })
            }));
        }
        self.column::<ByteArrayType>(&keys.values, &keys.levels, Some(&keys.repetitions))?;
        self.column::<ByteArrayType>(&values.values, &values.levels, Some(&values.repetitions))
    }

    /// A column of lists, in a group of their own within another.
    fn list(&mut self, of: impl Fn(&Action) -> Option<&[String]>) -> Result<(), ParquetError> {
        let mut column = Repeated::default();
        for action in self.actions {
            let list = match of(action) {
                None => Err(0),
                Some([]) => Err(2),
                Some(list) => Ok(list.iter().map(|item| (4, Some(text(item))))),
            };
            column.push(list);
        }
        self.column::<ByteArrayType>(&column.values, &column.levels, Some(&column.repetitions))
    }

    fn column<T: DataType>(
        &mut self,
        values: &[T::T],
        levels: &[i16],
        repetitions: Option<&[i16]>,
    ) -> Result<(), ParquetError> {
        let next = self.group.next_column()?;
        let mut column = next.ok_or_else(|| ParquetError::General("too few columns".to_owned()))?;
        column.typed::<T>().write_batch(values, Some(levels), repetitions)?;
        column.close()
    }
}

/// A column of which a row may have several values.
#[derive(Default)]
struct Repeated {
    values: Vec<ByteArray>,
    levels: Vec<i16>,
    repetitions: Vec<i16>,
}

impl Repeated {
    /// Adds a row: its items with their levels, or the level of a row that has none.
    fn push(&mut self, row: Result<impl Iterator<Item = (i16, Option<ByteArray>)>, i16>) {
        match row {
            Err(level) => {
                self.levels.push(level);
                self.repetitions.push(0);
            }
            Ok(items) => {
                for (at, (level, value)) in items.enumerate() {
                    self.levels.push(level);
                    self.repetitions.push(i16::from(at > 0));
                    self.values.extend(value);
                }
            }
        }
    }
}

/// A value within a group, or how many of the two are there.
fn levels<'a, G, T>(group: Option<&'a G>, value: impl Fn(&'a G) -> Option<T>) -> Result<T, i16> {
    value(group.ok_or(0_i16)?).ok_or(1)
}

fn text(text: &str) -> ByteArray {
    text.into()
}

fn optional_values(map: &BTreeMap<String, String>) -> StringMap {
    map.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

/// The actions of a checkpoint. Those of a kind that is not known are left out.
///
/// # Errors
/// When it is damaged, or the protocol too new.
pub fn decode_checkpoint(bytes: Bytes) -> Result<Vec<Action>, DeltaError> {
    let damaged = |what: String| DeltaError::Checkpoint { what };
    let decode = || {
        let file = SerializedFileReader::new(bytes)?;
        file.get_row_iter(None)?.collect::<Result<Vec<Row>, _>>()
    };
    // The decoder panics on some bytes that no writer writes.
    let rows = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("its decoder gave up".to_owned())))
        .map_err(|error| damaged(error.to_string()))?;
    let mut actions = Vec::new();
    for row in &rows {
        let action = action_of(group(row)).map_err(|error| damaged(error.to_string()))?;
        if let Some(Action::Protocol(protocol)) = &action {
            protocol.check()?;
        }
        actions.extend(action);
    }
    Ok(actions)
}

/// A group as JSON: it is then what a line of a commit is.
fn group(row: &Row) -> Value {
    let present = row.get_column_iter().filter(|(_, field)| !matches!(field, Field::Null));
    Value::Object(present.map(|(name, field)| (name.clone(), json(field))).collect())
}

fn json(field: &Field) -> Value {
    match field {
        Field::Bool(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::Str(value) => Value::from(value.as_str()),
        Field::Group(row) => group(row),
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        Field::MapInternal(map) => {
            let key = |key: &Field| if let Field::Str(key) = key { key.clone() } else { key.to_string() };
            let entries = map.entries().iter().map(|(name, value)| (key(name), json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        // Statistics in their own types, and what later versions have.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::Format;

    fn actions() -> Vec<Action> {
        let add = Add {
            path: "day=2026-11-26/a.parquet".to_owned(),
            partition_values: BTreeMap::from([("day".to_owned(), Some("2026-11-26".to_owned()))]),
            size: 7,
            modification_time: 9,
            data_change: true,
            stats: Some("{}".to_owned()),
            tags: Some(BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())])),
        };
        let bare = Add {
            partition_values: BTreeMap::from([("day".to_owned(), None)]),
            stats: None,
            tags: None,
            ..add.clone()
        };
        let no_tags = Add { tags: Some(BTreeMap::new()), ..add.clone() };
        let metadata = Metadata {
            id: "id".to_owned(),
            name: None,
            format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: "{}".to_owned(),
            partition_columns: vec!["day".to_owned(), "x".to_owned()],
            configuration: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            created_time: Some(5),
        };
        vec![
            Action::Protocol(Protocol::OURS),
            Action::Metadata(metadata),
            Action::Remove(Remove::of(&add, 12, true)),
            Action::Add(add),
            Action::Add(bare),
            Action::Add(no_tags),
            Action::Txn(Txn { app_id: "app".to_owned(), version: 3, last_updated: Some(1) }),
            Action::Txn(Txn { app_id: "other".to_owned(), version: -1, last_updated: None }),
        ]
    }

    #[test]
    fn checkpoints_are_read_as_written() {
        let file = encode_checkpoint(&actions()).unwrap();
        assert_eq!(decode_checkpoint(file.into()).unwrap(), actions());
        assert_eq!(decode_checkpoint(encode_checkpoint(&[]).unwrap().into()).unwrap(), []);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let file = encode_checkpoint(&actions()).unwrap();
        for at in (0..file.len()).step_by(5) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x55;
            drop(decode_checkpoint(damaged.into()));
            assert!(decode_checkpoint(Bytes::copy_from_slice(&file[..at])).is_err());
        }
    }

    #[test]
    fn a_newer_protocol_is_refused() {
        let newer = Action::Protocol(Protocol { min_reader_version: 3, min_writer_version: 7 });
        let file = encode_checkpoint(&[newer]).unwrap();
        assert!(matches!(decode_checkpoint(file.into()), Err(DeltaError::Protocol { .. })));
    }
}
