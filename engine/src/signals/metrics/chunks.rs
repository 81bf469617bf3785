//! Samples to chunks of a level's size.

use std::borrow::Cow;

use kymo_formats::{
    codec::{
        Encoding, column_chunk, start_ts,
        summary::ChunkSummary,
        values::{self, Density},
        with_start_ts, xor,
    },
    index::chunk_directory::ChunkMeta,
};

use super::{
    floats::Floats,
    samples::{Kind, Sample, Value, encode_histogram_chunks},
};
use crate::block::{ChunkBody, FloatColumns};

/// Samples that are collected at most before chunks are made of them, in chunks: bounds the memory that one
/// very dense series takes.
const PENDING_CHUNKS_MAX: usize = 64;

/// How floats are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatForm {
    /// Gorilla, as they come from the head.
    Gorilla,
    /// A column of values, at timestamps that the block keeps once for all series of a scrape.
    Columns(Density),
}

/// How chunks are to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkTarget {
    /// Samples per chunk to aim at.
    pub(crate) samples: u32,
    /// No chunk reaches over a multiple of this.
    pub(crate) window_ms: i64,
    /// How floats are stored.
    pub(crate) floats: FloatForm,
}

/// A chunk of the result of a merge.
#[derive(Debug)]
pub(crate) struct MergedChunk<'a> {
    pub(crate) meta: ChunkMeta,
    pub(crate) body: ChunkBody<'a>,
    /// What it amounts to, if it has a summary.
    pub(crate) summary: Option<ChunkSummary>,
}

/// Makes the chunks of one series, in order of time.
pub(crate) struct SeriesChunks<'a> {
    target: ChunkTarget,
    /// Samples of one kind within one window that are not in a chunk yet: floats or histograms.
    floats: Floats,
    histograms: Vec<Sample>,
    chunks: Vec<MergedChunk<'a>>,
}

impl<'a> SeriesChunks<'a> {
    pub(crate) fn new(target: ChunkTarget) -> Self {
        Self { target, floats: Floats::default(), histograms: Vec::new(), chunks: Vec::new() }
    }

    /// Whether a chunk needs not be decoded: it is large enough, lies within one window, and is in the form that
    /// is wanted.
    pub(crate) fn takes_whole(&self, meta: &ChunkMeta) -> bool {
        meta.count >= self.target.samples / 4 * 3
            && self.window(meta.min_ts) == self.window(meta.max_ts)
            && self.is_wanted(meta.encoding)
    }

    fn is_wanted(&self, encoding: u8) -> bool {
        let is_histogram = Encoding::from_u8(encoding).is_some_and(Encoding::is_histogram);
        match self.target.floats {
            FloatForm::Gorilla => true,
            // A column does not tell whether it is as dense as can be: on the way to where it stays it is made so.
            FloatForm::Columns(Density::Dense) => is_histogram,
            FloatForm::Columns(Density::Fast) => is_histogram || encoding == column_chunk::ENCODING,
        }
    }

    /// Appends a chunk as it is.
    pub(crate) fn push_chunk(&mut self, chunk: MergedChunk<'a>) {
        self.flush();
        self.chunks.push(chunk);
    }

    /// Appends samples, in order of time.
    pub(crate) fn push_samples(&mut self, samples: impl Iterator<Item = Sample>) {
        for sample in samples {
            match sample.value {
                Value::Float(value) => self.push_float(sample.ts, sample.start_ts, value),
                Value::Histogram(_) => self.push_histogram(sample),
            }
        }
    }

    /// Appends floats, in order of time.
    pub(crate) fn push_floats(&mut self, floats: &Floats) {
        floats.iter().for_each(|(ts, start_ts, value)| self.push_float(ts, start_ts, value));
    }

