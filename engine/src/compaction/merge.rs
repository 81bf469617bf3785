//! Series of several blocks in order, each with its samples merged.
//!
//! Reads the inputs side by side, each from front to back, so memory is bounded by one series. A chunk that no
//! other overlaps and that is large enough already is copied as it is; all others are decoded. Of samples with
//! the same time the first written counts: inputs come oldest data first, and within a block the chunk that
//! stands first.

use std::{ops::Range, sync::Arc};

use kymo_formats::{
    codec::{ChunkSamples, summary::ChunkSummary},
    index::chunk_directory::ChunkEntry,
};

use super::error::CompactionError;
use crate::{
    block::{BlockError, BlockReader, BlockSeries, ChunkBody},
    index::series_order,
    model::{Labels, Matcher},
    signals::metrics::{
        ChunkTarget, Floats, MergedChunk, Sample, SeriesChunks, is_histogram, merge_samples, resets,
        to_samples, words,
    },
};

/// Samples to leave out: those of the series that satisfy all matchers, in `range`.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// Which of their samples, by time.
    pub range: Range<i64>,
}

impl Deletion {
    fn concerns(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
    }
}

/// A block to be merged, and the deletions that are younger than it.
#[derive(Debug, Clone)]
pub struct MergeInput {
    /// The block.
    pub reader: Arc<BlockReader>,
    /// What to leave out of it.
    pub deletions: Vec<Deletion>,
}

/// Merges `inputs`, oldest data first, and gives each series in order to `write`, its chunks ascending in time
/// and without overlap. A series of which nothing is left has no chunks.
pub(super) fn merge(
    inputs: &[MergeInput],
    target: ChunkTarget,
    mut write: impl FnMut(&Labels, Vec<MergedChunk<'_>>) -> Result<(), CompactionError>,
) -> Result<(), CompactionError> {
    let mut cursors = inputs.iter().map(Cursor::new).collect::<Result<Vec<_>, _>>()?;
    let mut pieces = Vec::new();
    let mut merger = SeriesMerger { inputs, target, columns: ChunkSamples::default(), samples: Vec::new() };
    // A walk over all inputs for each series, not a heap: most inputs have most series, so most comparisons
    // are with an equal label set, and a heap would make more of them.
    while let Some(labels) = first_in_order(&cursors) {
        pieces.clear();
        for (input, cursor) in cursors.iter_mut().enumerate() {
            if cursor.head.as_ref() == Some(&labels) {
                cursor.pieces(input, &mut pieces)?;
                cursor.advance()?;
            }
        }
        write(&labels, merger.series(&pieces)?)?;
    }
    Ok(())
}

/// For [`Result::map_err`]: a failure to read the block of `reader`.
fn failed(reader: &BlockReader) -> impl FnOnce(BlockError) -> CompactionError {
    CompactionError::input(reader.info().id)
}

/// The series that comes next.
fn first_in_order(cursors: &[Cursor<'_>]) -> Option<Labels> {
    let heads = cursors.iter().filter_map(|cursor| cursor.head.as_ref());
    heads.min_by(|a, b| series_order(a, b)).cloned()
}

/// Where one input has been read to.
struct Cursor<'a> {
    input: &'a MergeInput,
    series: BlockSeries<'a>,
    /// Labels of the current series; none at the end.
    head: Option<Labels>,
    /// The series after the current one.
    next: u32,
    /// Whether the summaries were found damaged; they are not read any more then.
    summaries_damaged: bool,
    /// Up to where the chunk data has been given back.
    released: usize,
}

/// Chunk data that is given back at once.
const RELEASED_BYTES: usize = 4 << 20;

impl<'a> Cursor<'a> {
    /// A cursor at the first series.
    fn new(input: &'a MergeInput) -> Result<Self, CompactionError> {
        let series = input.reader.series().map_err(failed(&input.reader))?;
        let mut cursor = Self { input, series, head: None, next: 0, summaries_damaged: false, released: 0 };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Goes to the next series.
    fn advance(&mut self) -> Result<(), CompactionError> {
        self.head = None;
        if self.next < self.series.len() {
            self.head = Some(self.series.labels(self.next).map_err(failed(&self.input.reader))?);
            self.next += 1;
        }
        Ok(())
    }

    /// Appends the chunks of the current series that are not deleted as a whole. This is input `at`.
    fn pieces(&mut self, at: usize, pieces: &mut Vec<Piece>) -> Result<(), CompactionError> {
        let Some(labels) = &self.head else { return Ok(()) };
        let deleted = self.input.deletions.iter().filter(|deletion| deletion.concerns(labels));
        let deleted: Vec<_> = deleted.map(|deletion| deletion.range.clone()).collect();
        let mut chunks = Vec::new();
        self.series
            .chunks(self.next - 1, i64::MIN..i64::MAX, &mut chunks)
            .map_err(failed(&self.input.reader))?;
        if let Some(first) = chunks.first() {
            self.release_before(first.offset);
        }
        let summaries = self.kept_summaries(&chunks);
        for (chunk, summary) in chunks.into_iter().zip(summaries) {
            let (min_ts, max_ts) = (chunk.meta.min_ts, chunk.meta.max_ts);
            if deleted.iter().any(|range| range.contains(&min_ts) && range.contains(&max_ts)) {
                continue;
            }
            let touches = |range: &&Range<i64>| range.start <= max_ts && min_ts < range.end;
            let deleted = deleted.iter().filter(touches).cloned().collect();
            pieces.push(Piece { input: at, chunk, summary, deleted });
        }
        Ok(())
    }
}

impl Cursor<'_> {
    /// Gives back the chunks before `offset`, which are those of series that are done: a merge reads as much as several
    /// blocks hold, and should not take as much memory.
    fn release_before(&mut self, offset: u64) {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset.saturating_sub(self.released) >= RELEASED_BYTES {
            self.input.reader.release_chunks(self.released..offset);
            self.released = offset;
        }
    }

    /// What the block says of the chunks of the current series. Damaged summaries are no reason to leave the block
    /// out: they are made anew.
    fn kept_summaries(&mut self, chunks: &[ChunkEntry]) -> Vec<Kept> {
        let reader = &self.input.reader;
        if !self.summaries_damaged {
            match kept_summaries(reader, self.next - 1, chunks) {
                Ok(kept) => return kept,
                Err(error) => {
                    self.summaries_damaged = true;
                    tracing::warn!(block = reader.info().id, %error, "damaged summaries are made anew");
                }
            }
        }
        vec![Kept::Unknown; chunks.len()]
    }
}

/// A chunk of the series that is being merged.
struct Piece {
    input: usize,
    chunk: ChunkEntry,
    summary: Kept,
    /// The deletions that concern some of its samples.
    deleted: Vec<Range<i64>>,
}

/// What a block says that a chunk amounts to.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// The summary, or that the chunk has none.
    Known(Option<ChunkSummary>),
    /// Nothing.
    Unknown,
}

