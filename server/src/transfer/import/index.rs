//! The index of a block: symbols in memory, series one after the other.

use std::path::{Path, PathBuf};

use kymo_engine::Labels;
use kymo_formats::{
    DecodeError,
    wire::tsdb::{
        INDEX_HEADER_BYTES, IndexVersion, SeriesEntry, Symbols, TOC_BYTES, Toc, index_version,
        series_alignment, series_entry_bytes,
    },
};

use super::ImportError;
use crate::transfer::files::InputFile;

/// Bytes of series that are read at once.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes in front of an entry that tell how long it is.
const LENGTH_BYTES: usize = 10;

/// An index, read as far as some series.
pub(super) struct Index {
    file: InputFile,
    version: IndexVersion,
    symbols: Symbols,
    toc: Toc,
    /// Where the next entry may begin.
    next: u64,
    /// Bytes from `window_start` on.
    window: Vec<u8>,
    window_start: u64,
}

/// A series of the index.
pub(super) struct IndexSeries {
    /// What tombstones call it.
    pub(super) reference: u64,
    pub(super) labels: Labels,
    pub(super) entry: SeriesEntry,
}

impl Index {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let file = InputFile::open(path)?;
        let at = |base: u64| {
            let path: PathBuf = path.to_owned();
            move |source: DecodeError| ImportError::Damaged { path, base, source }
        };
        let version = index_version(&file.read_at(0, INDEX_HEADER_BYTES)?).map_err(at(0))?;
        let toc_start = file.len().saturating_sub(TOC_BYTES as u64);
        let toc = Toc::decode(&file.read_at(toc_start, TOC_BYTES)?, file.len()).map_err(at(toc_start))?;
        let front = file.read_at(toc.symbols, 4)?;
        let len = Symbols::section_bytes(&front).map_err(at(toc.symbols))?;
        // The file bounds what is read, so that a wrong length costs no memory.
        let section = file.read_at(toc.symbols, usize::try_from(len).unwrap_or(usize::MAX))?;
        let symbols = Symbols::decode(version, section, toc.symbols).map_err(at(toc.symbols))?;
        Ok(Self { file, version, symbols, toc, next: toc.series, window: Vec::new(), window_start: 0 })
    }

    /// The next series; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<IndexSeries>, ImportError> {
        let alignment = series_alignment(self.version);
        loop {
            let start = self.next.next_multiple_of(alignment);
            if start >= self.toc.series_end {
                return Ok(None);
            }
            let front = self.bytes(start, LENGTH_BYTES)?;
            let len = match series_entry_bytes(front) {
                Ok(Some(len)) => len,
                Ok(None) => {
                    self.next = start + alignment;
                    continue;
                }
                Err(source) => return Err(self.damaged(start, source)),
            };
            self.next = start + len as u64;
            let entry = SeriesEntry::decode(self.bytes(start, len)?);
            let entry = entry.map_err(|source| self.damaged(start, source))?;
            let labels = self
                .labels(&entry)
                .ok_or_else(|| self.damaged(start, DecodeError::new("symbol reference", 0)))?;
            return Ok(Some(IndexSeries { reference: start / alignment, labels, entry }));
        }
    }

    /// How far it is read, and how far there is to read, in bytes.
    pub(super) const fn position(&self) -> u64 {
        self.next - self.toc.series
    }

    fn labels(&self, entry: &SeriesEntry) -> Option<Labels> {
        let pairs = entry.labels.iter();
        let pairs = pairs.map(|(name, value)| Some((self.symbols.get(*name)?, self.symbols.get(*value)?)));
        Some(Labels::from_pairs(pairs.collect::<Option<Vec<_>>>()?))
    }

    /// Bytes from `start` on, as many as wanted or as there are.
    fn bytes(&mut self, start: u64, wanted: usize) -> Result<&[u8], ImportError> {
        let end = (start + wanted as u64).min(self.file.len());
        let window_end = self.window_start + self.window.len() as u64;
        if start < self.window_start || end > window_end {
            self.window = self.file.read_at(start, wanted.max(WINDOW_BYTES))?;
            self.window_start = start;
        }
        let from = usize::try_from(start - self.window_start).unwrap_or(usize::MAX);
        let rest = self.window.get(from..).unwrap_or_default();
        Ok(rest.get(..wanted).unwrap_or(rest))
    }

    fn damaged(&self, base: u64, source: DecodeError) -> ImportError {
        ImportError::Damaged { path: self.file.path.clone(), base, source }
    }
}
