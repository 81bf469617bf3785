//! Reading a file of samples.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical},
    column::reader::{ColumnReaderImpl, get_typed_column_reader},
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        reader::{ChunkReader, FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
    },
    schema::types::ColumnDescriptor,
};

use super::schema::{LABELS, MESSAGE, METRIC, TS, VALUE};
use crate::{
    codec::{ChunkHistogram, ChunkSamples},
    wire::remote_write::HistogramSample,
};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 4_096;
/// Other names under which a time is taken.
const TS_ALIASES: [&str; 2] = ["timestamp", "time"];

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SampleTableError {
    /// It is no Parquet file, or a damaged one, or its bytes cannot be had or put.
    #[error("Parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// It is a Parquet file, but not one of samples.
    #[error("no file of samples: {what}")]
    Foreign {
        /// What it lacks.
        what: String,
    },
    /// A row that is no sample.
    #[error("row {row}: {what}")]
    Row {
        /// Its number in the file, from 0.
        row: u64,
        /// What is wrong.
        what: String,
    },
    /// Bytes that Parquet's decoder did not expect.
    #[error("damaged Parquet file: its decoder gave up")]
    Undecodable,
}

/// What is done with rows of one series; labels as they stand in the file, `__name__` in front.
pub type SeriesVisitor<'v, E> = dyn FnMut(&[(Vec<u8>, Vec<u8>)], &ChunkSamples) -> Result<(), E> + 'v;

/// Reads files with these columns, in any order, with any others beside them:
///
/// * `ts` (or `timestamp`, `time`): a timestamp of any unit. What is below a millisecond is cut off
/// * `value`: a double, null in rows of histograms
/// * `metric`: a string, and `labels`: a map of strings. One of them may be missing when the other has the name
/// * `h_message`: a native histogram as the message of remote write, or missing
#[expect(missing_debug_implementations, reason = "parquet's reader has none")]
pub struct SampleTableReader<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    columns: Columns,
}

/// Where the columns are among all leaves.
#[derive(Debug, Clone, Copy)]
struct Columns {
    metric: Option<usize>,
    /// Names and values.
    labels: Option<(usize, usize)>,
    ts: usize,
    /// How many of the column's units a millisecond has.
    ts_per_ms: i64,
    value: Option<usize>,
    message: Option<usize>,
}

impl<R: ChunkReader + 'static> SampleTableReader<R> {
    /// Reads the footer, and looks for the columns.
    ///
    /// # Errors
    /// When it is no such file.
    pub fn open(file: R) -> Result<Self, SampleTableError> {
        let file = guarded(|| Ok(SerializedFileReader::new(file)?))?;
        let leaves = file.metadata().file_metadata().schema_descr_ptr();
        let columns = Columns::find(leaves.columns())?;
        Ok(Self { file, columns })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.file.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    /// Calls `visit` with all rows, those of one series together where they follow each other.
    ///
    /// # Errors
    /// When the file is damaged, or `visit` fails.
    pub fn each<E: From<SampleTableError>>(&self, visit: &mut SeriesVisitor<'_, E>) -> Result<(), E> {
        let mut first_row = 0;
        for number in 0..self.file.num_row_groups() {
            let rows = u64::try_from(self.file.metadata().row_group(number).num_rows()).unwrap_or_default();
            let mut group = guarded(|| Group::open(&*self.file.get_row_group(number)?, &self.columns))?;
            let mut left = rows;
            while left > 0 {
                let wanted = left.min(BATCH_ROWS as u64);
                let batch = guarded(|| group.read(usize::try_from(wanted).unwrap_or(BATCH_ROWS)))?;
                batch.visit(first_row, visit)?;
                first_row += wanted;
                left -= wanted;
            }
        }
        Ok(())
    }
}

