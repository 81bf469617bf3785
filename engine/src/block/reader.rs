//! A block file, mapped or in object storage, as an index and chunks.
//!
//! Opening verifies header, footer and the summary. Every other section is verified on first use, chunk
//! data page by page as it is read; what has been found whole is not looked at again.

use std::{
    borrow::Cow,
    ops::Range,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use kymo_formats::{
    DecodeError,
    block::{
        PAGE_BYTES, footer,
        header::Header,
        meta::BlockSummary,
        section::{SectionEntry, SectionKind},
        timestamps::TimestampColumns,
    },
    checksum::crc32,
    codec::{
        ChunkSamples, Encoding,
        column_chunk::{ColumnChunk, ColumnEncoding},
        decode_chunk,
    },
    index::{
        chunk_directory::{self, ChunkDirectory, ChunkEntry},
        fingerprints::Fingerprints,
        stats::{self, MetricStats},
    },
};
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    BlockError, BlockInfo, ChunkColumns, cold::ColdObject, column_cache::ColumnCache, pages::VerifiedPages,
};
use crate::{
    env::{Fs, Mapping},
    index::{self, IndexBytes, IndexReader, LabelsCursor, MatcherCache},
    model::{Labels, Matcher},
};

/// Version of every section that this reader knows.
const SECTION_VERSION: u16 = 1;

/// An open block.
#[derive(Debug)]
pub struct BlockReader {
    info: BlockInfo,
    pub(super) source: Source,
    pub(super) sections: Vec<Section>,
    pub(super) chunk_data: Range<usize>,
    pages: VerifiedPages,
    timestamps: ColumnCache,
    matchers: MatcherCache,
}

/// Where the bytes of a block are.
#[derive(Debug)]
pub(super) enum Source {
    /// In a file.
    File(Mapping),
    /// In object storage; of its sections those are in memory that were asked for.
    Object(Arc<ColdObject>),
}

#[derive(Debug)]
pub(super) struct Section {
    pub(super) entry: SectionEntry,
    pub(super) range: Range<usize>,
    pub(super) verified: AtomicBool,
    /// Its bytes, if they are from object storage and have been read.
    pub(super) fetched: OnceLock<Bytes>,
}

impl BlockReader {
    /// Opens the block `id`, which lies at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a block of a known version, is another block, or is damaged in
    /// what is verified here.
    pub fn open(fs: &dyn Fs, path: &Path, id: u64) -> Result<Self, BlockError> {
        let map = fs.map(path).map_err(BlockError::io("map", path))?;
        let header = Header::decode(&map).map_err(BlockError::corrupt(path))?;
        let entries = footer::decode(&map).map_err(BlockError::corrupt(path))?;
        let sections = section_table(entries, map.len()).map_err(BlockError::corrupt(path))?;
        let file_bytes = map.len() as u64;
        Self::assemble(Source::File(map), path, id, header, sections, file_bytes)
    }

    /// The reader of the block `id`, once its header and its section table have been read.
    pub(super) fn assemble(
        source: Source,
        path: &Path,
        id: u64,
        header: Header,
        sections: Vec<Section>,
        file_bytes: u64,
    ) -> Result<Self, BlockError> {
        if header.block_id != id {
            return Err(BlockError::WrongBlock {
                path: path.to_owned(),
                expected: id,
                found: header.block_id,
            });
        }
        let info = BlockInfo {
            id,
            space: header.space,
            path: path.to_owned(),
            file_bytes,
            summary: BlockSummary::default(),
        };
        let mut reader = Self {
            info,
            source,
            sections,
            chunk_data: 0..0,
            pages: VerifiedPages::new(0),
            timestamps: ColumnCache::default(),
            matchers: MatcherCache::default(),
        };
        reader.chunk_data = reader.find(SectionKind::CHUNKS)?.range.clone();
        reader.pages = VerifiedPages::new(reader.chunk_data.len());
        reader.info.summary =
            BlockSummary::decode(reader.section(SectionKind::META)?).map_err(BlockError::corrupt(path))?;
        Ok(reader)
    }

    /// Bytes of decoded timestamps that are kept.
    pub(super) fn timestamp_cache_bytes(&self) -> usize {
        self.timestamps.bytes()
    }

    /// Bytes of answers to regular expressions that are kept.
    pub(super) fn matcher_cache_bytes(&self) -> usize {
        self.matchers.bytes()
    }

