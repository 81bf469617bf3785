//! Writing a file of samples.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::ColumnPath,
};

use super::{
    SampleTableError,
    buckets::{Bucket, buckets},
    schema::{TS, VALUE, schema},
};
use crate::{
    codec::{ChunkHistogram, ChunkSamples},
    histogram::HistogramValue,
    rollup::table::{BATCH_ROWS, Optional, TextColumn, next_column, write},
    wire::remote_write::HistogramSample,
};

/// Rows of a row group, and bytes of histograms in it: some tens of megabytes while it is under way.
const GROUP_ROWS: usize = 512 << 10;
const GROUP_HISTOGRAM_BYTES: usize = 16 << 20;
const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 64 << 10;

/// Writes rows to a file. Memory is bounded by a row group.
#[expect(missing_debug_implementations, reason = "parquet's writer has none")]
pub struct SampleTableWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: RowGroup,
    written: u64,
}

impl<W: Write + Send> SampleTableWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// When its header cannot be written.
    pub fn new(file: W) -> Result<Self, SampleTableError> {
        let file = SerializedFileWriter::new(file, schema()?, Arc::new(properties()?))?;
        Ok(Self { file, rows: RowGroup::default(), written: 0 })
    }

    /// Adds samples of one series, floats first. Names and values of its labels come ascending by name, `__name__` among
    /// them; series come in the order in which they are to stand in the file, and one may come again and again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(
        &mut self,
        labels: &[(&[u8], &[u8])],
        samples: &ChunkSamples,
    ) -> Result<(), SampleTableError> {
        let mut rest = (&samples.ts[..], &samples.values[..]);
        while !rest.0.is_empty() {
            let room = GROUP_ROWS.saturating_sub(self.rows.len()).clamp(1, rest.0.len());
            let (ts, later) = rest.0.split_at_checked(room).unwrap_or((rest.0, &[]));
            let (values, later_values) = rest.1.split_at_checked(room).unwrap_or((rest.1, &[]));
            self.rows.push_floats(labels, ts, values);
            rest = (later, later_values);
            self.write_if_full()?;
        }
        for histogram in &samples.histograms {
            self.rows.push_histogram(labels, histogram);
            self.write_if_full()?;
        }
        Ok(())
    }

    /// Ends the file. It is what was given to [`Self::new`], with the number of rows in it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(W, u64), SampleTableError> {
        self.write_rows()?;
        Ok((self.file.into_inner()?, self.written))
    }

    fn write_if_full(&mut self) -> Result<(), SampleTableError> {
        let full = self.rows.len() >= GROUP_ROWS || self.rows.histogram_bytes >= GROUP_HISTOGRAM_BYTES;
        if full { self.write_rows() } else { Ok(()) }
    }

    fn write_rows(&mut self) -> Result<(), SampleTableError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.len() == 0 {
            return Ok(());
        }
        self.written += rows.len() as u64;
        let mut group = self.file.next_row_group()?;
        rows.write(&mut group)?;
        group.close()?;
        Ok(())
    }
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("kymo version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(None)
        .set_write_batch_size(BATCH_ROWS)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    // A dictionary of times or doubles is larger than they are.
    for name in [TS, VALUE, "h_sum"] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    builder = builder.set_column_encoding(ColumnPath::from(TS), Encoding::DELTA_BINARY_PACKED);
    Ok(builder.build())
}

/// Rows that follow each other and have the same labels.
struct Run {
    metric: Option<ByteArray>,
    labels: Vec<(ByteArray, ByteArray)>,
    rows: usize,
}

/// A row group before it is written.
#[derive(Default)]
struct RowGroup {
    runs: Vec<Run>,
    ts: Vec<i64>,
    values: Optional<f64>,
    count: Optional<f64>,
    sum: Optional<f64>,
    schema: Optional<i32>,
    zero_threshold: Optional<f64>,
    zero_count: Optional<f64>,
    buckets: Buckets,
    messages: Optional<ByteArray>,
    histogram_bytes: usize,
}

impl RowGroup {
    const fn len(&self) -> usize {
        self.ts.len()
    }

    fn push_floats(&mut self, labels: &[(&[u8], &[u8])], ts: &[i64], values: &[f64]) {
        self.push_run(labels, ts.len());
        self.ts.extend(ts.iter().map(|ts| ts.saturating_mul(1_000)));
        values.iter().for_each(|value| self.values.push(Some(*value)));
        ts.iter().for_each(|_| self.push_histogram_columns(None));
    }

