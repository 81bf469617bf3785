//! Reading rows of a data file by their numbers.

use std::{ops::Range, sync::Arc};

use parquet::{
    column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader},
    data_type::{BoolType, DataType, DoubleType, Int32Type, Int64Type},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        page_index::offset_index::PageLocation,
        reader::ChunkReader,
        serialized_reader::SerializedPageReader,
    },
};

use super::{
    super::{FloatRun, Rollup, Sum},
    TableError,
    error::guarded,
    writer::{VERSION, VERSION_KEY, WIDTH_KEY},
};

/// Which facts are read; the end of the window and the numbers of samples always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The sum.
    pub sum: bool,
    /// The smallest and the largest value.
    pub extremes: bool,
    /// The first and the last value, and when they were.
    pub ends: bool,
    /// Resets, and what counters lost by them.
    pub resets: bool,
    /// The number of changes.
    pub changes: bool,
    /// Whether the series ended.
    pub stale: bool,
}

impl Facts {
    /// All.
    pub const ALL: Self =
        Self { sum: true, extremes: true, ends: true, resets: true, changes: true, stale: true };

    /// The columns that tell them.
    fn columns(self) -> impl Iterator<Item = &'static str> {
        let ends = self.ends || self.extremes;
        [
            ("ts", true),
            ("count", true),
            ("histograms", true),
            ("sum", self.sum),
            ("min", self.extremes),
            ("max", self.extremes),
            ("first", ends),
            ("last", ends),
            ("first_off", ends),
            ("last_off", ends),
            ("corr", self.resets),
            ("resets", self.resets),
            ("changes", self.changes),
            ("stale", self.stale),
        ]
        .into_iter()
        .filter_map(|(name, wanted)| wanted.then_some(name))
    }
}

/// Rows of a data file by column: as many of each as there are rows, or none where the fact was not asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RollupColumns {
    /// Ends of the windows, milliseconds.
    pub end: Vec<i64>,
    /// Numbers of samples; 0 where there was only a stale marker.
    pub count: Vec<u32>,
    /// Numbers of native histograms.
    pub histograms: Vec<u32>,
    /// Sums, where they were kept.
    pub sum: Vec<Option<f64>>,
    /// Smallest values.
    pub min: Vec<f64>,
    /// Largest values.
    pub max: Vec<f64>,
    /// First values.
    pub first: Vec<f64>,
    /// Last values.
    pub last: Vec<f64>,
    /// How long before the end the first samples were, milliseconds.
    pub first_off: Vec<i32>,
    /// How long before the end the last samples were, milliseconds.
    pub last_off: Vec<i32>,
    /// What counters lost by resets.
    pub corr: Vec<f64>,
    /// Numbers of resets.
    pub resets: Vec<u32>,
    /// Numbers of changes.
    pub changes: Vec<u32>,
    /// Whether the series ended in the window.
    pub stale: Vec<bool>,
}

impl RollupColumns {
    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end.is_empty()
    }

    /// Row `row`, if it exists, with what was asked for. What was not is zero.
    #[must_use]
    pub fn rollup(&self, row: usize) -> Option<Rollup> {
        let (end, count) = (*self.end.get(row)?, *self.count.get(row)?);
        let float = |column: &[f64]| column.get(row).copied().unwrap_or_default();
        let number = |column: &[u32]| column.get(row).copied().unwrap_or_default();
        let ts = |offsets: &[i32]| end - i64::from(offsets.get(row).copied().unwrap_or_default());
        let floats = (count > 0).then(|| FloatRun {
            count,
            first_ts: ts(&self.first_off),
            last_ts: ts(&self.last_off),
            first: float(&self.first),
            last: float(&self.last),
            min: float(&self.min),
            max: float(&self.max),
            sum: self.sum.get(row).copied().flatten().map(Sum::of),
            correction: Sum::of(float(&self.corr)),
            resets: number(&self.resets),
            changes: number(&self.changes),
        });
        let histograms = number(&self.histograms);
        Some(Rollup { end, floats, histograms, stale: self.stale.get(row).copied().unwrap_or_default() })
    }
}

/// A data file whose footer and page index have been read.
#[derive(Debug, Clone)]
pub struct DataFile {
    metadata: Arc<ParquetMetaData>,
    width_ms: i64,
}

impl DataFile {
    /// Reads the footer and the places of the pages.
    ///
    /// # Errors
    /// When it is not a file of rollups, or damaged.
    pub fn open<R: ChunkReader>(reader: &R) -> Result<Self, TableError> {
        let metadata = guarded(|| {
            let footer = ParquetMetaDataReader::new()
                .with_column_index_policy(PageIndexPolicy::Skip)
                .with_offset_index_policy(PageIndexPolicy::Required);
            Ok(footer.parse_and_finish(reader)?)
        })?;
        let width_ms = number_of(&metadata, WIDTH_KEY)?;
        Ok(Self { metadata: Arc::new(metadata), width_ms })
    }

