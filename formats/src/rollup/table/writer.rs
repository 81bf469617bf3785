//! Writing a data file and the file of series beside it.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    data_type::{ByteArray, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};

use super::{
    super::Rollup,
    checked::Checked,
    columns::{BATCH_ROWS, LabelCells, RowGroup, TextColumn, write},
    schema::{FIELDS, Kind, LabelColumns, data_schema, histogram_fields, series_schema},
};

/// Rows of a row group, so that a group under way takes some tens of megabytes.
const GROUP_ROWS: usize = 512 << 10;
/// So many buckets of native histograms end a row group earlier.
const GROUP_ELEMENTS: usize = 4 << 20;
/// Series of a row group in the file of series: so many are in memory of each file that is merged.
pub(super) const GROUP_SERIES: usize = 8 << 10;
const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 64 << 10;
/// Keys of the metadata in the footers.
pub(super) const VERSION_KEY: &str = "kymo.rollup.version";
pub(super) const WIDTH_KEY: &str = "kymo.rollup.width_ms";
pub(super) const CHECKSUMS_KEY: &str = "kymo.data.crc32";
pub(super) const LENGTH_KEY: &str = "kymo.data.bytes";
/// Version of what the columns mean.
pub(super) const VERSION: &str = "1";

/// What is the same for all rows of a file.
#[derive(Debug, Clone)]
pub struct FileSpec {
    /// Labels that have columns.
    pub labels: LabelColumns,
    /// Width of the windows, milliseconds.
    pub width_ms: i64,
    /// Who writes.
    pub src: i16,
    /// Whether there is to be room for native histograms even if none is among the rows of the first row group.
    pub histograms: bool,
}

/// The rows of one series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesRows<'a> {
    /// Names and values of its labels, `__name__` among them, ascending by name.
    pub labels: &'a [(&'a [u8], &'a [u8])],
    /// Identifies it in the table.
    pub series_id: i64,
    /// Ascending.
    pub rollups: &'a [Rollup],
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileStats {
    /// Rows.
    pub rows: u64,
    /// Series.
    pub series: u64,
    /// End of the first window, milliseconds.
    pub min_end: i64,
    /// End of the last window, milliseconds.
    pub max_end: i64,
    /// The first metric.
    pub min_metric: Vec<u8>,
    /// The last metric.
    pub max_metric: Vec<u8>,
    /// Bytes of the data file.
    pub data_bytes: u64,
    /// Bytes of the file of series.
    pub series_bytes: u64,
    /// CRC-32 of the file of series.
    pub series_crc32: u32,
}

/// A data file, which begins with its first row group: then it is known whether it has native histograms.
enum Data<D: Write + Send> {
    Waiting(D),
    Begun(Box<SerializedFileWriter<Checked<D>>>),
    /// Beginning it failed.
    Lost,
}

/// Writes rows to a data file and what is known of their series to another. Memory is bounded by a row group of each.
#[expect(missing_debug_implementations, reason = "parquet's writer has none")]
pub struct TableWriter<D: Write + Send, S: Write + Send> {
    spec: FileSpec,
    data: Data<D>,
    series: SerializedFileWriter<Checked<S>>,
    rows: RowGroup,
    index: SeriesGroup,
    stats: FileStats,
}