    /// The chunks.
    pub(crate) fn finish(mut self) -> Vec<MergedChunk<'a>> {
        self.flush();
        self.chunks
    }

    fn push_float(&mut self, ts: i64, start_ts: i64, value: f64) {
        let continues = self.histograms.is_empty()
            && self.floats.last_ts().is_none_or(|last| self.window(last) == self.window(ts))
            && self.floats.len() < self.pending_max();
        if !continues {
            self.flush();
        }
        self.floats.push(ts, start_ts, value);
    }

    fn push_histogram(&mut self, sample: Sample) {
        let continues = |last: &Sample| {
            Kind::of(&last.value) == Kind::of(&sample.value) && self.window(last.ts) == self.window(sample.ts)
        };
        let continues = self.floats.is_empty()
            && self.histograms.last().is_none_or(continues)
            && self.histograms.len() < self.pending_max();
        if !continues {
            self.flush();
        }
        self.histograms.push(sample);
    }

    const fn pending_max(&self) -> usize {
        PENDING_CHUNKS_MAX * self.target.samples as usize
    }

    const fn window(&self, ts: i64) -> i64 {
        ts.div_euclid(self.target.window_ms)
    }

    /// Makes chunks of about equal size of what is pending, rather than full ones and a small rest.
    fn flush(&mut self) {
        let chunks = &mut self.chunks;
        for part in self.histograms.chunks(self.target.part_len(self.histograms.len())) {
            encode_histogram_chunks(part, |meta, bytes| {
                chunks.push(MergedChunk { meta, body: ChunkBody::Whole(Cow::Owned(bytes)), summary: None });
            });
        }
        for part in self.floats.parts(self.target.part_len(self.floats.len())) {
            chunks.push(encode_floats(&part, self.target.floats));
        }
        self.histograms.clear();
        self.floats.clear();
    }
}

impl ChunkTarget {
    /// Samples of each chunk when `len` are split evenly.
    fn part_len(&self, len: usize) -> usize {
        let target = self.samples as usize;
        let parts = ((len + target / 2) / target).max(1);
        len.div_ceil(parts).max(1)
    }
}

/// A chunk of floats, of which there is at least one.
fn encode_floats(floats: &super::floats::Part<'_>, form: FloatForm) -> MergedChunk<'static> {
    let meta = |encoding| ChunkMeta {
        encoding,
        count: u32::try_from(floats.ts.len()).expect("a chunk has at most 65,535 samples"),
        min_ts: floats.ts.first().copied().unwrap_or(0),
        max_ts: floats.ts.last().copied().unwrap_or(0),
    };
    let summary = ChunkSummary::of(floats.ts, floats.values);
    match form {
        FloatForm::Gorilla => {
            let base = xor::encode(floats.ts.iter().copied().zip(floats.values.iter().copied()));
            match floats.start_ts {
                None => MergedChunk { meta: meta(Encoding::Xor.as_u8()), body: base.into(), summary },
                Some(start_ts) => MergedChunk {
                    meta: meta(Encoding::XorStart.as_u8()),
                    body: with_start_ts(&base, floats.ts, start_ts).into(),
                    summary,
                },
            }
        }
        FloatForm::Columns(density) => {
            let mut column = Vec::new();
            values::encode(floats.values, density, &mut column);
            let starts = floats.start_ts.map(|start_ts| {
                let mut starts = Vec::new();
                start_ts::encode(start_ts, floats.ts, &mut starts);
                Cow::Owned(starts)
            });
            let columns = FloatColumns { ts: floats.ts.to_vec(), starts, values: Cow::Owned(column) };
            MergedChunk { meta: meta(column_chunk::ENCODING), body: ChunkBody::Columns(columns), summary }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_moved_as_it_is_only_in_the_form_that_is_wanted() {
        let taken = |floats, encoding| {
            let chunks = SeriesChunks::new(ChunkTarget { samples: 100, window_ms: 1_000, floats });
            chunks.takes_whole(&ChunkMeta { encoding, count: 100, min_ts: 0, max_ts: 999 })
        };
        let (xor, histogram) = (Encoding::Xor.as_u8(), Encoding::Histogram.as_u8());
        let (fast, dense) = (FloatForm::Columns(Density::Fast), FloatForm::Columns(Density::Dense));
        assert_eq!([xor, column_chunk::ENCODING, histogram].map(|e| taken(fast, e)), [false, true, true]);
        assert_eq!([xor, column_chunk::ENCODING, histogram].map(|e| taken(dense, e)), [false, false, true]);
        assert!(taken(FloatForm::Gorilla, xor));
    }
}
