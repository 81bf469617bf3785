//! Chunks that a query needs not decode, because each of its windows contains all of them or nothing.

use kymo_formats::{
    codec::summary::ChunkSummary,
    index::chunk_directory::{ChunkEntry, ChunkMeta},
};

use super::{
    damage::DamageLog,
    series::{BlockPart, Part},
};
use crate::{block::BlockError, head::LateSamples, signals::metrics::is_histogram};

/// The windows that a query lays over a series: `steps` of them, `(end - range, end]`, the ends `interval` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowGrid {
    /// End of the first window, milliseconds, inclusive.
    pub first_end: i64,
    /// Distance from one end to the next, milliseconds.
    pub interval: i64,
    /// Number of windows.
    pub steps: usize,
    /// Length of a window, milliseconds.
    pub range: i64,
}

impl WindowGrid {
    /// Whether a window may contain one sample of this span and not another; both ends inclusive.
    #[must_use]
    pub fn cut(&self, min_ts: i64, max_ts: i64) -> bool {
        let edges = [Some(self.first_end), self.first_end.checked_sub(self.range)];
        // At the ends of time nothing is known, which is never wrong.
        edges.into_iter().any(|first| first.is_none_or(|first| self.has_edge(first, min_ts, max_ts)))
    }

    /// Whether one of the edges from `first` on lies at `min_ts` or behind it, and before `max_ts`: what is later than
    /// an edge is on its other side.
    fn has_edge(&self, first: i64, min_ts: i64, max_ts: i64) -> bool {
        if first >= min_ts {
            return self.steps > 0 && first < max_ts;
        }
        if self.interval <= 0 {
            return false;
        }
        let next = || {
            let distance = min_ts.checked_sub(first)?;
            let steps = distance / self.interval + i64::from(distance % self.interval != 0);
            Some((steps, first.checked_add(steps.checked_mul(self.interval)?)?))
        };
        next().is_none_or(|(step, edge)| step.unsigned_abs() < self.steps as u64 && edge < max_ts)
    }
}

/// What a summary must tell to stand for a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryRequest {
    /// A chunk that one of them cuts is decoded.
    pub windows: WindowGrid,
    /// Whether the values before resets are needed; a summary may not have all of them.
    pub before_resets: bool,
    /// Whether summaries of chunks are worth looking for: they are not where windows are short.
    pub chunks: bool,
    /// Chunks that reach to this time or before it are decoded: of these not all samples are wanted.
    pub after: i64,
    /// So are chunks that reach beyond this time.
    pub until: i64,
}

/// The chunks of a series for which their summaries stand.
#[derive(Debug, Default)]
pub(super) struct Summarised {
    /// For each part, for each of its chunks, whether it is one; nothing for parts that have none.
    chunks: Vec<Vec<bool>>,
}

impl Summarised {
    /// Finds them among `parts`, and appends their summaries to `summaries`, ascending in time.
    pub(super) fn find(
        parts: &[Part],
        request: &SummaryRequest,
        damage: &DamageLog,
        summaries: &mut Vec<ChunkSummary>,
    ) -> Self {
        let mut found = Self::default();
        if !request.chunks || !has_candidates(parts, &request.windows) {
            return found;
        }
        let Some(spans) = floats_in(parts) else { return found };
        found.chunks.resize(parts.len(), Vec::new());
        for (idx, part) in parts.iter().enumerate() {
            let Part::Block(block) = part else { continue };
            let mut whole = vec![false; block.chunks.len()];
            spans.alone().filter(|span| span.part == idx).for_each(|span| whole[span.chunk] = true);
            let whole_chunk = |(chunk, whole): (&ChunkEntry, &mut bool)| {
                *whole &= chunk.meta.min_ts > request.after
                    && chunk.meta.max_ts <= request.until
                    && !is_touched(chunk.meta, block, parts)
                    && !request.windows.cut(chunk.meta.min_ts, chunk.meta.max_ts);
            };
            block.chunks.iter().zip(&mut whole).for_each(whole_chunk);
            if whole.contains(&true) {
                let before = summaries.len();
                if let Err(error) = take(block, request, &mut whole, summaries) {
                    // Whatever is damaged, the chunks themselves can be decoded.
                    damage.note_harmless(block.reader.info().id, &error);
                    summaries.truncate(before);
                    continue;
                }
                found.chunks[idx] = whole;
            }
        }
        summaries.sort_by_key(|summary| summary.first_ts);
        found
    }

    /// Whether chunk `chunk` of part `part` is not to be decoded.
    pub(super) fn contains(&self, part: usize, chunk: usize) -> bool {
        self.chunks.get(part).and_then(|chunks| chunks.get(chunk)).copied().unwrap_or(false)
    }
}