    /// Width of the windows, milliseconds.
    #[must_use]
    pub const fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.file_metadata().num_rows()).unwrap_or_default()
    }

    /// Memory that the footer takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.metadata.memory_size()
    }

    /// The parts of the file that [`Self::read`] will ask for, ascending, for `rows`, which ascend and do not touch.
    ///
    /// # Errors
    /// When the file lacks a column.
    pub fn parts(&self, rows: &[Range<u64>], facts: Facts) -> Result<Vec<Range<u64>>, TableError> {
        // Of a column that begins before the file the library gives no place but panics.
        guarded(|| self.parts_of(rows, facts))
    }

    fn parts_of(&self, rows: &[Range<u64>], facts: Facts) -> Result<Vec<Range<u64>>, TableError> {
        let mut parts = Vec::new();
        for group in Groups::new(&self.metadata, rows) {
            for name in facts.columns() {
                let column = column_of(group.metadata, name)?;
                let pages = pages_of(&self.metadata, group.index, column)?;
                let (start, _) = group.metadata.column(column).byte_range();
                let first = pages.first().map_or(start, |page| offset(page.offset));
                if first > start {
                    parts.push(start..first);
                }
                for (at, page) in pages.iter().enumerate() {
                    let from = offset(page.first_row_index);
                    let until = pages.get(at + 1).map_or(u64::MAX, |next| offset(next.first_row_index));
                    if group.rows.iter().any(|rows| rows.start < until && from < rows.end) {
                        let start = offset(page.offset);
                        parts.push(
                            start..start + u64::try_from(page.compressed_page_size).unwrap_or_default(),
                        );
                    }
                }
            }
        }
        parts.sort_by_key(|part| part.start);
        Ok(parts)
    }

    /// Reads `rows`, which ascend and do not touch, one range after the other.
    ///
    /// # Errors
    /// When the file is damaged, or bytes cannot be had.
    pub fn read<R: ChunkReader + 'static>(
        &self,
        reader: &Arc<R>,
        rows: &[Range<u64>],
        facts: Facts,
    ) -> Result<RollupColumns, TableError> {
        let mut columns = RollupColumns::default();
        let wanted = rows.iter().map(|rows| usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX));
        let wanted = wanted.fold(0, usize::saturating_add);
        for group in Groups::new(&self.metadata, rows) {
            let group = GroupReader { file: self, reader, group };
            guarded(|| group.read(facts, &mut columns))?;
        }
        if columns.end.len() != wanted || columns.count.len() != wanted {
            return Err(TableError::Foreign { what: "the rows that its series have" });
        }
        Ok(columns)
    }
}

/// The number that the metadata of a file have under `key`, if it is a file of ours.
pub(super) fn number_of<N: std::str::FromStr>(
    metadata: &ParquetMetaData,
    key: &'static str,
) -> Result<N, TableError> {
    let version = text_of(metadata, VERSION_KEY)?;
    if version != VERSION {
        return Err(TableError::Version { found: version.to_owned() });
    }
    text_of(metadata, key)?.parse().map_err(|_| TableError::Foreign { what: key })
}

/// What the metadata of a file have under `key`.
pub(super) fn text_of<'a>(metadata: &'a ParquetMetaData, key: &'static str) -> Result<&'a str, TableError> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key)?.value.as_deref());
    value.ok_or(TableError::Foreign { what: key })
}

fn offset(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A row group of which rows are wanted.
struct Group<'a> {
    index: usize,
    metadata: &'a RowGroupMetaData,
    /// The rows, counted from the first one of the group.
    rows: Vec<Range<u64>>,
}

/// The row groups that hold any of the rows.
struct Groups<'a> {
    metadata: &'a ParquetMetaData,
    rows: &'a [Range<u64>],
    index: usize,
    first_row: u64,
}

impl<'a> Groups<'a> {
    const fn new(metadata: &'a ParquetMetaData, rows: &'a [Range<u64>]) -> Self {
        Self { metadata, rows, index: 0, first_row: 0 }
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        loop {
            let (index, metadata) = (self.index, self.metadata.row_groups().get(self.index)?);
            let first = self.first_row;
            let end = first.saturating_add(offset(metadata.num_rows()));
            (self.index, self.first_row) = (index + 1, end);
            let inside = self.rows.iter().filter(|rows| rows.start < end && first < rows.end);
            let rows: Vec<_> =
                inside.map(|rows| rows.start.max(first) - first..rows.end.min(end) - first).collect();
            if !rows.is_empty() {
                return Some(Group { index, metadata, rows });
            }
        }
    }
}

fn column_of(group: &RowGroupMetaData, name: &'static str) -> Result<usize, TableError> {
    let is_it = |path: &[String]| path.first().is_some_and(|first| first == name) && path.len() == 1;
    let found = group.columns().iter().position(|column| is_it(column.column_path().parts()));
    found.ok_or(TableError::Foreign { what: name })
}

fn pages_of(metadata: &ParquetMetaData, group: usize, column: usize) -> Result<&[PageLocation], TableError> {
    let index = metadata.page_index().and_then(|index| index.offset_index(group, column));
    Ok(index.ok_or(TableError::Foreign { what: "offset index" })?.page_locations())
}

