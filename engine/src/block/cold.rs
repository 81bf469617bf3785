//! A block in object storage, read by ranges: its sections as a whole when they are asked for, of its chunk data the pages
//! that a query needs.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kymo_formats::{
    DecodeError,
    block::{
        PAGE_BYTES, footer,
        header::{HEADER_BYTES, Header},
        section::SectionKind,
    },
    checksum::crc32,
    index::chunk_directory::ChunkEntry,
};

use super::{
    BlockError, BlockReader,
    reader::{Section, Source, section_table},
};
use crate::{
    env::ObjectStore,
    parts::{PartCache, runs},
};

/// So much of the end of a block is read when it is opened: the section table, and what is small before it.
const END_BYTES: usize = 64 << 10;
/// Sections that lie no further from each other are read by one request.
const GAP_BYTES: usize = 64 << 10;
/// What every selection needs. They lie side by side in the file.
const INDEX: [SectionKind; 7] = [
    SectionKind::CHUNK_PAGES,
    SectionKind::CHUNK_DIRECTORY,
    SectionKind::SERIES,
    SectionKind::LABEL_NAMES,
    SectionKind::LABEL_DIRECTORY,
    SectionKind::LABEL_VALUES,
    SectionKind::POSTINGS,
];

/// Pages of the chunk data by number.
type Pages = BTreeMap<usize, Bytes>;

/// Where a block lies in object storage, and how it is read.
#[derive(Debug)]
pub(crate) struct ColdObject {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) key: Arc<str>,
    /// Its length.
    pub(crate) bytes: u64,
    /// Pages of its chunk data.
    pub(crate) cache: Arc<PartCache>,
    pub(crate) reads: Arc<ColdReads>,
}

/// What reading blocks in object storage took since the start.
#[derive(Debug, Default)]
pub(crate) struct ColdReads {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl ColdObject {
    fn fetch(&self, ranges: &[Range<usize>]) -> Result<Vec<Bytes>, BlockError> {
        let ranges: Vec<Range<u64>> =
            ranges.iter().map(|range| range.start as u64..range.end as u64).collect();
        let fetched = self.store.get_ranges(&self.key, &ranges)?;
        for bytes in &fetched {
            self.cache.note_request(bytes.len() as u64);
            self.reads.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.reads.requests.fetch_add(fetched.len() as u64, Ordering::Relaxed);
        Ok(fetched)
    }
}

impl BlockReader {
    /// Opens the block `id`, which lies in object storage.
    ///
    /// # Errors
    /// When the object cannot be read, is not a block of a known version, is another block, or is damaged in what is
    /// verified here.
    pub(crate) fn open_cold(object: Arc<ColdObject>, id: u64) -> Result<Self, BlockError> {
        let path = PathBuf::from(&*object.key);
        let len = usize::try_from(object.bytes).unwrap_or(usize::MAX);
        if len < HEADER_BYTES {
            return Err(BlockError::corrupt(&path)(DecodeError::new("block header", len)));
        }
        let end_from = len.saturating_sub(END_BYTES).max(HEADER_BYTES);
        let fetched = object.fetch(&[0..HEADER_BYTES, end_from..len])?;
        let [head, end] = fetched.as_slice() else {
            return Err(BlockError::corrupt(&path)(DecodeError::new("block header", 0)));
        };
        let header = Header::decode(head).map_err(BlockError::corrupt(&path))?;
        let entries = footer::decode_end(end, object.bytes).map_err(BlockError::corrupt(&path))?;
        let sections = section_table(entries, len).map_err(BlockError::corrupt(&path))?;
        for section in sections.iter().filter(|section| section.range.start >= end_from) {
            if section.entry.kind != SectionKind::CHUNKS {
                let bytes = end.slice(section.range.start - end_from..section.range.end - end_from);
                drop(section.fetched.set(bytes));
            }
        }
        let bytes = object.bytes;
        Self::assemble(Source::Object(object), &path, id, header, sections, bytes)
    }

    /// Whether it lies in object storage.
    pub(crate) const fn is_cold(&self) -> bool {
        matches!(self.source, Source::Object(_))
    }

    /// Memory that sections from object storage take.
    pub(crate) fn fetched_bytes(&self) -> usize {
        self.sections.iter().filter_map(|section| section.fetched.get()).map(Bytes::len).sum()
    }

    /// Reads what every selection needs, if it is not there yet.
    pub(super) fn fetch_index(&self) -> Result<(), BlockError> {
        let Source::Object(object) = &self.source else { return Ok(()) };
        let is_missing =
            |section: &&Section| INDEX.contains(&section.entry.kind) && section.fetched.get().is_none();
        let missing: Vec<&Section> = self.sections.iter().filter(is_missing).collect();
        if missing.is_empty() { Ok(()) } else { self.fetch_sections(object, missing) }
    }

    /// The bytes of a section.
    pub(super) fn fetched<'s>(
        &self,
        object: &ColdObject,
        section: &'s Section,
    ) -> Result<&'s [u8], BlockError> {
        if section.fetched.get().is_none() {
            self.fetch_sections(object, vec![section])?;
        }
        Ok(section.fetched.get().map(|bytes| &**bytes).unwrap_or_default())
    }

