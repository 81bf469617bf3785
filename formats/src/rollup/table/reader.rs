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
    super::{Events, FloatRun, HistogramRun, Rollup, Sum},
    TableError,
    error::guarded,
    lists::{ELEMENT, rows_of},
    schema::{HISTOGRAM_FACTS, STATES, StateFields},
    states::{FoundRow, State, hint_of},
    writer::{VERSION, VERSION_KEY, WIDTH_KEY},
};
use crate::histogram::ResetHint;

/// The column that has a value where there are native histograms of which more is known than their number.
const LAST_OFF: &str = "h_last_off";

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
    /// The first and the last state of native histograms.
    pub states: bool,
}

impl Facts {
    /// All.
    pub const ALL: Self = Self {
        sum: true,
        extremes: true,
        ends: true,
        resets: true,
        changes: true,
        stale: true,
        states: true,
    };

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

    /// Which states of native histograms tell them.
    const fn states(self) -> [bool; 4] {
        [self.states, self.states, self.sum, self.resets]
    }

    /// The columns that tell them of native histograms.
    fn histogram_columns(self) -> impl Iterator<Item = &'static str> {
        let states = STATES.into_iter().zip(self.states()).filter(|(_, wanted)| *wanted);
        let states = states.flat_map(|(fields, _)| fields);
        HISTOGRAM_FACTS.into_iter().chain(states).map(|field| field.name)
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
    /// The native histograms, where more than their number is known.
    pub states: Vec<Option<Arc<HistogramRun>>>,
    /// What happened between floats and native histograms together.
    pub together: Vec<Option<Events>>,
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
    #[inline]
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
        Some(Rollup {
            end,
            floats,
            histograms: number(&self.histograms),
            states: self.states.get(row).cloned().flatten(),
            together: self.together.get(row).copied().flatten(),
            stale: self.stale.get(row).copied().unwrap_or_default(),
        })
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

