//! The samples of one selected series.

use std::sync::Arc;

use kymo_formats::{
    codec::summary::ChunkSummary,
    index::chunk_directory::{ChunkEntry, ChunkMeta},
};

use super::{
    damage::Warnings,
    merge::{ChunkData, Merge},
    meter::{ReadCost, Shared},
    summaries::{Summarised, SummaryRequest},
};
use crate::{
    block::BlockReader,
    error::Error,
    head::{HeadSamples, LateSamples},
    model::{HistogramForm, HistogramValue, Labels, SampleColumns},
};

/// A series of a [`super::Selection`]: its labels, and where its samples lie.
#[derive(Debug)]
pub struct SelectedSeries {
    labels: Labels,
    start: i64,
    end: i64,
    /// In the order in which they count.
    parts: Vec<Part>,
    shared: Arc<Shared>,
}

/// A place that holds samples of a series.
#[derive(Debug)]
pub(super) enum Part {
    Block(BlockPart),
    Head(HeadSamples),
}

/// The chunks of a block.
#[derive(Debug)]
pub(super) struct BlockPart {
    pub(super) reader: Arc<BlockReader>,
    /// The series in the block.
    pub(super) rank: u32,
    /// Which chunk of the series the first of `chunks` is.
    pub(super) first: u32,
    pub(super) chunks: Vec<ChunkEntry>,
    /// Ranges of time, both ends inclusive, in which samples are deleted.
    pub(super) deleted: Vec<(i64, i64)>,
}

impl SelectedSeries {
    pub(super) fn new(labels: Labels, start: i64, end: i64, part: Part, shared: &Arc<Shared>) -> Self {
        Self { labels, start, end, parts: vec![part], shared: Arc::clone(shared) }
    }

    pub(super) fn push(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// The labels.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// A bound of the samples that reading it decodes: those of all chunks that reach into the range.
    #[must_use]
    pub fn samples_max(&self) -> usize {
        let chunk = |meta: ChunkMeta| meta.count as usize;
        let part = |part: &Part| match part {
            Part::Block(block) => block.chunks.iter().map(|entry| chunk(entry.meta)).sum::<usize>(),
            Part::Head(head) => {
                let late: usize = head.late().iter().map(LateSamples::len).sum();
                head.chunks().map(|(meta, _)| chunk(meta)).sum::<usize>() + late
            }
        };
        self.parts.iter().map(part).sum()
    }

    /// Replaces the content of `columns` by the samples of the selected range, ascending in time, each
    /// timestamp once, stale markers included. Damaged chunks of blocks are left out; the warnings name them.
    ///
    /// Where two samples of one time were written and the chunk of the first is damaged, the second one shows.
    ///
    /// # Errors
    /// When a chunk in memory does not decode, which is a bug.
    pub fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        self.read_form(columns, &Summarised::default())
    }

    /// As [`SelectedSeries::read`], but chunks that no window of the request cuts may be left out of `columns`: their
    /// summaries replace the content of `summaries`, ascending in time. There is none if the series has histograms in
    /// the selected range. Summaries tell nothing of start timestamps.
    ///
    /// # Errors
    /// As for [`SelectedSeries::read`].
    pub fn read_summarised(
        &self,
        request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Vec<ChunkSummary>,
    ) -> Result<Warnings, Error> {
        summaries.clear();
        let summarised = Summarised::find(&self.parts, request, &self.shared.damage, summaries);
        self.shared.meter.add(&ReadCost { summaries: summaries.len() as u64, ..ReadCost::default() });
        self.read_form(columns, &summarised)
    }

    /// As [`SelectedSeries::read`], with histograms in the form in which they were sent.
    ///
    /// # Errors
    /// As for [`SelectedSeries::read`].
    pub fn read_as_sent(&self, columns: &mut SampleColumns<HistogramValue>) -> Result<Warnings, Error> {
        self.read_form(columns, &Summarised::default())
    }

    /// All samples but those of chunks that are summarised.
    fn read_form<H: HistogramForm>(
        &self,
        columns: &mut SampleColumns<H>,
        summarised: &Summarised,
    ) -> Result<Warnings, Error> {
        columns.clear();
        let mut merge = Merge::new(self.start, self.end);
        let mut cost = ReadCost::default();
        let mut count = |bytes: usize| {
            cost.chunks += 1;
            cost.bytes += bytes as u64;
        };
        for (idx, part) in self.parts.iter().enumerate() {
            match part {
                Part::Block(BlockPart { reader, chunks, deleted, .. }) => {
                    let decoded = |(at, _): &(usize, &ChunkEntry)| !summarised.contains(idx, *at);
                    for (_, chunk) in chunks.iter().enumerate().filter(decoded) {
                        count(chunk.len as usize);
                        merge.chunk(chunk.meta, ChunkData::Block(reader, chunk), deleted);
                    }
                }
                Part::Head(head) => {
                    for (meta, bytes) in head.chunks() {
                        count(bytes.len());
                        merge.chunk(meta, ChunkData::Head(bytes), &[]);
                    }
                    head.late().iter().for_each(|late| merge.late(late));
                }
            }
        }
        self.shared.meter.add(&cost);
        merge.read(columns, &self.shared.damage).map_err(|error| error.of_series(&self.labels))
    }
}
