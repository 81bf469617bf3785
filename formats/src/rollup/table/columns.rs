//! Columns on their way to a file.

use std::io::Write;

use parquet::{
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type},
    errors::ParquetError,
    file::writer::SerializedRowGroupWriter,
};

use super::{super::Rollup, states::StateRows};

/// Rows that are handed to a column at once: a page may end behind each such batch.
pub(crate) const BATCH_ROWS: usize = 1_024;

/// Values of which some are missing.
#[derive(Debug)]
pub(crate) struct Optional<T> {
    pub(crate) values: Vec<T>,
    /// 1 where there is a value.
    pub(crate) defined: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self { values: Vec::new(), defined: Vec::new() }
    }
}

impl<T> Optional<T> {
    pub(crate) fn push(&mut self, value: Option<T>) {
        self.defined.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// The labels of a series, each where it goes.
#[derive(Debug, Default)]
pub(super) struct LabelCells {
    pub(super) metric: Option<ByteArray>,
    /// One for each column of a label.
    pub(super) columns: Vec<Option<ByteArray>>,
    /// Names and values of the rest.
    pub(super) rest: Vec<(ByteArray, ByteArray)>,
}

/// What stands in a number of rows one after the other.
#[derive(Debug)]
struct Run {
    labels: LabelCells,
    series_id: i64,
    rows: usize,
}

/// A row group before it is written.
#[derive(Debug, Default)]
pub(super) struct RowGroup {
    runs: Vec<Run>,
    ts: Vec<i64>,
    count: Vec<i32>,
    sum: Optional<f64>,
    min: Optional<f64>,
    max: Optional<f64>,
    first: Optional<f64>,
    last: Optional<f64>,
    first_off: Optional<i32>,
    last_off: Optional<i32>,
    corr: Optional<f64>,
    resets: Vec<i32>,
    changes: Vec<i32>,
    stale: Vec<bool>,
    histograms: Optional<i32>,
    src: Vec<i32>,
    states: StateRows,
}

impl RowGroup {
    pub(super) const fn rows(&self) -> usize {
        self.ts.len()
    }

    /// Buckets and bounds of native histograms, which take more memory than rows where there are many.
    pub(super) const fn elements(&self) -> usize {
        self.states.elements()
    }

    /// Whether any row has native histograms of which more is known than their number.
    pub(super) const fn has_states(&self) -> bool {
        !self.states.is_empty()
    }

    /// Adds rows of one series.
    pub(super) fn push(&mut self, labels: LabelCells, series_id: i64, rollups: &[Rollup], src: i16) {
        self.runs.push(Run { labels, series_id, rows: rollups.len() });
        rollups.iter().for_each(|rollup| self.push_row(rollup));
        self.src.resize(self.ts.len(), i32::from(src));
    }

    fn push_row(&mut self, rollup: &Rollup) {
        let run = rollup.floats.as_ref();
        self.states.push(self.ts.len(), rollup);
        self.ts.push(rollup.end.saturating_mul(1_000));
        self.count.push(run.map_or(0, |run| saturated(run.count)));
        // Where the sum is left out the extremes are too if they are the ends.
        let full = run.filter(|run| run.sum.is_some() || !run.ends_are_extremes());
        self.sum.push(run.and_then(|run| run.sum).map(|sum| sum.total()));
        self.min.push(full.map(|run| run.min));
        self.max.push(full.map(|run| run.max));
        self.first.push(run.map(|run| run.first));
        self.last.push(run.map(|run| run.last));
        self.first_off.push(run.map(|run| offset(rollup.end, run.first_ts)));
        self.last_off.push(run.map(|run| offset(rollup.end, run.last_ts)));
        self.corr.push(run.filter(|run| run.resets > 0).map(|run| run.correction.total()));
        self.resets.push(run.map_or(0, |run| saturated(run.resets)));
        self.changes.push(run.map_or(0, |run| saturated(run.changes)));
        self.stale.push(rollup.stale);
        self.histograms.push(Some(saturated(rollup.histograms)).filter(|count| *count > 0));
    }

    /// Writes all columns, in the order of the schema.
    pub(super) fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        label_columns: usize,
        histograms: bool,
    ) -> Result<(), ParquetError> {
        self.write_text(group, |run| run.labels.metric.as_ref())?;
        for column in 0..label_columns {
            self.write_text(group, |run| run.labels.columns.get(column).and_then(Option::as_ref))?;
        }
        self.write_map(group, |(name, _)| name)?;
        self.write_map(group, |(_, value)| value)?;
        let ids = self.runs.iter().flat_map(|run| std::iter::repeat_n(run.series_id, run.rows));
        write::<Int64Type, _>(group, &ids.collect::<Vec<_>>(), None)?;
        write::<Int64Type, _>(group, &self.ts, None)?;
        write::<Int32Type, _>(group, &self.count, None)?;
        for column in [&self.sum, &self.min, &self.max, &self.first, &self.last] {
            write::<DoubleType, _>(group, &column.values, Some(&column.defined))?;
        }
        for column in [&self.first_off, &self.last_off] {
            write::<Int32Type, _>(group, &column.values, Some(&column.defined))?;
        }
        write::<DoubleType, _>(group, &self.corr.values, Some(&self.corr.defined))?;
        write::<Int32Type, _>(group, &self.resets, None)?;
        write::<Int32Type, _>(group, &self.changes, None)?;
        write::<BoolType, _>(group, &self.stale, None)?;
        write::<Int32Type, _>(group, &self.histograms.values, Some(&self.histograms.defined))?;
        write::<Int32Type, _>(group, &self.src, None)?;
        if histograms { self.states.write(self.rows(), group) } else { Ok(()) }
    }

    /// A column that is the same in all rows of a series.
    fn write_text<'a, W: Write + Send>(
        &'a self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        of: impl Fn(&'a Run) -> Option<&'a ByteArray>,
    ) -> Result<(), ParquetError> {
        let mut column = TextColumn::new(0);
        let mut writer = next_column(group)?;
        for run in &self.runs {
            let value = of(run);
            for _ in 0..run.rows {
                column.push_optional(value);
                if column.len() >= BATCH_ROWS {
                    column.write(writer.typed::<ByteArrayType>())?;
                }
            }
        }
        column.write(writer.typed::<ByteArrayType>())?;
        writer.close()
    }

    /// One half of the map of labels.
    fn write_map<'a, W: Write + Send>(
        &'a self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        half: impl Fn(&'a (ByteArray, ByteArray)) -> &'a ByteArray,
    ) -> Result<(), ParquetError> {
        let mut column = TextColumn::new(1);
        let mut writer = next_column(group)?;
        for run in &self.runs {
            for _ in 0..run.rows {
                column.push_map(run.labels.rest.iter().map(&half));
                if column.len() >= BATCH_ROWS {
                    column.write(writer.typed::<ByteArrayType>())?;
                }
            }
        }
        column.write(writer.typed::<ByteArrayType>())?;
        writer.close()
    }
}

