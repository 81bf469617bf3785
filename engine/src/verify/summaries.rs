//! The summaries of a block's chunks against the samples.

use kymo_formats::{
    codec::{ChunkSamples, summary::ChunkSummary},
    index::chunk_directory::ChunkEntry,
};

use super::CheckedFile;
use crate::block::{BlockError, BlockReader, ChunkSummaries};

/// Goes along with a walk over all series and chunks of a block.
pub(super) struct SummaryCheck<'a> {
    reader: &'a BlockReader,
    /// Those of the series at hand; `None` where there are none to be had.
    series: Option<ChunkSummaries<'a>>,
    /// Whether the section is there and whole.
    readable: bool,
}

impl<'a> SummaryCheck<'a> {
    /// A check of all summaries of the block, which has `series` series.
    pub(super) fn new(reader: &'a BlockReader, series: u32, file: &mut CheckedFile) -> Self {
        let mut check = Self { reader, series: None, readable: reader.has_summaries() };
        if check.readable {
            match reader.summarised_series() {
                Ok(found) if found == series => {}
                Ok(found) => {
                    check.readable = false;
                    file.damage(None, format!("there are summaries of {found} series instead of {series}"));
                }
                Err(error) => check.unreadable(&error, file),
            }
        }
        check
    }

    /// The next chunks are of the series `rank`.
    pub(super) fn start_series(&mut self, rank: u32, file: &mut CheckedFile) {
        self.series = None;
        if self.readable {
            match self.reader.summaries(rank) {
                Ok(series) => self.series = series,
                Err(error) => self.unreadable(&error, file),
            }
        }
    }

    /// The next chunk, and its samples unless it does not decode.
    pub(super) fn chunk(
        &mut self,
        chunk: &ChunkEntry,
        samples: Option<&ChunkSamples>,
        file: &mut CheckedFile,
    ) {
        let Some(series) = &mut self.series else { return };
        let found = match series.next(chunk) {
            Ok(found) => found,
            Err(error) => {
                // Nothing behind it can be found.
                self.series = None;
                return file
                    .damage(self.offset(chunk), format!("summary of the chunk does not decode: {error}"));
            }
        };
        let Some(samples) = samples else { return };
        let expected = ChunkSummary::of(&samples.ts, &samples.values);
        let is_same = match (&found, &expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => found.is_same(expected),
            _ => false,
        };
        if !is_same {
            let what = format!("summary of the chunk is {found:?}, its samples say {expected:?}");
            file.damage(self.offset(chunk), what);
        }
    }

    /// All chunks of the series have come.
    pub(super) fn end_series(&mut self, file: &mut CheckedFile) {
        if let Some(Err(error)) = self.series.take().map(|series| series.finish()) {
            self.unreadable(&error, file);
        }
    }

    fn offset(&self, chunk: &ChunkEntry) -> Option<u64> {
        Some(self.reader.offset_in_file(chunk.offset))
    }

    fn unreadable(&mut self, error: &BlockError, file: &mut CheckedFile) {
        self.readable = false;
        // A wrong checksum has been named before.
        if !matches!(error, BlockError::Checksum { .. }) {
            file.block_damage(error);
        }
    }
}
