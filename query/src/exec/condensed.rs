//! Series in which some samples stand for whole chunks.
//!
//! A chunk that lies within each window that touches it as a whole needs not be decoded: a few samples that stand for
//! it give the same result, because a kernel meets all of them or none. Which ones those are depends on the function:
//! the smallest value is enough for `min_over_time`, `rate` needs the ends and what was lost by resets. So kernels
//! go over condensed series as over any other; they ask for weights where they would count samples.

use std::ops::Range;

use kymo_engine::{ChunkSummary, FloatRun, Rollup, RollupFacts, SampleColumns};

use super::condensed_histograms::CondensedHistograms;
use crate::{Summaries, source::summary_of_run};

/// Which samples stand for a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condense {
    /// The first one, whatever its value: only the number of samples counts.
    First,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The sum of all values.
    Sum,
    /// The first and the last sample.
    Ends,
    /// The first and the last sample, and between them the number of changes.
    Changes,
    /// The first and the last sample, and between them the number of resets.
    Resets,
    /// The first and the last sample, and between them for each reset the value before it and a smaller one.
    Counter,
}

impl Condense {
    /// What has to be known of a window's rollup to make samples of it.
    pub(crate) fn facts(self) -> RollupFacts {
        let ends = RollupFacts { ends: true, ..RollupFacts::default() };
        let states = RollupFacts { states: true, ..ends };
        match self {
            Self::First => ends,
            Self::Ends => states,
            Self::Min | Self::Max => RollupFacts { extremes: true, ..ends },
            Self::Sum => RollupFacts { sum: true, ..ends },
            Self::Changes => RollupFacts { changes: true, ..states },
            Self::Resets | Self::Counter => RollupFacts { resets: true, ..states },
        }
    }
}

/// What the samples of a condensed series stand for.
#[derive(Debug, Default)]
pub(crate) struct Condensed {
    /// The floats.
    pub(crate) floats: Weights,
    /// The native histograms.
    pub(crate) histograms: Weights,
}

/// What samples of one kind stand for.
#[derive(Debug)]
pub(crate) struct Weights {
    /// How many samples all those before an index stand for; one more than there are samples.
    before: Vec<usize>,
    /// The indexes of samples that end a chunk, and what happened between its samples.
    events: Vec<(usize, u32)>,
}

impl Default for Weights {
    fn default() -> Self {
        Self { before: vec![0], events: Vec::new() }
    }
}

impl Weights {
    /// How many samples those of `range` stand for.
    #[inline]
    pub(crate) fn count(&self, range: &Range<usize>) -> usize {
        self.before[range.end] - self.before[range.start]
    }

    /// The changes or resets within chunks, if they were asked for: with the index of the sample that ends the chunk,
    /// which is not to be compared with the one before it, ascending.
    pub(crate) fn events(&self) -> &[(usize, u32)] {
        &self.events
    }

    /// What happened within the chunk that sample `idx` ends, if it ends one.
    pub(crate) fn event(&self, idx: usize) -> Option<u32> {
        let at = self.events.binary_search_by_key(&idx, |(last, _)| *last).ok()?;
        Some(self.events[at].1)
    }

    /// Adds a sample that stands for so many.
    pub(super) fn push(&mut self, weight: u32) {
        let total = self.before.last().copied().unwrap_or(0) + weight as usize;
        self.before.push(total);
    }

    /// The last sample ends a chunk, in which so much happened.
    pub(super) fn end_chunk(&mut self, events: u32) {
        self.events.push((self.before.len() - 2, events));
    }
}

/// Puts samples for the `summaries` between those of `columns`, which have no start timestamps; all ascend.
pub(crate) fn condense(columns: &mut SampleColumns, summaries: &Summaries, to: Condense) -> Condensed {
    Condensed {
        floats: condense_floats(columns, summaries, to),
        histograms: condense_histograms(columns, &summaries.windows, to),
    }
}

