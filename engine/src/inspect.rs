//! What a data directory consists of, read without changing it: blocks, sections, encodings, labels, the log.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use kymo_formats::{
    codec::{
        Encoding,
        column_chunk::{ColumnChunk, ColumnEncoding},
        histogram::columns,
        values::ValueEncoding,
    },
    index::{chunk_directory::ChunkEntry, stats::MetricStats},
};

use crate::{
    block::{BlockError, BlockReader, block_path},
    checkpoint_file,
    env::Fs,
    error::Error,
    index::LabelIndex,
    manifest::{self, BlockMeta, Version},
    verify::share_lock,
    wal,
};

/// What a store consists of on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The live blocks, oldest first.
    pub blocks: Vec<InspectedBlock>,
    /// Bytes of the sections of all blocks, by what they hold, the largest first.
    pub sections: Vec<SectionBytes>,
    /// Chunks of all blocks, by encoding.
    pub encodings: Vec<EncodingStats>,
    /// Metrics of all blocks; series are counted once for each block that has them.
    pub metrics: Vec<MetricStats>,
    /// Labels of all blocks.
    pub labels: Vec<LabelStats>,
    /// The write-ahead log and what else lies beside the blocks.
    pub log: LogBytes,
}

/// A live block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedBlock {
    /// What the manifest says.
    pub meta: BlockMeta,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of distinct timestamp columns that chunks share.
    pub timestamp_columns: u64,
    /// Bytes of the summaries of its chunks.
    pub summary_bytes: u64,
    /// Why the block, or a part of it, is not in the tables.
    pub damage: Option<String>,
}

/// Bytes of a kind of section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionBytes {
    /// What the sections hold.
    pub name: &'static str,
    /// Their bytes.
    pub bytes: u64,
}

/// Chunks of one encoding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodingStats {
    /// The encoding.
    pub name: String,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of samples.
    pub samples: u64,
    /// Bytes of chunk data.
    pub bytes: u64,
}

/// The values of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelStats {
    /// Its name.
    pub name: Vec<u8>,
    /// Distinct values in the block that has most of them.
    pub values: u64,
    /// Series that have it, in the block that has most of them.
    pub series: u64,
}

/// Bytes beside the blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogBytes {
    /// Segments of the write-ahead log that the next start replays.
    pub segments: u64,
    /// Their length.
    pub segment_bytes: u64,
    /// What of it has been written.
    pub used_bytes: u64,
    /// The checkpoint.
    pub checkpoint_bytes: u64,
    /// The manifest.
    pub manifest_bytes: u64,
}

/// Looks at the data directory `dir`, at all blocks or only `block`, and changes nothing. What is damaged is left
/// out and named; [`crate::verify`] finds all damage.
///
/// # Errors
/// When another process has the directory open, it is none, its manifest is damaged, there is no such block, or a
/// file cannot be read.
pub fn inspect(fs: &Arc<dyn Fs>, dir: &Path, block: Option<u64>) -> Result<Inspection, Error> {
    let _lock = share_lock(&**fs, dir)?;
    let no_store = || Error::NoStore { path: dir.to_owned() };
    let manifest_dir = dir.join("manifest");
    if !fs.exists(&manifest_dir).map_err(Error::io("look for", &manifest_dir))? {
        return Err(no_store());
    }
    let manifest = manifest::read(&**fs, &manifest_dir)?.ok_or_else(no_store)?;
    let mut inspection =
        Inspection { log: log_bytes(&**fs, dir, &manifest.version)?, ..Inspection::default() };
    inspection.log.manifest_bytes = manifest.bytes;
    let mut sums = Sums::default();
    for meta in manifest.version.blocks().iter().filter(|meta| block.is_none_or(|id| id == meta.id)) {
        inspection.blocks.push(sums.add_block(&**fs, dir, meta, manifest.version.has_file(meta.id)));
    }
    if let Some(id) = block.filter(|_| inspection.blocks.is_empty()) {
        return Err(BlockError::Unknown { path: block_path(&dir.join("blocks"), id) }.into());
    }
    sums.into_tables(&mut inspection);
    Ok(inspection)
}

fn log_bytes(fs: &dyn Fs, dir: &Path, version: &Version) -> Result<LogBytes, Error> {
    let wal_dir = dir.join("wal");
    let start = version.wal_start();
    let log = wal::check(fs, &wal_dir, Some(start.segment))?;
    let checkpoint = start.checkpoint.map(|number| checkpoint_file::path(&wal_dir, number));
    Ok(LogBytes {
        segments: log.segments.len() as u64,
        segment_bytes: log.segments.iter().map(|segment| segment.bytes).sum(),
        used_bytes: log.segments.iter().map(|segment| segment.used_bytes).sum(),
        checkpoint_bytes: checkpoint.and_then(|path| fs.file_len(&path).ok()).unwrap_or(0),
        manifest_bytes: 0,
    })
}

/// What all blocks have together.
#[derive(Debug, Default)]
struct Sums {
    sections: BTreeMap<&'static str, u64>,
    encodings: BTreeMap<Codec, EncodingStats>,
    metrics: BTreeMap<Vec<u8>, MetricStats>,
    labels: BTreeMap<Vec<u8>, LabelStats>,
}