/// Reads the wanted rows of one row group.
struct GroupReader<'a, R> {
    file: &'a DataFile,
    reader: &'a Arc<R>,
    group: Group<'a>,
}

impl<R: ChunkReader + 'static> GroupReader<'_, R> {
    fn read(&self, facts: Facts, columns: &mut RollupColumns) -> Result<(), TableError> {
        let before = columns.end.len();
        self.append::<Int64Type, _>("ts", &mut columns.end, |ts| ts.map(|ts| ts.div_euclid(1_000)))?;
        self.append::<Int32Type, _>("count", &mut columns.count, number)?;
        self.append::<Int32Type, _>("histograms", &mut columns.histograms, |count| {
            u32::try_from(count.unwrap_or_default()).ok()
        })?;
        if facts.ends || facts.extremes {
            self.append::<DoubleType, _>("first", &mut columns.first, or_zero)?;
            self.append::<DoubleType, _>("last", &mut columns.last, or_zero)?;
            self.append::<Int32Type, _>("first_off", &mut columns.first_off, or_zero)?;
            self.append::<Int32Type, _>("last_off", &mut columns.last_off, or_zero)?;
        }
        if facts.extremes {
            // Where they were not kept they are the ends.
            let mut kept: Vec<Option<f64>> = Vec::new();
            for (name, ends, extremes) in
                [("min", &columns.first, &mut columns.min), ("max", &columns.last, &mut columns.max)]
            {
                kept.clear();
                self.append::<DoubleType, _>(name, &mut kept, Some)?;
                let ends = ends.get(before..).unwrap_or_default();
                extremes.extend(kept.iter().zip(ends).map(|(kept, end)| kept.unwrap_or(*end)));
            }
        }
        if facts.sum {
            self.append::<DoubleType, _>("sum", &mut columns.sum, Some)?;
        }
        if facts.resets {
            self.append::<DoubleType, _>("corr", &mut columns.corr, or_zero)?;
            self.append::<Int32Type, _>("resets", &mut columns.resets, number)?;
        }
        if facts.changes {
            self.append::<Int32Type, _>("changes", &mut columns.changes, number)?;
        }
        if facts.stale {
            self.append::<BoolType, _>("stale", &mut columns.stale, or_zero)?;
        }
        Ok(())
    }

    /// Appends the wanted rows of the column `name`, as `convert` has them.
    fn append<T: DataType, V>(
        &self,
        name: &'static str,
        out: &mut Vec<V>,
        convert: impl Fn(Option<T::T>) -> Option<V>,
    ) -> Result<(), TableError> {
        let mut column = self.column::<T>(name)?;
        let (mut values, mut defined) = (Vec::new(), Vec::new());
        let mut at = 0;
        let size = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        for rows in &self.group.rows {
            column.skip_records(size(rows.start.saturating_sub(at)))?;
            let wanted = size(rows.end - rows.start);
            let (records, ..) = column.read_records(wanted, Some(&mut defined), None, &mut values)?;
            if records != wanted {
                return Err(TableError::Foreign { what: "the rows that its series have" });
            }
            at = rows.end;
        }
        let bad = || TableError::Foreign { what: name };
        if defined.is_empty() {
            values.into_iter().try_for_each(|value| out.push_some(convert(Some(value)))).ok_or_else(bad)
        } else {
            let mut values = values.into_iter();
            let cell = |defined: i16| if defined > 0 { values.next() } else { None };
            defined.into_iter().map(cell).try_for_each(|cell| out.push_some(convert(cell))).ok_or_else(bad)
        }
    }

    fn column<T: DataType>(&self, name: &'static str) -> Result<ColumnReaderImpl<T>, TableError> {
        let column = column_of(self.group.metadata, name)?;
        let pages = pages_of(&self.file.metadata, self.group.index, column)?;
        let rows = usize::try_from(self.group.metadata.num_rows()).unwrap_or_default();
        let chunk = self.group.metadata.column(column);
        let description = chunk.column_descr_ptr();
        if description.physical_type() != T::get_physical_type() || description.max_rep_level() > 0 {
            return Err(TableError::Foreign { what: name });
        }
        let pages = SerializedPageReader::new(Arc::clone(self.reader), chunk, rows, Some(pages.to_vec()))?;
        Ok(get_typed_column_reader(get_column_reader(description, Box::new(pages))))
    }
}

trait PushSome<V> {
    /// Pushes the value, if there is one.
    fn push_some(&mut self, value: Option<V>) -> Option<()>;
}

impl<V> PushSome<V> for Vec<V> {
    fn push_some(&mut self, value: Option<V>) -> Option<()> {
        self.push(value?);
        Some(())
    }
}

/// A count, which is never negative and always there.
fn number(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

/// The value, or the default of its type where there is none.
#[expect(clippy::unnecessary_wraps, reason = "conversions may fail, this one does not")]
fn or_zero<T: Default>(value: Option<T>) -> Option<T> {
    Some(value.unwrap_or_default())
}