impl Piece {
    fn is_floats(&self) -> bool {
        !is_histogram(self.chunk.meta.encoding)
    }
}

struct SeriesMerger<'a> {
    inputs: &'a [MergeInput],
    target: ChunkTarget,
    /// A decoded chunk, and samples of several; kept for their memory.
    columns: ChunkSamples,
    samples: Vec<Sample>,
}

impl<'a> SeriesMerger<'a> {
    /// The chunks of one series out of its `pieces`, which come in the order of precedence.
    fn series(&mut self, pieces: &[Piece]) -> Result<Vec<MergedChunk<'a>>, CompactionError> {
        // Stable: pieces that start at the same time stay in the order of precedence.
        let mut by_time: Vec<(usize, &Piece)> = pieces.iter().enumerate().collect();
        by_time.sort_by_key(|(_, piece)| piece.chunk.meta.min_ts);
        let mut chunks = SeriesChunks::new(self.target);
        let mut rest = by_time.as_mut_slice();
        while !rest.is_empty() {
            let (cluster, tail) = rest.split_at_mut(cluster_len(rest));
            rest = tail;
            match cluster {
                [(_, piece)] if piece.deleted.is_empty() && self.takes_whole(&chunks, piece) => {
                    let (body, summary) = (self.body(piece)?, self.summary(piece)?);
                    chunks.push_chunk(MergedChunk { meta: piece.chunk.meta, body, summary });
                }
                [(_, piece)] if piece.deleted.is_empty() && piece.is_floats() => {
                    self.decode(piece)?;
                    let floats = Floats::take(&mut self.columns);
                    chunks.push_floats(&floats);
                    floats.give_back(&mut self.columns);
                }
                _ => {
                    cluster.sort_by_key(|(precedence, _)| *precedence);
                    self.merge_cluster(cluster)?;
                    chunks.push_samples(self.samples.drain(..));
                }
            }
        }
        Ok(chunks.finish())
    }

    /// Decodes chunks that overlap, in the order of precedence, to samples in order of time.
    fn merge_cluster(&mut self, cluster: &[(usize, &Piece)]) -> Result<(), CompactionError> {
        self.samples.clear();
        for (_, piece) in cluster {
            let from = self.samples.len();
            self.decode(piece)?;
            let reader = self.reader(piece);
            let bytes = reader.chunk(&piece.chunk).map_err(failed(reader))?;
            let resets = resets(&piece.chunk.meta, &bytes)
                .map_err(BlockError::corrupt(&reader.info().path))
                .map_err(failed(reader))?;
            to_samples(&mut self.columns, &resets, &mut self.samples);
            if !piece.deleted.is_empty() {
                let mut position = 0;
                self.samples.retain(|sample| {
                    position += 1;
                    position <= from || !piece.deleted.iter().any(|range| range.contains(&sample.ts))
                });
            }
        }
        if cluster.len() > 1 {
            merge_samples(&mut self.samples);
        }
        Ok(())
    }

    fn takes_whole(&self, chunks: &SeriesChunks<'_>, piece: &Piece) -> bool {
        // A chunk that cannot be read is found out where it is decoded.
        let bytes = || self.reader(piece).chunk(&piece.chunk).unwrap_or_default();
        chunks.takes_whole(&piece.chunk.meta, || words(&piece.chunk.meta, &bytes()))
    }

    fn reader(&self, piece: &Piece) -> &'a BlockReader {
        let inputs: &'a [MergeInput] = self.inputs;
        &inputs[piece.input].reader
    }

    /// The samples of a chunk in `self.columns`.
    fn decode(&mut self, piece: &Piece) -> Result<(), CompactionError> {
        self.columns.clear();
        let reader = self.reader(piece);
        reader.decode(&piece.chunk, &mut self.columns).map_err(failed(reader))
    }

    /// What a chunk that stays as it is amounts to: as its block says, or else by decoding it. So what a block does
    /// not tell, because it is of an old version or because that part of it is damaged, the next one does.
    fn summary(&mut self, piece: &Piece) -> Result<Option<ChunkSummary>, CompactionError> {
        match piece.summary {
            Kept::Known(summary) => Ok(summary),
            Kept::Unknown if piece.is_floats() => {
                self.decode(piece)?;
                Ok(ChunkSummary::of(&self.columns.ts, &self.columns.values))
            }
            Kept::Unknown => Ok(None),
        }
    }

    /// The chunk as it is.
    fn body(&self, piece: &Piece) -> Result<ChunkBody<'a>, CompactionError> {
        let reader = self.reader(piece);
        let columns = reader.columns(&piece.chunk).map_err(failed(reader))?;
        match columns {
            Some(columns) => Ok(ChunkBody::Columns(columns)),
            None => Ok(reader.chunk(&piece.chunk).map_err(failed(reader))?.into()),
        }
    }
}

/// What its block says of each of the chunks of a series.
fn kept_summaries(reader: &BlockReader, rank: u32, chunks: &[ChunkEntry]) -> Result<Vec<Kept>, BlockError> {
    let Some(mut summaries) = reader.summaries(rank)? else { return Ok(vec![Kept::Unknown; chunks.len()]) };
    chunks.iter().map(|chunk| summaries.next(chunk).map(Kept::Known)).collect()
}

/// How many of `pieces`, sorted by their start, hang together by overlapping; at least one.
fn cluster_len(pieces: &[(usize, &Piece)]) -> usize {
    let mut end = i64::MIN;
    let overlaps = |(at, (_, piece)): &(usize, &(usize, &Piece))| {
        let inside = *at == 0 || piece.chunk.meta.min_ts <= end;
        end = end.max(piece.chunk.meta.max_ts);
        inside
    };
    pieces.iter().enumerate().take_while(overlaps).count()
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
