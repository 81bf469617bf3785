//! Series in order to a block file.
//!
//! Chunk data goes to the file as it comes, so memory is bounded by the index: a few bytes per label and
//! chunk. The sections behind it are written at the end.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::{
    block::{
        PAGE_BYTES, SECTION_ALIGNMENT, footer,
        header::{HEADER_BYTES, Header},
        meta::BlockSummary,
        section::{SectionEntry, SectionKind},
    },
    checksum::{crc32, crc32_append},
    codec::column_chunk::{ColumnChunk, TimestampRun},
    index::{
        chunk_directory::{ChunkDirectoryBuilder, ChunkMeta},
        stats::{self, MetricStats},
        summaries::SummariesBuilder,
    },
};

use super::{
    BlockChunk, BlockError, BlockInfo, ChunkBody, ChunkColumns, block_path, timestamps::TimestampTable,
};
use crate::{
    env::{File, Fs, OpenMode},
    index::{IndexBuilder, series_order},
    model::Labels,
};

/// Bytes collected before they are written: fewer, larger writes.
const BUFFER_BYTES: usize = 1024 * 1024;

/// What the caller decides about a block that is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSpec {
    /// Its id, which no other block has or had.
    pub id: u64,
    /// Its level of compaction.
    pub level: u8,
    /// See [`BlockSummary::sequence`]: its id, unless it is made from other blocks.
    pub sequence: u64,
    /// Reserved for tenants; 0.
    pub space: u32,
}

/// Writes one block. Dropped before [`Self::finish`] has succeeded, it leaves nothing behind.
#[derive(Debug)]
pub struct BlockWriter {
    spec: BlockSpec,
    dir: PathBuf,
    out: Output,
    pages: PageChecksums,
    index: IndexBuilder,
    chunks: ChunkDirectoryBuilder,
    /// None at level 0, whose chunks are short and soon merged.
    summaries: Option<SummariesBuilder>,
    timestamps: TimestampTable,
    metrics: Vec<MetricStats>,
    summary: BlockSummary,
    last: Option<Labels>,
    /// Chunks of the series that is being added; kept for its memory.
    series_chunks: Vec<(ChunkMeta, u32)>,
}