impl Sums {
    fn add_block(&mut self, fs: &dyn Fs, dir: &Path, meta: &Arc<BlockMeta>, in_dir: bool) -> InspectedBlock {
        let mut block = InspectedBlock {
            meta: (**meta).clone(),
            chunks: 0,
            timestamp_columns: 0,
            summary_bytes: 0,
            damage: None,
        };
        if !in_dir {
            return block;
        }
        let opened = BlockReader::open(fs, &block_path(&dir.join("blocks"), meta.id), meta.id);
        let added = opened.and_then(|reader| {
            block.chunks = reader.info().summary.chunks;
            block.summary_bytes = reader.summary_bytes();
            self.add_sections(&reader);
            self.add_chunks(&reader)?;
            self.add_metrics(&reader)?;
            self.add_labels(&reader)?;
            block.timestamp_columns = reader.timestamp_columns()? as u64;
            Ok(())
        });
        block.damage = added.err().map(|error| error.to_string());
        block
    }

    fn add_sections(&mut self, reader: &BlockReader) {
        for (name, bytes) in reader.section_bytes() {
            *self.sections.entry(name).or_default() += bytes;
        }
    }

    fn add_chunks(&mut self, reader: &BlockReader) -> Result<(), BlockError> {
        let directory = reader.chunk_directory()?;
        let mut cursor = directory.cursor();
        let mut chunks = Vec::new();
        for rank in 0..directory.len() {
            chunks.clear();
            cursor.get(rank, &mut chunks).map_err(BlockError::corrupt(&reader.info().path))?;
            for chunk in &chunks {
                let stats = self.encodings.entry(Codec::of(reader, chunk)).or_default();
                stats.chunks += 1;
                stats.samples += u64::from(chunk.meta.count);
                stats.bytes += u64::from(chunk.len);
            }
        }
        Ok(())
    }

    fn add_metrics(&mut self, reader: &BlockReader) -> Result<(), BlockError> {
        for metric in reader.stats()? {
            let sum = self.metrics.entry(metric.name.clone()).or_default();
            sum.name = metric.name;
            sum.series += metric.series;
            sum.chunks += metric.chunks;
            sum.samples += metric.samples;
            sum.chunk_bytes += metric.chunk_bytes;
        }
        Ok(())
    }

    fn add_labels(&mut self, reader: &BlockReader) -> Result<(), BlockError> {
        let corrupt = || BlockError::corrupt(&reader.info().path);
        let index = reader.index()?;
        for name in index.names(None).map_err(corrupt())? {
            let values = index.value_count(&name, b"").map_err(corrupt())?;
            let series = index.with_label(&name).map_err(corrupt())?.len();
            let most = self.labels.entry(name.clone()).or_insert(LabelStats { name, values: 0, series: 0 });
            most.values = most.values.max(values);
            most.series = most.series.max(series);
        }
        Ok(())
    }

    fn into_tables(self, inspection: &mut Inspection) {
        inspection.sections =
            self.sections.into_iter().map(|(name, bytes)| SectionBytes { name, bytes }).collect();
        inspection.sections.sort_by_key(|section| std::cmp::Reverse(section.bytes));
        let named = |(codec, stats): (Codec, _)| EncodingStats { name: codec.name(), ..stats };
        inspection.encodings = self.encodings.into_iter().map(named).collect();
        inspection.metrics = self.metrics.into_values().collect();
        inspection.labels = self.labels.into_values().collect();
    }
}

/// How a chunk is stored: its encoding, and what its column is where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Codec {
    encoding: u8,
    column: Option<&'static str>,
}

impl Codec {
    fn of(reader: &BlockReader, chunk: &ChunkEntry) -> Self {
        let encoding = chunk.meta.encoding;
        let column = ColumnEncoding::from_u8(encoding).map(|of| {
            let bytes = reader.chunk(chunk).ok();
            let values =
                bytes.as_deref().and_then(|bytes| ColumnChunk::parse(bytes).ok()).map(|parts| parts.values);
            values
                .and_then(|values| column_name(of, values, chunk.meta.count as usize))
                .unwrap_or("unreadable")
        });
        Self { encoding, column }
    }

    fn name(self) -> String {
        if let Some(column) = self.column {
            return format!("columns, {column}");
        }
        let Some(encoding) = Encoding::from_u8(self.encoding) else {
            return format!("unknown ({})", self.encoding);
        };
        let base = match encoding.base() {
            Encoding::Histogram => "histogram",
            Encoding::FloatHistogram => "float histogram",
            _ => "xor",
        };
        if encoding.has_start_ts() { format!("{base}, start timestamps") } else { base.to_owned() }
    }
}

fn column_name(encoding: ColumnEncoding, column: &[u8], count: usize) -> Option<&'static str> {
    match encoding {
        ColumnEncoding::Floats => ValueEncoding::of(column).map(ValueEncoding::name),
        ColumnEncoding::Histograms => {
            let outline = columns::outline(column, count).ok()?;
            Some(if outline.is_float { "float histogram" } else { "histogram" })
        }
    }
}