/// What stands for floats: a summary, or those of a window that has native histograms, too, which may matter or not.
enum Piece<'a> {
    Chunk(&'a ChunkSummary),
    Run(&'a FloatRun),
    Window(&'a Rollup),
}

fn condense_floats(columns: &mut SampleColumns, summaries: &Summaries, to: Condense) -> Weights {
    let chunks = summaries.chunks.iter().map(|chunk| (chunk.first_ts, Piece::Chunk(chunk)));
    let windows = summaries.windows.iter().filter_map(|window| {
        let run = window.floats.as_ref()?;
        let is_alone = !matches!(to, Condense::Changes | Condense::Resets);
        let piece = if is_alone { Piece::Run(run) } else { Piece::Window(window) };
        Some((run.first_ts, piece))
    });
    let mut pieces: Vec<(i64, Piece<'_>)> = chunks.chain(windows).collect();
    pieces.sort_by_key(|(first_ts, _)| *first_ts);
    let (ts, values) = (std::mem::take(&mut columns.ts), std::mem::take(&mut columns.values));
    let mut out = CondensedFloats::default();
    out.ts.reserve(ts.len() + 2 * pieces.len());
    out.values.reserve(ts.len() + 2 * pieces.len());
    let mut from = 0;
    for (first_ts, piece) in &pieces {
        let until = from + ts[from..].partition_point(|ts| ts < first_ts);
        out.samples(&ts[from..until], &values[from..until]);
        match piece {
            Piece::Chunk(summary) => out.chunk(summary, to),
            Piece::Run(run) => out.chunk(&summary_of_run(run), to),
            Piece::Window(window) => out.window(window, to),
        }
        from = until;
    }
    out.samples(&ts[from..], &values[from..]);
    (columns.ts, columns.values) = (out.ts, out.values);
    out.weights
}

fn condense_histograms(columns: &mut SampleColumns, windows: &[Rollup], to: Condense) -> Weights {
    let mut samples = std::mem::take(&mut columns.histograms).into_iter().peekable();
    let mut out = CondensedHistograms::default();
    for (window, run) in windows.iter().filter_map(|window| Some((window, window.states.as_ref()?))) {
        out.samples(std::iter::from_fn(|| samples.next_if(|sample| sample.ts < run.first_ts)));
        out.window(window, run, to);
    }
    out.samples(samples);
    columns.histograms = out.samples;
    out.weights
}

#[derive(Default)]
struct CondensedFloats {
    ts: Vec<i64>,
    values: Vec<f64>,
    weights: Weights,
}

impl CondensedFloats {
    /// Samples that are just themselves.
    fn samples(&mut self, ts: &[i64], values: &[f64]) {
        ts.iter().for_each(|_| self.weights.push(1));
        self.ts.extend_from_slice(ts);
        self.values.extend_from_slice(values);
    }

    /// Samples that stand for a chunk. All but the last of its samples are at the first one's time: none of them is
    /// looked at but by its order.
    fn chunk(&mut self, summary: &ChunkSummary, to: Condense) {
        let (first_ts, count) = (summary.first_ts, summary.count);
        match to {
            Condense::First => self.push(first_ts, summary.first, count),
            Condense::Min => self.push(first_ts, summary.min, count),
            Condense::Max => self.push(first_ts, summary.max, count),
            Condense::Sum => self.push(first_ts, summary.sum, count),
            Condense::Ends => self.ends(summary, &[]),
            Condense::Counter => match summary.correction() {
                Some(correction) if summary.resets > 0 => self.corrected_ends(summary, correction),
                _ => self.ends(summary, summary.before_resets().unwrap_or_default()),
            },
            Condense::Changes | Condense::Resets => {
                self.ends(summary, &[]);
                if count > 1 {
                    let events = if to == Condense::Changes { summary.changes } else { summary.resets };
                    self.weights.end_chunk(events);
                }
            }
        }
    }

    /// The first and the last sample of a chunk, and its resets from the values `before_resets`.
    fn ends(&mut self, summary: &ChunkSummary, before_resets: &[f64]) {
        let ChunkSummary { count, first_ts, last_ts, first, last, min, .. } = *summary;
        if count == 1 {
            return self.push(first_ts, first, 1);
        }
        self.push(first_ts, first, count - 1);
        for before in before_resets {
            self.push(first_ts, *before, 0);
            // Below the value before the reset, and not above any that follows: no other reset is seen.
            self.push(first_ts, min, 0);
        }
        self.push(last_ts, last, 1);
    }

    /// The first and the last sample, and between them what counts as `correction`, of however many resets that is the
    /// sum: each value before a smaller one is added.
    fn corrected_ends(&mut self, summary: &ChunkSummary, correction: f64) {
        let ChunkSummary { count, first_ts, last_ts, first, last, .. } = *summary;
        // Nothing is smaller, so that what follows is no reset.
        const LEAST: f64 = f64::NEG_INFINITY;
        self.push(first_ts, first, count - 1);
        let before = if correction < first {
            self.push(first_ts, LEAST, 0);
            correction - first
        } else {
            correction
        };
        self.push(first_ts, before, 0);
        self.push(first_ts, LEAST, 0);
        self.push(last_ts, last, 1);
    }

    fn push(&mut self, ts: i64, value: f64, weight: u32) {
        self.weights.push(weight);
        self.ts.push(ts);
        self.values.push(value);
    }

    /// Of a window that has native histograms, too: its first and its last sample, as far as they are floats.
    fn window(&mut self, window: &Rollup, to: Condense) {
        let (Some(run), Some(states), Some(together)) = (&window.floats, &window.states, window.together)
        else {
            return;
        };
        let first = run.first_ts < states.first_ts;
        let last = states.last_ts < run.last_ts;
        if first {
            self.push(run.first_ts, run.first, run.count - u32::from(last));
        }
        if last {
            self.push(run.last_ts, run.last, if first { 1 } else { run.count });
            let events = if to == Condense::Changes { together.changes } else { together.resets };
            self.weights.end_chunk(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk between two samples, in the way that is asked for.
    fn condensed(chunk: &[f64], to: Condense) -> (SampleColumns, Weights) {
        let ts: Vec<i64> = (0..chunk.len() as i64).map(|n| 20 + n).collect();
        let summary = ChunkSummary::of(&ts, chunk).unwrap();
        let mut columns =
            SampleColumns { ts: vec![10, 90], values: vec![1.0, 2.0], ..SampleColumns::default() };
        let summaries = Summaries { chunks: vec![summary], windows: Vec::new() };
        let weights = condense(&mut columns, &summaries, to).floats;
        assert_eq!(weights.count(&(0..columns.ts.len())), chunk.len() + 2);
        assert_eq!(weights.count(&(0..1)), 1);
        assert_eq!(weights.count(&(1..columns.ts.len() - 1)), chunk.len());
        assert!(columns.ts.is_sorted() && columns.ts.len() == columns.values.len());
        (columns, weights)
    }

    #[test]
    fn a_few_samples_stand_for_a_chunk() {
        let chunk = [3.0, 9.0, 4.0, 4.0, 8.0];
        for (to, expected) in [
            (Condense::First, &[3.0][..]),
            (Condense::Min, &[3.0]),
            (Condense::Max, &[9.0]),
            (Condense::Sum, &[28.0]),
            (Condense::Ends, &[3.0, 8.0]),
            (Condense::Changes, &[3.0, 8.0]),
            (Condense::Resets, &[3.0, 8.0]),
            (Condense::Counter, &[3.0, 9.0, 3.0, 8.0]),
        ] {
            let (columns, weights) = condensed(&chunk, to);
            assert_eq!(columns.values[1..columns.values.len() - 1], *expected, "{to:?}");
            let events = match to {
                Condense::Changes => vec![(2, 3)],
                Condense::Resets => vec![(2, 1)],
                _ => Vec::new(),
            };
            assert_eq!(weights.events(), events, "{to:?}");
        }
    }

    #[test]
    fn the_ends_of_a_chunk_of_one_sample_are_one() {
        for to in [Condense::Ends, Condense::Changes, Condense::Resets, Condense::Counter] {
            let (columns, weights) = condensed(&[7.0], to);
            assert_eq!(columns.values, [1.0, 7.0, 2.0], "{to:?}");
            assert!(weights.events().is_empty());
        }
    }

    #[test]
    fn what_resets_add_up_to_is_added() {
        use kymo_engine::FloatRun;
        for chunk in
            [&[5.0, 1.0, 0.5, 7.0, 7.0, 2.0][..], &[-5.0, -7.0, -9.0], &[3.0, -8.0, 2.0, 1.0], &[9.0, 1.0]]
        {
            let mut run = FloatRun::of(0, chunk[0]);
            (1_i64..).zip(&chunk[1..]).for_each(|(ts, value)| run.push(ts, *value));
            let mut columns = SampleColumns::default();
            let summary = ChunkSummary::of_run(&run, 0.0);
            let summaries = Summaries { chunks: vec![summary], windows: Vec::new() };
            let weights = condense(&mut columns, &summaries, Condense::Counter).floats;
            let added = |values: &[f64]| {
                let resets = values.windows(2).filter(|pair| pair[1] < pair[0]);
                resets.map(|pair| pair[0]).sum::<f64>()
            };
            assert_eq!(added(&columns.values), added(chunk), "{:?}", columns.values);
            assert_eq!(weights.count(&(0..columns.ts.len())), chunk.len());
            assert_eq!((columns.values[0], columns.values.last()), (chunk[0], chunk.last()));
        }
    }

    #[test]
    fn each_reset_of_a_counter_is_seen_and_no_other() {
        for chunk in [&[5.0, 1.0, 0.5, 7.0, 7.0, 2.0][..], &[0.0, -0.0, 4.0, 0.0], &[2.0, 2.0], &[9.0, 1.0]] {
            let before = |values: &[f64]| {
                let resets = values.windows(2).filter(|pair| pair[1] < pair[0]);
                resets.map(|pair| pair[0]).collect::<Vec<_>>()
            };
            let (columns, _) = condensed(chunk, Condense::Counter);
            let inside = &columns.values[1..columns.values.len() - 1];
            assert_eq!(before(inside), before(chunk), "{inside:?}");
        }
    }
}