impl BlockWriter {
    /// Starts a block in `dir`, under a temporary name.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(fs: Arc<dyn Fs>, dir: &Path, spec: BlockSpec) -> Result<Self, BlockError> {
        let mut out = Output::create(fs, dir.join(format!("{:016}.blk.tmp", spec.id)))?;
        out.write(&Header { space: spec.space, block_id: spec.id }.encode())?;
        Ok(Self {
            spec,
            dir: dir.to_owned(),
            out,
            pages: PageChecksums::default(),
            index: IndexBuilder::default(),
            chunks: ChunkDirectoryBuilder::default(),
            summaries: (spec.level > 0).then(SummariesBuilder::default),
            timestamps: TimestampTable::default(),
            metrics: Vec::new(),
            summary: BlockSummary {
                level: spec.level,
                sequence: spec.sequence,
                min_ts: i64::MAX,
                end_ts: i64::MIN,
                ..Default::default()
            },
            last: None,
            series_chunks: Vec::new(),
        })
    }

    /// Appends a series with its chunks, in order of time. A series without chunks is left out.
    ///
    /// # Errors
    /// When `labels` do not come after those of the series before, and when writing fails.
    pub fn add_series<'b, C: Into<BlockChunk<'b>>>(
        &mut self,
        labels: &Labels,
        chunks: impl IntoIterator<Item = C>,
    ) -> Result<(), BlockError> {
        let chunks: Vec<BlockChunk<'b>> = chunks.into_iter().map(Into::into).collect();
        if chunks.is_empty() {
            return Ok(());
        }
        self.start_series(labels)?;
        self.series_chunks.clear();
        let columns: Vec<&[i64]> = chunks.iter().filter_map(|chunk| timestamps_of(&chunk.body)).collect();
        let mut runs =
            if columns.is_empty() { Vec::new() } else { self.timestamps.runs(&columns) }.into_iter();
        let mut bytes = Vec::new();
        for BlockChunk { meta, body, .. } in &chunks {
            match body {
                ChunkBody::Whole(bytes) => self.add_chunk(*meta, bytes)?,
                ChunkBody::Columns(columns) => {
                    bytes.clear();
                    column_chunk(columns, runs.next().unwrap_or_default(), &mut bytes);
                    self.add_chunk(*meta, &bytes)?;
                }
            }
        }
        if let Some(summaries) = &mut self.summaries {
            let chunks = chunks.iter().map(|chunk| (&chunk.meta, chunk.summary.as_ref()));
            summaries.push(chunks).map_err(self.out.too_large())?;
        }
        self.chunks.push(&self.series_chunks).map_err(self.out.too_large())
    }

    /// Number of series so far.
    #[must_use]
    pub const fn series(&self) -> u32 {
        self.summary.series
    }

    /// Writes index and footer, makes the file durable and gives it its name. `None`, and no file, when there
    /// was no series.
    ///
    /// # Errors
    /// When writing, syncing or renaming fails; no file is left then.
    pub fn finish(mut self) -> Result<Option<BlockInfo>, BlockError> {
        if self.summary.series == 0 {
            return Ok(None);
        }
        self.summary.chunk_bytes = self.chunks.data_len();
        let mut sections = self.write_sections()?;
        sections.push(SectionEntry {
            kind: SectionKind::CHUNKS,
            version: 1,
            crc: 0,
            offset: HEADER_BYTES as u64,
            len: self.summary.chunk_bytes,
        });
        self.out.write(&footer::encode(&sections, self.out.position()))?;
        let path = block_path(&self.dir, self.spec.id);
        let file_bytes = self.out.publish(&self.dir, &path)?;
        Ok(Some(BlockInfo {
            id: self.spec.id,
            space: self.spec.space,
            path,
            file_bytes,
            summary: self.summary,
        }))
    }

    fn start_series(&mut self, labels: &Labels) -> Result<(), BlockError> {
        if self.last.as_ref().is_some_and(|last| series_order(last, labels).is_ge()) {
            return Err(BlockError::Unordered { path: self.out.path.clone(), series: labels.clone() });
        }
        if self.metrics.last().is_none_or(|metric| metric.name != labels.metric_name()) {
            self.metrics.push(MetricStats { name: labels.metric_name().to_vec(), ..Default::default() });
        }
        if let Some(metric) = self.metrics.last_mut() {
            metric.series += 1;
        }
        self.index.push(labels);
        self.summary.series += 1;
        self.last = Some(labels.clone());
        Ok(())
    }

    fn add_chunk(&mut self, meta: ChunkMeta, bytes: &[u8]) -> Result<(), BlockError> {
        let too_large = kymo_formats::index::TooLarge { what: "chunk" };
        let len = u32::try_from(bytes.len()).map_err(|_| self.out.too_large()(too_large))?;
        self.out.write(bytes)?;
        self.pages.update(bytes);
        self.series_chunks.push((meta, len));
        self.summary.min_ts = self.summary.min_ts.min(meta.min_ts);
        self.summary.end_ts = self.summary.end_ts.max(meta.max_ts.saturating_add(1));
        self.summary.chunks += 1;
        self.summary.samples += u64::from(meta.count);
        if let Some(metric) = self.metrics.last_mut() {
            metric.chunks += 1;
            metric.samples += u64::from(meta.count);
            metric.chunk_bytes += u64::from(len);
        }
        Ok(())
    }

    /// Writes all sections but the chunk data. Each is made when its turn has come and then forgotten.
    fn write_sections(&mut self) -> Result<Vec<SectionEntry>, BlockError> {
        let mut written = Vec::new();
        if let Some(timestamps) = self.timestamps.section() {
            written.push(self.out.section(SectionKind::TIMESTAMPS, &timestamps)?);
        }
        let mut bytes = Vec::new();
        if let Some(summaries) = self.summaries.take() {
            summaries.finish(&mut bytes);
            written.push(self.out.section(SectionKind::SUMMARIES, &bytes)?);
        }
        bytes = std::mem::take(&mut self.pages).finish();
        written.push(self.out.section(SectionKind::CHUNK_PAGES, &bytes)?);
        bytes.clear();
        std::mem::take(&mut self.chunks).finish(&mut bytes);
        written.push(self.out.section(SectionKind::CHUNK_DIRECTORY, &bytes)?);
        drop(bytes);
        let index = std::mem::take(&mut self.index).finish().map_err(self.out.too_large())?;
        for (kind, bytes) in [
            (SectionKind::SERIES, index.series),
            (SectionKind::LABEL_NAMES, index.names),
            (SectionKind::LABEL_DIRECTORY, index.directory),
            (SectionKind::LABEL_VALUES, index.values),
            (SectionKind::POSTINGS, index.postings),
            (SectionKind::FINGERPRINTS, index.fingerprints),
        ] {
            written.push(self.out.section(kind, &bytes)?);
        }
        let (mut metrics, mut summary) = (Vec::new(), Vec::new());
        stats::encode(&self.metrics, &mut metrics);
        self.summary.encode(&mut summary);
        written.push(self.out.section(SectionKind::STATS, &metrics)?);
        written.push(self.out.section(SectionKind::META, &summary)?);
        Ok(written)
    }
}

