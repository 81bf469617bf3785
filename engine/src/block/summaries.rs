//! What the chunks of a block amount to, without decoding them.

use kymo_formats::{
    DecodeError,
    block::section::SectionKind,
    codec::summary::ChunkSummary,
    index::{
        chunk_directory::ChunkEntry,
        summaries::{SeriesSummaries, Summaries},
    },
};

use super::{BlockError, BlockReader};

impl BlockReader {
    /// Whether the block keeps summaries: one of level 0 does not.
    #[must_use]
    pub fn has_summaries(&self) -> bool {
        self.sections.iter().any(|section| section.entry.kind == SectionKind::SUMMARIES)
    }

    /// Bytes of the summaries.
    pub(crate) fn summary_bytes(&self) -> u64 {
        let of_kind = self.sections.iter().find(|section| section.entry.kind == SectionKind::SUMMARIES);
        of_kind.map_or(0, |section| section.entry.len)
    }

    /// The summaries of the chunks of the series `rank`, to be read in their order; `None` if the block keeps none.
    ///
    /// # Errors
    /// When the section is damaged, or there is no such series. The chunks can be read all the same.
    pub fn summaries(&self, rank: u32) -> Result<Option<ChunkSummaries<'_>>, BlockError> {
        if !self.has_summaries() {
            return Ok(None);
        }
        let section = self.section(SectionKind::SUMMARIES)?;
        let series =
            Summaries::parse(section).and_then(|section| section.series(rank)).map_err(self.corrupt())?;
        Ok(Some(ChunkSummaries { block: self, series }))
    }

    /// Number of series that have summaries.
    pub(crate) fn summarised_series(&self) -> Result<u32, BlockError> {
        let section = self.section(SectionKind::SUMMARIES)?;
        Summaries::parse(section).map(|section| section.len()).map_err(self.corrupt())
    }
}

/// The summaries of the chunks of one series.
#[derive(Debug)]
pub struct ChunkSummaries<'a> {
    block: &'a BlockReader,
    series: SeriesSummaries<'a>,
}

impl ChunkSummaries<'_> {
    /// The summary of the next chunk, which must be `chunk`; `None` if it has none.
    ///
    /// # Errors
    /// When there is no further one, or it does not decode.
    pub fn next(&mut self, chunk: &ChunkEntry) -> Result<Option<ChunkSummary>, BlockError> {
        self.series.next(&chunk.meta).map_err(self.block.corrupt())
    }

    /// Passes over the summary of the next chunk.
    ///
    /// # Errors
    /// When there is no further one, or it does not decode.
    pub fn skip(&mut self) -> Result<(), BlockError> {
        self.series.skip().map_err(self.block.corrupt())
    }

    /// Fails unless all summaries have been read.
    ///
    /// # Errors
    /// When there are more than chunks.
    pub fn finish(&self) -> Result<(), BlockError> {
        self.series.finish().map_err(|error: DecodeError| self.block.corrupt()(error))
    }
}