impl Columns {
    fn find(leaves: &[Arc<ColumnDescriptor>]) -> Result<Self, SampleTableError> {
        let foreign = |what: &str| SampleTableError::Foreign { what: what.to_owned() };
        let find = |name: &str, physical| {
            let is_it = |leaf: &Arc<ColumnDescriptor>| {
                leaf.path().parts() == [name] && leaf.physical_type() == physical && leaf.max_rep_level() == 0
            };
            leaves.iter().position(is_it)
        };
        let mut halves = leaves.iter().enumerate().filter(|(_, leaf)| {
            matches!(leaf.path().parts(), [first, _, _] if first == LABELS)
                && leaf.physical_type() == Physical::BYTE_ARRAY
                && leaf.max_rep_level() == 1
        });
        let labels = halves.next().zip(halves.next()).map(|(key, value)| (key.0, value.0));
        let metric = find(METRIC, Physical::BYTE_ARRAY);
        if labels.is_none() && metric.is_none() {
            return Err(foreign("there is neither `labels`, a map of strings, nor `metric`, a string"));
        }
        let ts = [TS].into_iter().chain(TS_ALIASES).find_map(|name| find(name, Physical::INT64));
        let ts = ts.ok_or_else(|| foreign("there is no `ts`, a timestamp"))?;
        let ts_per_ms = leaves.get(ts).and_then(|leaf| units_per_ms(leaf));
        let ts_per_ms =
            ts_per_ms.ok_or_else(|| foreign("`ts` is no timestamp, but a number without a unit"))?;
        let (value, message) = (find(VALUE, Physical::DOUBLE), find(MESSAGE, Physical::BYTE_ARRAY));
        if value.is_none() && message.is_none() {
            return Err(foreign("there is no `value`, a double"));
        }
        Ok(Self { metric, labels, ts, ts_per_ms, value, message })
    }
}

fn units_per_ms(leaf: &ColumnDescriptor) -> Option<i64> {
    match (leaf.logical_type_ref(), leaf.converted_type()) {
        (Some(LogicalType::Timestamp(timestamp)), _) => Some(match timestamp.unit {
            TimeUnit::MILLIS => 1,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1_000_000,
        }),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Some(1),
        (_, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        _ => None,
    }
}

/// The columns of a row group, read as far as some row.
struct Group {
    metric: Option<Column<ByteArrayType>>,
    labels: Option<(Column<ByteArrayType>, Column<ByteArrayType>)>,
    ts: Column<Int64Type>,
    ts_per_ms: i64,
    value: Option<Column<DoubleType>>,
    message: Option<Column<ByteArrayType>>,
}

impl Group {
    fn open(group: &dyn RowGroupReader, columns: &Columns) -> Result<Self, SampleTableError> {
        let labels = match columns.labels {
            Some((key, value)) => Some((Column::open(group, key)?, Column::open(group, value)?)),
            None => None,
        };
        Ok(Self {
            metric: columns.metric.map(|at| Column::open(group, at)).transpose()?,
            labels,
            ts: Column::open(group, columns.ts)?,
            ts_per_ms: columns.ts_per_ms,
            value: columns.value.map(|at| Column::open(group, at)).transpose()?,
            message: columns.message.map(|at| Column::open(group, at)).transpose()?,
        })
    }

    fn read(&mut self, rows: usize) -> Result<Batch, SampleTableError> {
        let mut labels = match &mut self.labels {
            Some((keys, values)) => maps(&keys.read(rows)?, &values.read(rows)?, rows)?,
            None => vec![Vec::new(); rows],
        };
        if let Some(metric) = &mut self.metric {
            for (labels, metric) in labels.iter_mut().zip(metric.cells(rows)?) {
                if let Some(metric) = metric
                    && !labels.iter().any(|(name, _)| name == b"__name__")
                {
                    labels.insert(0, (b"__name__".to_vec(), metric.data().to_vec()));
                }
            }
        }
        let per_ms = self.ts_per_ms;
        let ts = self.ts.cells(rows)?.into_iter().map(|ts| ts.map(|ts| ts.div_euclid(per_ms))).collect();
        let values = match &mut self.value {
            Some(column) => column.cells(rows)?,
            None => vec![None; rows],
        };
        let messages = match &mut self.message {
            Some(column) => column.cells(rows)?,
            None => vec![None; rows],
        };
        Ok(Batch { labels, ts, values, messages })
    }
}

/// A column of a row group.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    max_definition: i16,
    max_repetition: i16,
}

/// Values with their levels.
struct Levels<T> {
    values: Vec<T>,
    /// Empty where no value can be missing.
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    max_definition: i16,
}

impl<T: DataType> Column<T> {
    fn open(group: &dyn RowGroupReader, at: usize) -> Result<Self, SampleTableError> {
        let column = group.metadata().columns().get(at).map(|column| column.column_descr_ptr());
        let column = column.ok_or_else(too_short)?;
        let reader = get_typed_column_reader(group.get_column_reader(at)?);
        Ok(Self { reader, max_definition: column.max_def_level(), max_repetition: column.max_rep_level() })
    }