fn timestamps_of<'c>(body: &'c ChunkBody<'_>) -> Option<&'c [i64]> {
    match body {
        ChunkBody::Whole(_) => None,
        ChunkBody::Columns(columns) => Some(&columns.ts),
    }
}

fn column_chunk(columns: &ChunkColumns<'_>, times: TimestampRun, out: &mut Vec<u8>) {
    ColumnChunk { times, starts: columns.starts.as_deref(), values: &columns.values }.encode(out);
}

/// A file under a temporary name, written from front to back.
#[derive(Debug)]
struct Output {
    fs: Arc<dyn Fs>,
    file: Arc<dyn File>,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    published: bool,
}

impl Output {
    fn create(fs: Arc<dyn Fs>, path: PathBuf) -> Result<Self, BlockError> {
        // What an earlier attempt left when the process ended; nothing refers to it.
        if fs.exists(&path).map_err(BlockError::io("look for", &path))? {
            fs.remove(&path).map_err(BlockError::io("remove", &path))?;
        }
        let file = fs.open(&path, OpenMode::CreateNew).map_err(BlockError::io("create", &path))?;
        Ok(Self { fs, file, path, buffer: Vec::new(), written: 0, published: false })
    }

    const fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.write_through(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write_through(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write_through(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        self.file.write_at(bytes, self.written).map_err(BlockError::io("write", &self.path))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes one section at the next aligned offset.
    fn section(&mut self, kind: SectionKind, bytes: &[u8]) -> Result<SectionEntry, BlockError> {
        const ZEROS: [u8; SECTION_ALIGNMENT] = [0; SECTION_ALIGNMENT];
        let padding = self.position().next_multiple_of(SECTION_ALIGNMENT as u64) - self.position();
        let padding = usize::try_from(padding).expect("less than the alignment");
        self.write(&ZEROS[..padding])?;
        let offset = self.position();
        self.write(bytes)?;
        Ok(SectionEntry { kind, version: 1, crc: crc32(bytes), offset, len: bytes.len() as u64 })
    }

    /// Makes the file durable and renames it to `path`: the length of the file.
    fn publish(&mut self, dir: &Path, path: &Path) -> Result<u64, BlockError> {
        self.flush()?;
        self.file.sync_data().map_err(BlockError::io("sync", &self.path))?;
        self.fs.rename(&self.path, path).map_err(BlockError::io("rename", &self.path))?;
        path.clone_into(&mut self.path);
        self.fs.sync_dir(dir).map_err(BlockError::io("sync", dir))?;
        self.published = true;
        Ok(self.written)
    }

    fn too_large(&self) -> impl FnOnce(kymo_formats::index::TooLarge) -> BlockError {
        let path = self.path.clone();
        move |source| BlockError::TooLarge { path, source }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = self.fs.remove(&self.path)
        {
            // It is not in the manifest, so the next start removes it.
            tracing::warn!(path = %self.path.display(), %error, "unfinished block not removed");
        }
    }
}

/// The checksums of the pages of a stream of bytes.
#[derive(Debug, Default)]
struct PageChecksums {
    finished: Vec<u8>,
    crc: u32,
    /// Bytes of the page that is not finished.
    filled: usize,
}

impl PageChecksums {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(PAGE_BYTES - self.filled));
            self.crc = crc32_append(self.crc, head);
            self.filled += head.len();
            if self.filled == PAGE_BYTES {
                self.finish_page();
            }
            bytes = tail;
        }
    }

    fn finish_page(&mut self) {
        self.finished.extend_from_slice(&self.crc.to_le_bytes());
        (self.crc, self.filled) = (0, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.finish_page();
        }
        self.finished
    }
}