impl<D: Write + Send, S: Write + Send> TableWriter<D, S> {
    /// Begins the file of series; the data file begins with the first row group.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(spec: FileSpec, data: D, series: S) -> Result<Self, ParquetError> {
        let data = Data::Waiting(data);
        let properties = Arc::new(series_properties(&spec)?);
        let series = SerializedFileWriter::new(Checked::new(series), series_schema()?, properties)?;
        let stats = FileStats { min_end: i64::MAX, max_end: i64::MIN, ..FileStats::default() };
        Ok(Self { spec, data, series, rows: RowGroup::default(), index: SeriesGroup::default(), stats })
    }

    /// Whether there is room for the native histograms of these rows, if they have any: there is none behind a row group
    /// without any. Then the rows belong into another file.
    #[must_use]
    pub fn takes(&self, rollups: &[Rollup]) -> bool {
        let is_open = self.spec.histograms || matches!(self.data, Data::Waiting(_));
        is_open || rollups.iter().all(|rollup| rollup.states.is_none())
    }

    /// Adds the rows of a series, which [`Self::takes`] has allowed. Series come in the order of the table.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn push(&mut self, series: &SeriesRows<'_>) -> Result<(), ParquetError> {
        let (Some(first), Some(last)) = (series.rollups.first(), series.rollups.last()) else {
            return Ok(());
        };
        let metric =
            series.labels.iter().find(|(name, _)| *name == METRIC_NAME).map_or(&[][..], |label| label.1);
        if self.stats.series == 0 {
            self.stats.min_metric = metric.to_vec();
        }
        if self.stats.max_metric != metric || self.stats.series == 0 {
            self.stats.max_metric = metric.to_vec();
        }
        self.stats.min_end = self.stats.min_end.min(first.end);
        self.stats.max_end = self.stats.max_end.max(last.end);
        self.index.push(series, self.stats.rows, (first.end, last.end));
        self.stats.series += 1;
        self.stats.rows += series.rollups.len() as u64;
        let cells = cells(series.labels, &self.spec.labels);
        self.rows.push(cells, series.series_id, series.rollups, self.spec.src);
        if self.rows.rows() >= GROUP_ROWS || self.rows.elements() >= GROUP_ELEMENTS {
            self.write_rows()?;
        }
        if self.index.len() >= GROUP_SERIES {
            std::mem::take(&mut self.index).write(&mut self.series)?;
        }
        Ok(())
    }

    /// Ends both files. They are what was given to [`Self::new`], with what they hold.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(mut self) -> Result<(D, S, FileStats), ParquetError> {
        self.write_rows()?;
        self.begin()?;
        let Data::Begun(data) = self.data else { return Err(lost()) };
        let (data, data_bytes, checksums) = data.into_inner()?.finish();
        std::mem::take(&mut self.index).write(&mut self.series)?;
        let checksums: Vec<String> = checksums.iter().map(|crc| format!("{crc:08x}")).collect();
        for (key, value) in [(CHECKSUMS_KEY, checksums.concat()), (LENGTH_KEY, data_bytes.to_string())] {
            self.series.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        let (series, series_bytes, crc32) = self.series.into_inner()?.finish_whole();
        let stats = FileStats { data_bytes, series_bytes, series_crc32: crc32, ..self.stats };
        Ok((data, series, stats))
    }

    fn write_rows(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.rows() == 0 {
            return Ok(());
        }
        self.spec.histograms |= rows.has_states() && matches!(self.data, Data::Waiting(_));
        let (labels, histograms) = (self.spec.labels.names().len(), self.spec.histograms);
        let mut group = self.begin()?.next_row_group()?;
        rows.write(&mut group, labels, histograms)?;
        group.close().map(drop)
    }

    /// The data file, whose schema is decided now at the latest.
    fn begin(&mut self) -> Result<&mut SerializedFileWriter<Checked<D>>, ParquetError> {
        if matches!(self.data, Data::Waiting(_))
            && let Data::Waiting(data) = std::mem::replace(&mut self.data, Data::Lost)
        {
            let schema = data_schema(&self.spec.labels, self.spec.histograms)?;
            let properties = Arc::new(data_properties(&self.spec)?);
            let data = SerializedFileWriter::new(Checked::new(data), schema, properties)?;
            self.data = Data::Begun(Box::new(data));
        }
        match &mut self.data {
            Data::Begun(data) => Ok(data),
            Data::Waiting(_) | Data::Lost => Err(lost()),
        }
    }
}

fn lost() -> ParquetError {
    ParquetError::General("the data file could not be begun".to_owned())
}

const METRIC_NAME: &[u8] = b"__name__";

/// Each label where it goes.
fn cells(labels: &[(&[u8], &[u8])], columns: &LabelColumns) -> LabelCells {
    let bytes = |bytes: &[u8]| ByteArray::from(bytes.to_vec());
    let mut cells = LabelCells { columns: vec![None; columns.names().len()], ..LabelCells::default() };
    for (name, value) in labels {
        if *name == METRIC_NAME {
            cells.metric = Some(bytes(value));
        } else if let Some(cell) = columns.position(name).and_then(|at| cells.columns.get_mut(at)) {
            *cell = Some(bytes(value));
        } else {
            cells.rest.push((bytes(name), bytes(value)));
        }
    }
    cells
}