/// Appends the summaries of the chunks that are `whole`, as far as they have one that tells enough.
fn take(
    block: &BlockPart,
    request: &SummaryRequest,
    whole: &mut [bool],
    summaries: &mut Vec<ChunkSummary>,
) -> Result<(), BlockError> {
    let Some(mut kept) = block.reader.summaries(block.rank)? else {
        whole.fill(false);
        return Ok(());
    };
    (0..block.first).try_for_each(|_| kept.skip())?;
    for (chunk, whole) in block.chunks.iter().zip(whole) {
        if !*whole {
            kept.skip()?;
            continue;
        }
        let tells_enough =
            |summary: &ChunkSummary| !request.before_resets || summary.before_resets().is_some();
        let summary = kept.next(chunk)?.filter(tells_enough);
        *whole = summary.is_some();
        summaries.extend(summary);
    }
    Ok(())
}

/// Whether samples of the chunk are deleted, or late ones lie between them.
fn is_touched(meta: ChunkMeta, block: &BlockPart, parts: &[Part]) -> bool {
    let is_late = |late: &LateSamples| late.floats.range(meta.min_ts..=meta.max_ts).next().is_some();
    block.deleted.iter().any(|(from, to)| *from <= meta.max_ts && meta.min_ts <= *to)
        || parts.iter().any(|part| match part {
            Part::Block(_) => false,
            Part::Head(head) => head.late().iter().any(is_late),
        })
}

/// The time that a chunk covers, and where it is.
#[derive(Debug, Clone, Copy)]
struct Span {
    min_ts: i64,
    max_ts: i64,
    part: usize,
    chunk: usize,
}

/// All chunks of a series, by time.
struct Spans(Vec<Span>);

impl Spans {
    /// Those that no other overlaps.
    fn alone(&self) -> impl Iterator<Item = &Span> {
        let mut end = None;
        self.0
            .iter()
            .enumerate()
            .filter(move |(at, span)| {
                let after = end.is_none_or(|end| end < span.min_ts);
                let before = self.0.get(at + 1).is_none_or(|next| span.max_ts < next.min_ts);
                end = end.max(Some(span.max_ts));
                after && before
            })
            .map(|(_, span)| span)
    }
}

/// Whether there is a chunk that may be whole: most queries have short windows, and are not to pay for long ones.
fn has_candidates(parts: &[Part], windows: &WindowGrid) -> bool {
    let is_whole = |chunk: &ChunkEntry| !windows.cut(chunk.meta.min_ts, chunk.meta.max_ts);
    parts.iter().any(|part| match part {
        Part::Block(block) => block.reader.has_summaries() && block.chunks.iter().any(is_whole),
        Part::Head(_) => false,
    })
}

/// The chunks of a series that has only floats; `None` if it has histograms, whose kernels want every sample.
fn floats_in(parts: &[Part]) -> Option<Spans> {
    let mut spans = Vec::new();
    for (part, of) in parts.iter().enumerate() {
        let mut add = |chunk: usize, meta: ChunkMeta| {
            spans.push(Span { min_ts: meta.min_ts, max_ts: meta.max_ts, part, chunk });
            !is_histogram(meta.encoding)
        };
        let floats = match of {
            Part::Block(block) => block.chunks.iter().enumerate().all(|(at, chunk)| add(at, chunk.meta)),
            Part::Head(head) => {
                head.chunks().enumerate().all(|(at, (meta, _))| add(at, meta))
                    && head.late().iter().all(|late| late.histograms.is_empty())
            }
        };
        if !floats {
            return None;
        }
    }
    spans.sort_by_key(|span| span.min_ts);
    Some(Spans(spans))
}

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::*,
        test_runner::{Config, FileFailurePersistence},
    };

    use super::*;

    fn config() -> Config {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/windows.txt");
        Config {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
            ..Config::default()
        }
    }

    /// Whether the window contains some times of the span, but not all.
    fn cuts(windows: &WindowGrid, step: usize, min_ts: i64, max_ts: i64) -> bool {
        let end = windows.first_end + windows.interval * step as i64;
        let inside = |ts: i64| end - windows.range < ts && ts <= end;
        let count = (min_ts..=max_ts).filter(|ts| inside(*ts)).count();
        count != 0 && count as i64 != max_ts - min_ts + 1
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_a_window_cuts_is_found(
            first_end in -40_i64..40,
            interval in 0_i64..30,
            steps in 0_usize..9,
            range in 0_i64..50,
            min_ts in -60_i64..60,
            len in 0_i64..20,
        ) {
            let steps = if interval == 0 { steps.min(1) } else { steps };
            let windows = WindowGrid { first_end, interval, steps, range };
            let max_ts = min_ts + len;
            let expected = (0..steps).any(|step| cuts(&windows, step, min_ts, max_ts));
            // An edge may lie in a span without cutting it only where the window is empty.
            if expected || range > 0 {
                prop_assert_eq!(windows.cut(min_ts, max_ts), expected);
            }
        }
    }

    #[test]
    fn at_the_ends_of_time_nothing_is_whole() {
        let windows = |first_end, range| WindowGrid { first_end, interval: i64::MAX, steps: 9, range };
        assert!(windows(i64::MIN + 5, 100).cut(0, 1));
        assert!(windows(-2, 1).cut(i64::MAX - 1, i64::MAX));
        assert!(windows(i64::MIN, 0).cut(i64::MAX - 1, i64::MAX));
    }
}
