//! Reading the file of series beside a data file.

use std::ops::Range;

use parquet::{
    column::reader::{ColumnReaderImpl, get_typed_column_reader},
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    file::{
        reader::{ChunkReader, FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
    },
};

use super::{
    TableError,
    error::guarded,
    reader::{number_of, text_of},
    writer::{CHECKSUMS_KEY, GROUP_SERIES, LENGTH_KEY},
};

/// Names and values of labels.
type LabelPairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A series of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeries {
    /// Names and values of its labels, `__name__` among them, ascending by name.
    pub labels: LabelPairs,
    /// Identifies it in the table.
    pub series_id: i64,
    /// Its rows in the data file.
    pub rows: Range<u64>,
    /// End of its first window, milliseconds.
    pub min_end: i64,
    /// End of its last window, milliseconds.
    pub max_end: i64,
}

/// What is known of the data file beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChecksums {
    /// Its length.
    pub data_bytes: u64,
    /// CRC-32 of each part of [`super::PART_BYTES`]; the last one may be shorter.
    pub parts: Vec<u32>,
}

/// A file of series.
#[expect(missing_debug_implementations, reason = "parquet's reader has none")]
pub struct SeriesFile<R: ChunkReader> {
    file: SerializedFileReader<R>,
}

impl<R: ChunkReader + 'static> SeriesFile<R> {
    /// Reads the footer.
    ///
    /// # Errors
    /// When it is not such a file, or damaged.
    pub fn open(reader: R) -> Result<Self, TableError> {
        Ok(Self { file: guarded(|| Ok(SerializedFileReader::new(reader)?))? })
    }

    /// What it knows of the data file.
    ///
    /// # Errors
    /// When it is not a file of series.
    pub fn checksums(&self) -> Result<DataChecksums, TableError> {
        let data_bytes = number_of(self.file.metadata(), LENGTH_KEY)?;
        let bad = TableError::Foreign { what: CHECKSUMS_KEY };
        let (digits, rest) = text_of(self.file.metadata(), CHECKSUMS_KEY)?.as_bytes().as_chunks::<8>();
        let parse = |digits: &[u8; 8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match digits.iter().map(parse).collect::<Option<Vec<u32>>>() {
            Some(parts) if rest.is_empty() => Ok(DataChecksums { data_bytes, parts }),
            _ => Err(bad),
        }
    }

    /// Number of groups that can be read one by one.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.file.num_row_groups()
    }

    /// The series of a group, in the order of the rows.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read_group(&self, index: usize) -> Result<Vec<FileSeries>, TableError> {
        guarded(|| read_group(&*self.file.get_row_group(index)?))
    }
}

const COLUMNS: usize = 8;

fn read_group(group: &dyn RowGroupReader) -> Result<Vec<FileSeries>, TableError> {
    // A few bytes can claim billions of equal rows.
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(usize::MAX);
    if rows > GROUP_SERIES {
        return Err(TableError::Foreign { what: "the number of series of a group" });
    }
    if group.num_columns() != COLUMNS {
        return Err(TableError::Foreign { what: "the columns of a file of series" });
    }
    let metrics = optional_text(group, 0, rows)?;
    let names = map_text(group, 1, rows)?;
    let values = map_text(group, 2, rows)?;
    let ids = required::<Int64Type>(group, 3, rows)?;
    let first_rows = required::<Int64Type>(group, 4, rows)?;
    let lengths = required::<Int32Type>(group, 5, rows)?;
    let min_ts = required::<Int64Type>(group, 6, rows)?;
    let max_ts = required::<Int64Type>(group, 7, rows)?;
    let whole = [metrics.len(), names.len(), values.len()].iter().all(|len| *len == rows);
    if !whole {
        return Err(TableError::Foreign { what: "labels of each series" });
    }
    let numbers = ids.into_iter().zip(first_rows).zip(lengths).zip(min_ts.into_iter().zip(max_ts));
    let labels = metrics.into_iter().zip(names.into_iter().zip(values));
    labels
        .zip(numbers)
        .map(|((metric, (names, values)), (((series_id, first_row), length), (min_ts, max_ts)))| {
            let first = u64::try_from(first_row).map_err(|_| TableError::Foreign { what: "first row" })?;
            let length = u64::try_from(length).map_err(|_| TableError::Foreign { what: "rows" })?;
            Ok(FileSeries {
                labels: labels_of(metric, names, values)?,
                series_id,
                rows: first..first.saturating_add(length),
                min_end: min_ts.div_euclid(1_000),
                max_end: max_ts.div_euclid(1_000),
            })
        })
        .collect()
}

/// The label set, with the metric among the others.
fn labels_of(
    metric: Option<ByteArray>,
    names: Vec<ByteArray>,
    values: Vec<ByteArray>,
) -> Result<LabelPairs, TableError> {
    let same = names.len() == values.len();
    let rest = names.iter().zip(&values).map(|(name, value)| (name.data().to_vec(), value.data().to_vec()));
    let metric = metric.map(|metric| (b"__name__".to_vec(), metric.data().to_vec()));
    let mut labels: Vec<_> = metric.into_iter().chain(rest).collect();
    labels.sort();
    let ordered = labels.is_sorted_by(|a, b| a.0 < b.0);
    if !same || !ordered || labels.iter().any(|(_, value)| value.is_empty()) {
        return Err(TableError::Foreign { what: "labels of each series" });
    }
    Ok(labels)
}

fn column<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Result<ColumnReaderImpl<T>, TableError> {
    let physical = group.metadata().column(column).column_type();
    if physical != T::get_physical_type() {
        return Err(TableError::Foreign { what: "the columns of a file of series" });
    }
    Ok(get_typed_column_reader(group.get_column_reader(column)?))
}

fn required<T: DataType>(
    group: &dyn RowGroupReader,
    at: usize,
    rows: usize,
) -> Result<Vec<T::T>, TableError> {
    let mut values = Vec::new();
    column::<T>(group, at)?.read_records(rows, None, None, &mut values)?;
    if values.len() == rows {
        Ok(values)
    } else {
        Err(TableError::Foreign { what: "a value of each series" })
    }
}

fn optional_text(
    group: &dyn RowGroupReader,
    at: usize,
    rows: usize,
) -> Result<Vec<Option<ByteArray>>, TableError> {
    let (mut values, mut defined) = (Vec::new(), Vec::new());
    column::<ByteArrayType>(group, at)?.read_records(rows, Some(&mut defined), None, &mut values)?;
    let mut values = values.into_iter();
    Ok(defined.into_iter().map(|defined| if defined > 0 { values.next() } else { None }).collect())
}

/// One half of the map of labels, for each row.
fn map_text(group: &dyn RowGroupReader, at: usize, rows: usize) -> Result<Vec<Vec<ByteArray>>, TableError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = column::<ByteArrayType>(group, at)?;
    reader.read_records(rows, Some(&mut defined), Some(&mut repeated), &mut values)?;
    let mut maps: Vec<Vec<ByteArray>> = Vec::new();
    let mut values = values.into_iter();
    for (defined, repeated) in defined.into_iter().zip(repeated) {
        if repeated == 0 {
            maps.push(Vec::new());
        }
        if defined > 0
            && let Some(map) = maps.last_mut()
        {
            map.extend(values.next());
        }
    }
    Ok(maps)
}