    /// Id, path, length and summary.
    #[must_use]
    pub const fn info(&self) -> &BlockInfo {
        &self.info
    }

    /// Ranks of the series that satisfy all `matchers`.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn select(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, BlockError> {
        index::select(&self.index()?, matchers).map_err(self.corrupt())
    }

    /// Label names of the series that satisfy all `matchers`, sorted.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn label_names(&self, matchers: &[Matcher]) -> Result<Vec<Vec<u8>>, BlockError> {
        index::label_names(&self.index()?, matchers).map_err(self.corrupt())
    }

    /// Values of the label `name` in the series that satisfy all `matchers`, sorted.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn label_values(&self, name: &[u8], matchers: &[Matcher]) -> Result<Vec<Vec<u8>>, BlockError> {
        index::label_values(&self.index()?, name, matchers).map_err(self.corrupt())
    }

    /// The series of the block, for reading labels and chunks: cheapest when asked in the order of ranks.
    ///
    /// # Errors
    /// When the index or the chunk directory is damaged.
    pub fn series(&self) -> Result<BlockSeries<'_>, BlockError> {
        let directory = self.chunk_directory()?;
        let index = self.index()?;
        if directory.len() != index.series_count() {
            return Err(self.corrupt()(DecodeError::new("chunk directory", 8)));
        }
        Ok(BlockSeries {
            block: self,
            labels: index.labels(),
            chunks: directory.cursor(),
            len: directory.len(),
        })
    }

    /// Which chunks each series has.
    pub(crate) fn chunk_directory(&self) -> Result<ChunkDirectory<'_>, BlockError> {
        ChunkDirectory::parse(self.section(SectionKind::CHUNK_DIRECTORY)?).map_err(self.corrupt())
    }

    /// The labels of the series `rank`. For more than one use [`Self::series`].
    ///
    /// # Errors
    /// When there is no such series, or the index is damaged.
    pub fn labels(&self, rank: u32) -> Result<Labels, BlockError> {
        self.index()?.labels().get(rank).map_err(self.corrupt())
    }

    /// The rank of the series `labels`, if the block has it.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn rank(&self, labels: &Labels) -> Result<Option<u32>, BlockError> {
        let section = self.section(SectionKind::FINGERPRINTS)?;
        let fingerprints = Fingerprints::parse(section).map_err(self.corrupt())?;
        let mut cursor = self.index()?.labels();
        for rank in fingerprints.candidates(xxh3_128(labels.canonical())) {
            if cursor.get(rank).map_err(self.corrupt())? == *labels {
                return Ok(Some(rank));
            }
        }
        Ok(None)
    }

    /// The bytes of a chunk of this block.
    ///
    /// # Errors
    /// When a page that holds part of it is damaged; chunks on other pages can be read all the same.
    pub fn chunk(&self, chunk: &ChunkEntry) -> Result<Cow<'_, [u8]>, BlockError> {
        self.chunk_bytes(self.chunk_range(chunk)?, &self.pages)
    }

    /// Where a chunk lies in the chunk data.
    pub(super) fn chunk_range(&self, chunk: &ChunkEntry) -> Result<Range<usize>, BlockError> {
        let range = || {
            let start = usize::try_from(chunk.offset).ok()?;
            let end = start.checked_add(usize::try_from(chunk.len).ok()?)?;
            (end <= self.chunk_data.len()).then_some(start..end)
        };
        range().ok_or_else(|| self.corrupt()(DecodeError::new("chunk", self.chunk_data.end)))
    }

    /// Gives back the memory that reading these bytes of the chunk data has taken, for readers that go through all of
    /// it once.
    pub(crate) fn release_chunks(&self, range: Range<usize>) {
        let start = self.chunk_data.start;
        let Source::File(map) = &self.source else { return };
        map.release(start + range.start..(start + range.end).min(self.chunk_data.end));
    }

    /// Appends the samples of a chunk of this block to `out`.
    ///
    /// # Errors
    /// When the chunk, or what it refers to, is damaged.
    pub fn decode(&self, chunk: &ChunkEntry, out: &mut ChunkSamples) -> Result<(), BlockError> {
        let bytes = self.chunk(chunk)?;
        if let Some(encoding) = ColumnEncoding::from_u8(chunk.meta.encoding) {
            let parts = ColumnChunk::parse(&bytes).map_err(self.corrupt())?;
            let column = self.timestamps(parts.times.column)?;
            return parts.decode(encoding, chunk.meta.count as usize, &column, out).map_err(self.corrupt());
        }
        let encoding = Encoding::from_u8(chunk.meta.encoding);
        let encoding = encoding.ok_or_else(|| self.corrupt()(DecodeError::new("chunk encoding", 0)))?;
        decode_chunk(encoding, &bytes, out).map_err(self.corrupt())
    }

    /// The chunk for another block, its values as they are encoded; `None` if it is not kept by column.
    ///
    /// # Errors
    /// When the chunk, or its timestamps, are damaged.
    pub fn columns(&self, chunk: &ChunkEntry) -> Result<Option<ChunkColumns<'_>>, BlockError> {
        if ColumnEncoding::from_u8(chunk.meta.encoding).is_none() {
            return Ok(None);
        }
        Ok(Some(match self.chunk(chunk)? {
            Cow::Borrowed(bytes) => self.columns_of(chunk, bytes)?,
            Cow::Owned(bytes) => self.columns_of(chunk, &bytes)?.into_owned(),
        }))
    }

    fn columns_of<'b>(&self, chunk: &ChunkEntry, bytes: &'b [u8]) -> Result<ChunkColumns<'b>, BlockError> {
        let parts = ColumnChunk::parse(bytes).map_err(self.corrupt())?;
        let column = self.timestamps(parts.times.column)?;
        let mut ts = Vec::new();
        parts.times.resolve(chunk.meta.count as usize, &column, &mut ts).map_err(self.corrupt())?;
        Ok(ChunkColumns { ts, starts: parts.starts.map(Cow::Borrowed), values: Cow::Borrowed(parts.values) })
    }

    /// Number of distinct timestamp columns that the chunks share.
    ///
    /// # Errors
    /// When the section is damaged.
    pub fn timestamp_columns(&self) -> Result<usize, BlockError> {
        if self.sections.iter().all(|section| section.entry.kind != SectionKind::TIMESTAMPS) {
            return Ok(0);
        }
        let section = self.section(SectionKind::TIMESTAMPS)?;
        TimestampColumns::parse(section).map(|columns| columns.len()).map_err(self.corrupt())
    }

    fn timestamps(&self, column: u32) -> Result<Arc<[i64]>, BlockError> {
        self.timestamps.get(column, || {
            let section = self.section(SectionKind::TIMESTAMPS)?;
            TimestampColumns::parse(section).and_then(|columns| columns.get(column)).map_err(self.corrupt())
        })
    }

    /// Series, chunks, samples and bytes of each metric.
    ///
    /// # Errors
    /// When the section is damaged.
    pub fn stats(&self) -> Result<Vec<MetricStats>, BlockError> {
        stats::decode(self.section(SectionKind::STATS)?).map_err(self.corrupt())
    }

    /// `range` of the chunk data, its pages verified unless `pages` says that they have been.
    pub(super) fn chunk_bytes(
        &self,
        range: Range<usize>,
        pages: &VerifiedPages,
    ) -> Result<Cow<'_, [u8]>, BlockError> {
        let map = match &self.source {
            Source::File(map) => map,
            Source::Object(object) => return self.read_pages(object, range).map(Cow::Owned),
        };
        let data = &map[self.chunk_data.clone()];
        let checksums = self.page_checksums()?;
        pages.verify(data, checksums, range.start, range.end).map_err(|damage| BlockError::Checksum {
            path: self.info.path.clone(),
            what: "chunk page",
            offset: (self.chunk_data.start + damage.offset) as u64,
            expected: damage.expected,
            found: damage.found,
        })?;
        Ok(Cow::Borrowed(&data[range]))
    }

    /// The CRC of each page of the chunk data, as `u32`.
    pub(super) fn page_checksums(&self) -> Result<&[u8], BlockError> {
        let checksums = self.section(SectionKind::CHUNK_PAGES)?;
        if checksums.len() != self.chunk_data.len().div_ceil(PAGE_BYTES) * size_of::<u32>() {
            return Err(self.corrupt()(DecodeError::new("chunk page checksums", checksums.len())));
        }
        Ok(checksums)
    }

    /// The label index.
    pub(crate) fn index(&self) -> Result<IndexReader<'_>, BlockError> {
        self.fetch_index()?;
        let bytes = IndexBytes {
            names: self.section(SectionKind::LABEL_NAMES)?,
            directory: self.section(SectionKind::LABEL_DIRECTORY)?,
            values: self.section(SectionKind::LABEL_VALUES)?,
            postings: self.section(SectionKind::POSTINGS)?,
            series: self.section(SectionKind::SERIES)?,
        };
        IndexReader::new(bytes, &self.matchers).map_err(self.corrupt())
    }

    /// The bytes of a section, verified.
    pub(super) fn section(&self, kind: SectionKind) -> Result<&[u8], BlockError> {
        let section = self.find(kind)?;
        // Relaxed: the flag says something about bytes that never change, and guards nothing else.
        if !section.verified.load(Ordering::Relaxed) {
            self.verify_section(section)?;
            section.verified.store(true, Ordering::Relaxed);
        }
        self.section_bytes_of(section)
    }

    /// The bytes of a section, as they are.
    fn section_bytes_of<'s>(&'s self, section: &'s Section) -> Result<&'s [u8], BlockError> {
        match &self.source {
            Source::File(map) => Ok(&map[section.range.clone()]),
            Source::Object(object) => self.fetched(object, section),
        }
    }

    fn find(&self, kind: SectionKind) -> Result<&Section, BlockError> {
        let section = self.sections.iter().find(|section| section.entry.kind == kind);
        section
            .filter(|section| section.entry.version == SECTION_VERSION)
            .ok_or_else(|| self.corrupt()(DecodeError::new(kind.name(), 0)))
    }

    pub(super) fn verify_section(&self, section: &Section) -> Result<(), BlockError> {
        self.check_section(section, self.section_bytes_of(section)?)
    }

    pub(super) fn check_section(&self, section: &Section, bytes: &[u8]) -> Result<(), BlockError> {
        let (expected, found) = (section.entry.crc, crc32(bytes));
        if expected == found {
            return Ok(());
        }
        Err(BlockError::Checksum {
            path: self.info.path.clone(),
            what: section.entry.kind.name(),
            offset: section.entry.offset,
            expected,
            found,
        })
    }

    pub(super) fn corrupt(&self) -> impl FnOnce(DecodeError) -> BlockError {
        BlockError::corrupt(&self.info.path)
    }
}