    fn push_histogram(&mut self, labels: &[(&[u8], &[u8])], histogram: &ChunkHistogram) {
        self.push_run(labels, 1);
        self.ts.push(histogram.ts.saturating_mul(1_000));
        self.values.push(None);
        self.push_histogram_columns(Some(histogram));
    }

    fn push_run(&mut self, labels: &[(&[u8], &[u8])], rows: usize) {
        let bytes = |bytes: &[u8]| ByteArray::from(bytes.to_vec());
        let (metric, labels): (Vec<_>, Vec<_>) = labels.iter().partition(|(name, _)| *name == b"__name__");
        let metric = metric.first().map(|(_, value)| bytes(value));
        let labels = labels.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        match self.runs.last_mut() {
            Some(last) if last.metric == metric && last.labels == labels => last.rows += rows,
            _ => self.runs.push(Run { metric, labels, rows }),
        }
    }

    fn push_histogram_columns(&mut self, histogram: Option<&ChunkHistogram>) {
        let message = histogram.map(|sample| {
            // The time has a column of its own.
            let sample = HistogramSample { ts: 0, start_ts: 0, value: sample.value.clone() };
            sample.to_message()
        });
        self.histogram_bytes += message.as_ref().map_or(0, |message| message.len() * 4);
        self.messages.push(message.map(ByteArray::from));
        let float = histogram.map(|sample| HistogramValue::to_float(&sample.value));
        self.count.push(float.as_ref().map(|float| float.count));
        self.sum.push(float.as_ref().map(|float| float.sum));
        self.schema.push(float.as_ref().map(|float| float.schema));
        self.zero_threshold.push(float.as_ref().map(|float| float.zero_threshold));
        self.zero_count.push(float.as_ref().map(|float| float.zero_count));
        self.buckets.push(float.as_ref().map(buckets));
    }

    /// Writes all columns, in the order of the schema.
    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        self.write_text(group, 0, |column, run| column.push_optional(run.metric.as_ref()))?;
        self.write_text(group, 1, |column, run| column.push_map(run.labels.iter().map(|label| &label.0)))?;
        self.write_text(group, 1, |column, run| column.push_map(run.labels.iter().map(|label| &label.1)))?;
        write::<Int64Type, _>(group, &self.ts, None)?;
        for column in [&self.values, &self.count, &self.sum] {
            write::<DoubleType, _>(group, &column.values, Some(&column.defined))?;
        }
        write::<Int32Type, _>(group, &self.schema.values, Some(&self.schema.defined))?;
        for column in [&self.zero_threshold, &self.zero_count] {
            write::<DoubleType, _>(group, &column.values, Some(&column.defined))?;
        }
        self.buckets.write(group)?;
        write::<ByteArrayType, _>(group, &self.messages.values, Some(&self.messages.defined))
    }

    /// A column that is the same in all rows of a run; `push` adds one row of it.
    fn write_text<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        depth: i16,
        push: impl Fn(&mut TextColumn, &Run),
    ) -> Result<(), ParquetError> {
        let mut column = TextColumn::new(depth);
        let mut writer = next_column(group)?;
        for run in &self.runs {
            for _ in 0..run.rows {
                push(&mut column, run);
                if column.len() >= BATCH_ROWS {
                    column.write(writer.typed::<ByteArrayType>())?;
                }
            }
        }
        column.write(writer.typed::<ByteArrayType>())?;
        writer.close()
    }
}

/// The column of lists of buckets.
#[derive(Default)]
struct Buckets {
    values: Vec<Bucket>,
    /// 0 without a histogram, 1 where it is empty, 2 for each bucket.
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Buckets {
    fn push(&mut self, buckets: Option<Vec<Bucket>>) {
        let is_histogram = buckets.is_some();
        let buckets = buckets.unwrap_or_default();
        if buckets.is_empty() {
            self.defined.push(i16::from(is_histogram));
            self.repeated.push(0);
        }
        for (number, bucket) in buckets.into_iter().enumerate() {
            self.defined.push(2);
            self.repeated.push(i16::from(number > 0));
            self.values.push(bucket);
        }
    }

    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let parts: [fn(&Bucket) -> f64; 3] =
            [|bucket| bucket.lower, |bucket| bucket.upper, |bucket| bucket.count];
        for part in parts {
            let values: Vec<f64> = self.values.iter().map(part).collect();
            let mut writer = next_column(group)?;
            writer.typed::<DoubleType>().write_batch(&values, Some(&self.defined), Some(&self.repeated))?;
            writer.close()?;
        }
        Ok(())
    }
}