    fn read(&mut self, rows: usize) -> Result<Levels<T::T>, SampleTableError> {
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        let mut read = 0;
        while read < rows {
            let (records, ..) = self.reader.read_records(
                rows - read,
                (self.max_definition > 0).then_some(&mut definitions),
                (self.max_repetition > 0).then_some(&mut repetitions),
                &mut values,
            )?;
            if records == 0 {
                return Err(too_short());
            }
            read += records;
        }
        Ok(Levels { values, definitions, repetitions, max_definition: self.max_definition })
    }

    /// One cell for each row.
    fn cells(&mut self, rows: usize) -> Result<Vec<Option<T::T>>, SampleTableError> {
        let levels = self.read(rows)?;
        let cells: Vec<_> = if levels.definitions.is_empty() {
            levels.values.into_iter().map(Some).collect()
        } else {
            let mut values = levels.values.into_iter();
            let cell = |level: i16| if level == levels.max_definition { values.next() } else { None };
            levels.definitions.into_iter().map(cell).collect()
        };
        if cells.len() == rows { Ok(cells) } else { Err(too_short()) }
    }
}

fn too_short() -> SampleTableError {
    SampleTableError::Foreign { what: "a column has fewer rows than the file".to_owned() }
}

/// Names and values of the labels of one row.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The maps of each row, from the levels of their two halves. A value that is null is empty.
fn maps(
    keys: &Levels<ByteArray>,
    values: &Levels<ByteArray>,
    rows: usize,
) -> Result<Vec<Pairs>, SampleTableError> {
    let mut maps: Vec<Pairs> = Vec::with_capacity(rows);
    let (mut next_key, mut next_value) = (keys.values.iter(), values.values.iter());
    for (at, repetition) in keys.repetitions.iter().enumerate() {
        if *repetition == 0 {
            maps.push(Vec::new());
        }
        let value_level = *values.definitions.get(at).ok_or_else(too_short)?;
        let value = if value_level == values.max_definition { next_value.next() } else { None };
        if keys.definitions.get(at) != Some(&keys.max_definition) {
            continue;
        }
        let key = next_key.next().ok_or_else(too_short)?;
        let value = value.map_or(&[][..], ByteArray::data);
        maps.last_mut().ok_or_else(too_short)?.push((key.data().to_vec(), value.to_vec()));
    }
    if maps.len() == rows { Ok(maps) } else { Err(too_short()) }
}

/// Some rows that follow each other.
struct Batch {
    labels: Vec<Pairs>,
    ts: Vec<Option<i64>>,
    values: Vec<Option<f64>>,
    messages: Vec<Option<ByteArray>>,
}

impl Batch {
    /// Calls `visit` with each run of rows that have the same labels.
    fn visit<E: From<SampleTableError>>(
        self,
        first_row: u64,
        visit: &mut SeriesVisitor<'_, E>,
    ) -> Result<(), E> {
        let mut samples = ChunkSamples::default();
        let mut current: Option<Pairs> = None;
        let cells = self.ts.into_iter().zip(self.values).zip(self.messages);
        for (row, (labels, ((ts, value), message))) in (first_row..).zip(self.labels.into_iter().zip(cells)) {
            if let Some(current) = current.as_ref().filter(|current| **current != labels) {
                visit(current, &samples)?;
                samples.clear();
            }
            push_row(&mut samples, ts, value, message.as_ref())
                .map_err(|what| SampleTableError::Row { row, what })?;
            if current.as_ref() != Some(&labels) {
                current = Some(labels);
            }
        }
        current.map_or(Ok(()), |current| visit(&current, &samples))
    }
}

fn push_row(
    samples: &mut ChunkSamples,
    ts: Option<i64>,
    value: Option<f64>,
    message: Option<&ByteArray>,
) -> Result<(), String> {
    let ts = ts.ok_or("there is no time")?;
    match (value, message) {
        (Some(value), None) => {
            samples.ts.push(ts);
            samples.values.push(value);
        }
        (None, Some(message)) => {
            let sample = HistogramSample::from_message(message.data()).map_err(|error| error.to_string())?;
            samples.histograms.push(ChunkHistogram { ts, start_ts: 0, value: sample.value });
        }
        (None, None) => return Err("there is neither a value nor a histogram".to_owned()),
        (Some(_), Some(_)) => return Err("there is both a value and a histogram".to_owned()),
    }
    Ok(())
}

/// Runs a decoder of the parquet crate, which panics on some bytes that no writer writes. What it had under way is
/// dropped.
fn guarded<T>(decode: impl FnOnce() -> Result<T, SampleTableError>) -> Result<T, SampleTableError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(SampleTableError::Undecodable))
}