    /// Reads sections, as few requests as possible. What is damaged is not kept: it may have been damaged on its way.
    fn fetch_sections(&self, object: &ColdObject, mut sections: Vec<&Section>) -> Result<(), BlockError> {
        sections.retain(|section| !self.take_from_disk(object, section));
        sections.sort_by_key(|section| section.range.start);
        let mut groups: Vec<(Range<usize>, Vec<&Section>)> = Vec::new();
        for section in sections {
            match groups.last_mut() {
                Some((range, group)) if section.range.start <= range.end + GAP_BYTES => {
                    range.end = range.end.max(section.range.end);
                    group.push(section);
                }
                _ => groups.push((section.range.clone(), vec![section])),
            }
        }
        let ranges: Vec<Range<usize>> = groups.iter().map(|(range, _)| range.clone()).collect();
        for ((range, group), bytes) in groups.into_iter().zip(object.fetch(&ranges)?) {
            for section in group {
                let part = section.range.start - range.start..section.range.end - range.start;
                let part = bytes.slice(part);
                self.check_section(section, &part)?;
                section.verified.store(true, Ordering::Relaxed);
                object.cache.insert_whole(&section_key(object, section), &part);
                drop(section.fetched.set(part));
            }
        }
        Ok(())
    }

    /// Whether a section is on disk, and whole.
    fn take_from_disk(&self, object: &ColdObject, section: &Section) -> bool {
        let found = object.cache.get_whole(&section_key(object, section), section.range.len());
        let Some(bytes) = found.filter(|bytes| self.check_section(section, bytes).is_ok()) else {
            return false;
        };
        section.verified.store(true, Ordering::Relaxed);
        drop(section.fetched.set(bytes));
        true
    }

    /// Reads the pages that hold these chunks, as few requests as possible, so that they are there when the chunks are
    /// decoded. How many requests it took, and how many bytes these brought.
    ///
    /// # Errors
    /// Errors of the place, and when a page is damaged.
    pub(crate) fn prefetch<'c>(
        &self,
        chunks: impl IntoIterator<Item = &'c ChunkEntry>,
    ) -> Result<(u64, u64), BlockError> {
        let Source::Object(object) = &self.source else { return Ok((0, 0)) };
        let mut pages = Vec::new();
        for chunk in chunks {
            pages.extend(pages_of(&self.chunk_range(chunk)?));
        }
        pages.sort_unstable();
        pages.dedup();
        // More than that would push out what was read first before it is used.
        pages.truncate(object.cache.parts_ahead_max());
        let (_, cost) = self.fetch_pages(object, &pages)?;
        Ok(cost)
    }

    /// `range` of the chunk data.
    pub(super) fn read_pages(&self, object: &ColdObject, range: Range<usize>) -> Result<Vec<u8>, BlockError> {
        let pages: Vec<usize> = pages_of(&range).collect();
        let (found, _) = self.fetch_pages(object, &pages)?;
        let mut bytes = Vec::with_capacity(range.len());
        for (page, content) in &found {
            let start = page * PAGE_BYTES;
            let from = range.start.saturating_sub(start).min(content.len());
            let to = (range.end - start).min(content.len());
            bytes.extend_from_slice(&content[from..to]);
        }
        Ok(bytes)
    }

    /// Pages, ascending, from memory or from the place; verified. And how many requests that took, and how many bytes these
    /// brought.
    fn fetch_pages(&self, object: &ColdObject, pages: &[usize]) -> Result<(Pages, (u64, u64)), BlockError> {
        let cached = |page: &usize| object.cache.get(&object.key, *page).map(|bytes| (*page, bytes));
        let mut found: Pages = pages.iter().filter_map(cached).collect();
        object.cache.note_hits(found.len() as u64);
        let missing = runs(pages.iter().copied().filter(|page| !found.contains_key(page)));
        if missing.is_empty() {
            return Ok((found, (0, 0)));
        }
        let (checksums, _) = self.page_checksums()?.as_chunks();
        let data = &self.chunk_data;
        let in_file = |run: &Range<usize>| {
            let end = (run.end * PAGE_BYTES).min(data.len());
            data.start + run.start * PAGE_BYTES..data.start + end
        };
        let ranges: Vec<Range<usize>> = missing.iter().map(in_file).collect();
        let fetched = object.fetch(&ranges)?;
        let cost = (fetched.len() as u64, fetched.iter().map(|bytes| bytes.len() as u64).sum());
        for (run, bytes) in missing.into_iter().zip(fetched) {
            for (page, at) in run.zip((0..bytes.len()).step_by(PAGE_BYTES)) {
                let content = bytes.slice(at..bytes.len().min(at + PAGE_BYTES));
                self.check_page(page, &content, u32::from_le_bytes(checksums[page]))?;
                object.cache.insert(&object.key, page, &content);
                found.insert(page, content);
            }
        }
        // What was read along because it lay between is kept, and is not part of the answer.
        found.retain(|page, _| pages.binary_search(page).is_ok());
        Ok((found, cost))
    }

    fn check_page(&self, page: usize, content: &[u8], expected: u32) -> Result<(), BlockError> {
        let found = crc32(content);
        if expected == found {
            return Ok(());
        }
        Err(BlockError::Checksum {
            path: self.info().path.clone(),
            what: "chunk page",
            offset: (self.chunk_data.start + page * PAGE_BYTES) as u64,
            expected,
            found,
        })
    }
}

/// The name of a section for caches: keys of objects have no `#`.
fn section_key(object: &ColdObject, section: &Section) -> Arc<str> {
    format!("{}#{}", object.key, section.entry.kind.0).into()
}

fn pages_of(range: &Range<usize>) -> Range<usize> {
    range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES)
}