/// The sections of a file of `file_len` bytes.
pub(super) fn section_table(
    entries: Vec<SectionEntry>,
    file_len: usize,
) -> Result<Vec<Section>, DecodeError> {
    let sections = entries.into_iter().map(|entry| {
        let range = entry.range(file_len)?;
        Ok(Section { entry, range, verified: AtomicBool::new(false), fetched: OnceLock::new() })
    });
    sections.collect()
}

/// The series of a block, read one after another.
#[derive(Debug)]
pub struct BlockSeries<'a> {
    block: &'a BlockReader,
    labels: LabelsCursor<'a>,
    chunks: chunk_directory::Cursor<'a>,
    len: u32,
}

impl BlockSeries<'_> {
    /// Number of series.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The labels of the series `rank`.
    ///
    /// # Errors
    /// When there is no such series, or the index is damaged.
    pub fn labels(&mut self, rank: u32) -> Result<Labels, BlockError> {
        self.labels.get(rank).map_err(self.block.corrupt())
    }

    /// Appends to `out` the chunks of the series `rank` that may have samples in `[start, end)`, in order. Which chunk
    /// of the series the first of them is; from level 1 up, where chunks do not overlap, the others follow it.
    ///
    /// # Errors
    /// When there is no such series, or the chunk directory is damaged.
    pub fn chunks(
        &mut self,
        rank: u32,
        range: Range<i64>,
        out: &mut Vec<ChunkEntry>,
    ) -> Result<u32, BlockError> {
        let from = out.len();
        self.chunks.get(rank, out).map_err(self.block.corrupt())?;
        let in_range = |chunk: &ChunkEntry| chunk.meta.min_ts < range.end && chunk.meta.max_ts >= range.start;
        let first = out.iter().skip(from).position(in_range).unwrap_or(0);
        let mut position = 0;
        out.retain(|chunk| {
            position += 1;
            position <= from || in_range(chunk)
        });
        Ok(u32::try_from(first).expect("chunks of a block are counted in u32"))
    }
}