/// Series that are not written yet.
#[derive(Default)]
pub(super) struct SeriesGroup {
    metrics: Vec<Option<ByteArray>>,
    labels: Vec<Vec<(ByteArray, ByteArray)>>,
    ids: Vec<i64>,
    first_rows: Vec<i64>,
    rows: Vec<i32>,
    min_ts: Vec<i64>,
    max_ts: Vec<i64>,
}

impl SeriesGroup {
    const fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn push(&mut self, series: &SeriesRows<'_>, first_row: u64, (first, last): (i64, i64)) {
        let cells = cells(series.labels, &LabelColumns::default());
        self.metrics.push(cells.metric);
        self.labels.push(cells.rest);
        self.ids.push(series.series_id);
        self.first_rows.push(i64::try_from(first_row).unwrap_or(i64::MAX));
        self.rows.push(i32::try_from(series.rollups.len()).unwrap_or(i32::MAX));
        self.min_ts.push(first.saturating_mul(1_000));
        self.max_ts.push(last.saturating_mul(1_000));
    }

    pub(super) fn write<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        if self.len() == 0 {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        let mut metrics = TextColumn::new(0);
        self.metrics.iter().for_each(|metric| metrics.push_optional(metric.as_ref()));
        metrics.write_whole(&mut group)?;
        let (mut keys, mut values) = (TextColumn::new(1), TextColumn::new(1));
        for labels in &self.labels {
            keys.push_map(labels.iter().map(|(name, _)| name));
            values.push_map(labels.iter().map(|(_, value)| value));
        }
        keys.write_whole(&mut group)?;
        values.write_whole(&mut group)?;
        write::<Int64Type, _>(&mut group, &self.ids, None)?;
        write::<Int64Type, _>(&mut group, &self.first_rows, None)?;
        write::<Int32Type, _>(&mut group, &self.rows, None)?;
        write::<Int64Type, _>(&mut group, &self.min_ts, None)?;
        write::<Int64Type, _>(&mut group, &self.max_ts, None)?;
        group.close().map(drop)
    }
}

/// What both files have in common.
fn properties(spec: &FileSpec) -> Result<WriterPropertiesBuilder, ParquetError> {
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    Ok(WriterProperties::builder()
        .set_created_by(concat!("kymo version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(None)
        .set_write_batch_size(BATCH_ROWS)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(vec![
            pair(VERSION_KEY, VERSION.to_owned()),
            pair(WIDTH_KEY, spec.width_ms.to_string()),
        ])))
}

fn data_properties(spec: &FileSpec) -> Result<WriterProperties, ParquetError> {
    let mut builder = properties(spec)?;
    // What pages are looked up by has its bounds for each page; for the rest the row group's are enough.
    for name in
        ["metric", "series_id", "ts"].into_iter().chain(spec.labels.names().iter().map(|name| &**name))
    {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Page);
    }
    for field in FIELDS.into_iter().chain(histogram_fields()) {
        let path = ColumnPath::from(field.name);
        let elements =
            || ColumnPath::from(vec![field.name.to_owned(), "list".to_owned(), "element".to_owned()]);
        builder = match field.kind {
            // But bounds are the same in most rows.
            Kind::Doubles if !field.name.ends_with("bounds") => {
                builder.set_column_dictionary_enabled(elements(), false)
            }
            // A dictionary of doubles is larger than they are.
            Kind::Double => builder.set_column_dictionary_enabled(path, false),
            Kind::Long | Kind::Time => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Kind::Text | Kind::Int | Kind::Short | Kind::Bool | Kind::Ints | Kind::Doubles => builder,
        };
    }
    let id = ColumnPath::from("series_id");
    Ok(builder
        .set_column_bloom_filter_enabled(id.clone(), true)
        .set_column_bloom_filter_max_ndv(id, 64 << 10)
        .build())
}

fn series_properties(spec: &FileSpec) -> Result<WriterProperties, ParquetError> {
    let mut builder = properties(spec)?;
    for name in ["series_id", "first_row", "min_ts", "max_ts"] {
        let path = ColumnPath::from(name);
        builder = builder.set_column_dictionary_enabled(path, false);
    }
    Ok(builder.build())
}