/// A batch of strings.
pub(crate) struct TextColumn {
    values: Vec<ByteArray>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    depth: i16,
}

impl TextColumn {
    /// `depth` is 1 in a map.
    pub(crate) const fn new(depth: i16) -> Self {
        Self { values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new(), depth }
    }

    /// Adds a row.
    pub(crate) fn push_optional(&mut self, value: Option<&ByteArray>) {
        self.definitions.push(i16::from(value.is_some()));
        self.values.extend(value.cloned());
    }

    /// Adds the entries of one row's map.
    pub(crate) fn push_map<'a>(&mut self, entries: impl Iterator<Item = &'a ByteArray>) {
        let before = self.values.len();
        for entry in entries {
            self.repetitions.push(i16::from(self.values.len() > before));
            self.definitions.push(1);
            self.values.push(entry.clone());
        }
        if self.values.len() == before {
            self.repetitions.push(0);
            self.definitions.push(0);
        }
    }

    /// Rows that are not written yet; entries, in a map.
    pub(crate) const fn len(&self) -> usize {
        self.definitions.len()
    }

    /// Writes it, and begins anew.
    pub(crate) fn write(
        &mut self,
        writer: &mut parquet::column::writer::ColumnWriterImpl<'_, ByteArrayType>,
    ) -> Result<(), ParquetError> {
        let repetitions = (self.depth > 0).then_some(&*self.repetitions);
        writer.write_batch(&self.values, Some(&self.definitions), repetitions)?;
        self.values.clear();
        self.definitions.clear();
        self.repetitions.clear();
        Ok(())
    }

    /// Writes it as the next column of `group`.
    pub(crate) fn write_whole<W: Write + Send>(
        mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut writer = next_column(group)?;
        self.write(writer.typed::<ByteArrayType>())?;
        writer.close()
    }
}

/// Writes the next column of `group`.
pub(crate) fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    defined: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut writer = next_column(group)?;
    writer.typed::<T>().write_batch(values, defined, None)?;
    writer.close()
}

pub(crate) fn next_column<'a, W: Write + Send>(
    group: &'a mut SerializedRowGroupWriter<'_, W>,
) -> Result<parquet::file::writer::SerializedColumnWriter<'a>, ParquetError> {
    group.next_column()?.ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))
}

/// How long before `end` something was, milliseconds. Windows are shorter than the 24 days that this can tell.
pub(super) fn offset(end: i64, ts: i64) -> i32 {
    i32::try_from(end.saturating_sub(ts)).unwrap_or(i32::MAX)
}

pub(super) fn saturated(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