    /// Whether there are columns of native histograms.
    #[must_use]
    pub fn has_histograms(&self) -> bool {
        let columns = self.metadata.file_metadata().schema_descr();
        columns.columns().iter().any(|column| is_named(column.path().parts(), LAST_OFF))
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
        let histograms = self.has_histograms();
        for group in Groups::new(&self.metadata, rows) {
            for name in facts.columns().chain(facts.histogram_columns().filter(|_| histograms)) {
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
        let histograms = self.has_histograms();
        for group in Groups::new(&self.metadata, rows) {
            let group = GroupReader { file: self, reader, group };
            guarded(|| group.read(facts, &mut columns))?;
            if histograms {
                guarded(|| group.read_histograms(facts, &mut columns))?;
            }
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
    let found = group.columns().iter().position(|column| is_named(column.column_path().parts(), name));
    found.ok_or(TableError::Foreign { what: name })
}

/// Whether this is the path of the column `name`, or of the elements of its lists.
fn is_named(path: &[String], name: &str) -> bool {
    match path {
        [only] => only == name,
        [first, list, element] => first == name && list == "list" && element == "element",
        _ => false,
    }
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
        self.append::<Int32Type, _>("histograms", &mut columns.histograms, number_or_zero)?;
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

    /// Appends the native histograms of the wanted rows, which have been read but for these.
    fn read_histograms(&self, facts: Facts, columns: &mut RollupColumns) -> Result<(), TableError> {
        let before = columns.states.len();
        let mut rows = FoundRows::default();
        self.append::<Int32Type, _>("h_first_off", &mut rows.first_off, or_zero)?;
        self.append::<Int32Type, _>(LAST_OFF, &mut rows.last_off, Some)?;
        self.append::<Int32Type, _>("h_resets", &mut rows.resets, number_or_zero)?;
        self.append::<Int32Type, _>("h_changes", &mut rows.changes, number_or_zero)?;
        self.append::<BoolType, _>("h_first_reset", &mut rows.first_reset, or_zero)?;
        let hint = |code: Option<i32>| hint_of(code.unwrap_or_default());
        self.append::<Int32Type, _>("h_first_hint", &mut rows.first_hint, hint)?;
        self.append::<Int32Type, _>("h_hint", &mut rows.hint, hint)?;
        let bits = |bits: Option<i32>| u8::try_from(bits.unwrap_or_default()).ok();
        self.append::<Int32Type, _>("h_traits", &mut rows.traits, bits)?;
        let mut both = (Vec::new(), Vec::new());
        let count = |count: Option<i32>| Some(count.and_then(|count| u32::try_from(count).ok()));
        self.append::<Int32Type, _>("h_both_resets", &mut both.0, count)?;
        self.append::<Int32Type, _>("h_both_changes", &mut both.1, count)?;
        let both = both.0.into_iter().zip(both.1);
        let both = both.map(|(resets, changes)| Some(Events { resets: resets?, changes: changes? }));
        columns.together.extend(both);
        for ((fields, out), wanted) in STATES.iter().zip(&mut rows.states).zip(facts.states()) {
            if wanted {
                *out = self.states(fields)?;
            }
        }
        let ends = columns.end.iter().zip(&columns.histograms).skip(before);
        for (row, (end, count)) in ends.enumerate() {
            let run = rows.take(row, *end).map(|run| run.into_run(*count).map(Arc::new));
            let bad = TableError::Foreign { what: "the buckets of its histograms" };
            columns.states.push(run.map_or(Ok(None), |run| run.map(Some).ok_or(bad))?);
        }
        Ok(())
    }

    /// One state of each of the wanted rows.
    fn states(&self, fields: &StateFields) -> Result<Vec<Option<State>>, TableError> {
        let [schema, zero_thr, zero, count, sum, pos_idx, pos_cnt, neg_idx, neg_cnt, bounds] =
            fields.map(|field| field.name);
        let mut schemas: Vec<Option<i32>> = Vec::new();
        self.append::<Int32Type, _>(schema, &mut schemas, Some)?;
        let floats = |name| -> Result<_, TableError> {
            let mut floats: Vec<f64> = Vec::new();
            self.append::<DoubleType, _>(name, &mut floats, or_zero)?;
            Ok(floats.into_iter())
        };
        let [mut zero_thr, mut zero, mut count, mut sum] =
            [floats(zero_thr)?, floats(zero)?, floats(count)?, floats(sum)?];
        let mut positive = self.lists::<Int32Type>(pos_idx)?.zip(self.lists::<DoubleType>(pos_cnt)?);
        let mut negative = self.lists::<Int32Type>(neg_idx)?.zip(self.lists::<DoubleType>(neg_cnt)?);
        let mut bounds = self.lists::<DoubleType>(bounds)?;
        let mut state = |schema: Option<i32>| {
            let found = State {
                schema: schema.unwrap_or_default(),
                zero_threshold: zero_thr.next()?,
                zero_count: zero.next()?,
                count: count.next()?,
                sum: sum.next()?,
                positive: positive.next()?,
                negative: negative.next()?,
                bounds: bounds.next()?,
            };
            Some(schema.map(|_| found))
        };
        let states: Option<Vec<Option<State>>> = schemas.into_iter().map(&mut state).collect();
        states.ok_or(TableError::Foreign { what: schema })
    }

    /// The lists of the wanted rows of the column `name`; no list is an empty one.
    fn lists<T: DataType>(
        &self,
        name: &'static str,
    ) -> Result<impl Iterator<Item = Vec<T::T>> + use<T, R>, TableError> {
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        self.read_rows::<T>(name, &mut values, &mut definitions, Some(&mut repetitions))?;
        let rows = rows_of(values, &definitions, &repetitions);
        let rows = rows.ok_or(TableError::Foreign { what: name })?;
        Ok(rows.into_iter().map(Option::unwrap_or_default))
    }

    /// Appends the wanted rows of the column `name`, as `convert` has them.
    fn append<T: DataType, V>(
        &self,
        name: &'static str,
        out: &mut Vec<V>,
        convert: impl Fn(Option<T::T>) -> Option<V>,
    ) -> Result<(), TableError> {
        let (mut values, mut defined) = (Vec::new(), Vec::new());
        self.read_rows::<T>(name, &mut values, &mut defined, None)?;
        let bad = || TableError::Foreign { what: name };
        if defined.is_empty() {
            values.into_iter().try_for_each(|value| out.push_some(convert(Some(value)))).ok_or_else(bad)
        } else {
            let mut values = values.into_iter();
            let cell = |defined: i16| if defined > 0 { values.next() } else { None };
            defined.into_iter().map(cell).try_for_each(|cell| out.push_some(convert(cell))).ok_or_else(bad)
        }
    }

    /// Reads the wanted rows of the column `name`, with repetitions if it is one of lists.
    fn read_rows<T: DataType>(
        &self,
        name: &'static str,
        values: &mut Vec<T::T>,
        definitions: &mut Vec<i16>,
        mut repetitions: Option<&mut Vec<i16>>,
    ) -> Result<(), TableError> {
        let mut column = self.column::<T>(name, repetitions.is_some())?;
        let mut at = 0;
        let size = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        for rows in &self.group.rows {
            column.skip_records(size(rows.start.saturating_sub(at)))?;
            let wanted = size(rows.end - rows.start);
            let repetitions = repetitions.as_deref_mut();
            let (records, ..) = column.read_records(wanted, Some(definitions), repetitions, values)?;
            if records != wanted {
                return Err(TableError::Foreign { what: "the rows that its series have" });
            }
            at = rows.end;
        }
        Ok(())
    }

    fn column<T: DataType>(
        &self,
        name: &'static str,
        of_lists: bool,
    ) -> Result<ColumnReaderImpl<T>, TableError> {
        let column = column_of(self.group.metadata, name)?;
        let pages = pages_of(&self.file.metadata, self.group.index, column)?;
        let rows = usize::try_from(self.group.metadata.num_rows()).unwrap_or_default();
        let chunk = self.group.metadata.column(column);
        let description = chunk.column_descr_ptr();
        let levels = (description.max_def_level(), description.max_rep_level());
        let fits = if of_lists { levels == (ELEMENT, 1) } else { levels.1 == 0 };
        if description.physical_type() != T::get_physical_type() || !fits {
            return Err(TableError::Foreign { what: name });
        }
        let pages = SerializedPageReader::new(Arc::clone(self.reader), chunk, rows, Some(pages.to_vec()))?;
        Ok(get_typed_column_reader(get_column_reader(description, Box::new(pages))))
    }
}

/// What was read of native histograms, column by column.
#[derive(Default)]
struct FoundRows {
    first_off: Vec<i32>,
    /// None where there are no histograms.
    last_off: Vec<Option<i32>>,
    resets: Vec<u32>,
    changes: Vec<u32>,
    first_reset: Vec<bool>,
    first_hint: Vec<ResetHint>,
    hint: Vec<ResetHint>,
    traits: Vec<u8>,
    states: [Vec<Option<State>>; 4],
}

impl FoundRows {
    /// Takes out row `row`, whose window ends at `end`, if it has histograms.
    fn take(&mut self, row: usize, end: i64) -> Option<FoundRow> {
        let last_off = self.last_off.get(row).copied().flatten()?;
        Some(FoundRow {
            first_ts: end - i64::from(*self.first_off.get(row)?),
            last_ts: end - i64::from(last_off),
            resets: *self.resets.get(row)?,
            changes: *self.changes.get(row)?,
            first_reset: *self.first_reset.get(row)?,
            first_hint: *self.first_hint.get(row)?,
            hint: *self.hint.get(row)?,
            traits: *self.traits.get(row)?,
            states: self.states.each_mut().map(|states| states.get_mut(row).and_then(Option::take)),
        })
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

/// A count, 0 where there is none.
fn number_or_zero(value: Option<i32>) -> Option<u32> {
    u32::try_from(value.unwrap_or_default()).ok()
}

/// The value, or the default of its type where there is none.
#[expect(clippy::unnecessary_wraps, reason = "conversions may fail, this one does not")]
fn or_zero<T: Default>(value: Option<T>) -> Option<T> {
    Some(value.unwrap_or_default())
}
