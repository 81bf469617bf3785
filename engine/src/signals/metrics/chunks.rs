//! Samples to chunks of a level's size.

use std::borrow::Cow;

use kymo_formats::{
    codec::{
        Encoding,
        column_chunk::ColumnEncoding,
        start_ts,
        summary::ChunkSummary,
        values::{self, Density},
        with_start_ts, xor,
    },
    index::chunk_directory::ChunkMeta,
};

use super::{
    floats::Floats,
    histogram_columns::{CHUNK_WORDS, encode_histogram_columns},
    samples::{Kind, Sample, Value, encode_histogram_chunks},
};
use crate::block::{ChunkBody, ChunkColumns};

/// Samples that are collected at most before chunks are made of them, in chunks: bounds the memory that one
/// very dense series takes.
const PENDING_CHUNKS_MAX: usize = 64;
/// The same for histograms, in [`CHUNK_WORDS`].
const PENDING_WORDS_MAX: usize = 8 * CHUNK_WORDS;

/// How floats are stored. Histograms are stored by column where floats are.
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
    /// Buckets, spans and bounds of `histograms`.
    histogram_words: usize,
    chunks: Vec<MergedChunk<'a>>,
}

impl<'a> SeriesChunks<'a> {
    pub(crate) fn new(target: ChunkTarget) -> Self {
        Self {
            target,
            floats: Floats::default(),
            histograms: Vec::new(),
            histogram_words: 0,
            chunks: Vec::new(),
        }
    }

    /// Whether a chunk needs not be decoded: it is large enough, lies within one window, and is in the form that
    /// is wanted. `words` are those of [`super::words`].
    pub(crate) fn takes_whole(&self, meta: &ChunkMeta, words: impl FnOnce() -> usize) -> bool {
        self.is_wanted(meta.encoding)
            && self.window(meta.min_ts) == self.window(meta.max_ts)
            && (meta.count >= self.target.samples / 4 * 3 || words() >= CHUNK_WORDS / 4 * 3)
    }

    fn is_wanted(&self, encoding: u8) -> bool {
        match self.target.floats {
            FloatForm::Gorilla => true,
            // A column does not tell whether it is as dense as can be: on the way to where it stays it is made so.
            FloatForm::Columns(Density::Dense) => false,
            FloatForm::Columns(Density::Fast) => ColumnEncoding::from_u8(encoding).is_some(),
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
                Value::Histogram(ref histogram) => {
                    let words = histogram.words();
                    self.push_histogram(sample, words);
                }
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

    fn push_histogram(&mut self, sample: Sample, words: usize) {
        let continues = |last: &Sample| {
            Kind::of(&last.value) == Kind::of(&sample.value) && self.window(last.ts) == self.window(sample.ts)
        };
        let continues = self.floats.is_empty()
            && self.histograms.last().is_none_or(continues)
            && self.histograms.len() < self.pending_max()
            && self.histogram_words < PENDING_WORDS_MAX;
        if !continues {
            self.flush();
        }
        self.histograms.push(sample);
        self.histogram_words += words;
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
        let wide_parts = self.histogram_words.div_ceil(CHUNK_WORDS).max(1);
        let wide_part_len = self.histograms.len().div_ceil(wide_parts).max(1);
        let part_len = self.target.part_len(self.histograms.len()).min(wide_part_len);
        for part in self.histograms.chunks(part_len) {
            encode_histograms(part, self.target.floats, chunks);
        }
        for part in self.floats.parts(self.target.part_len(self.floats.len())) {
            chunks.push(encode_floats(&part, self.target.floats));
        }
        self.histograms.clear();
        self.histogram_words = 0;
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

/// Appends the chunks of histograms of one kind.
fn encode_histograms(samples: &[Sample], form: FloatForm, chunks: &mut Vec<MergedChunk<'_>>) {
    let by_column = match form {
        FloatForm::Gorilla => None,
        FloatForm::Columns(density) => encode_histogram_columns(samples, density),
    };
    if let Some(chunk) = by_column {
        return chunks.push(chunk);
    }
    encode_histogram_chunks(samples, |meta, bytes| {
        chunks.push(MergedChunk { meta, body: ChunkBody::Whole(Cow::Owned(bytes)), summary: None });
    });
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
            let columns = ChunkColumns { ts: floats.ts.to_vec(), starts, values: Cow::Owned(column) };
            let meta = meta(ColumnEncoding::Floats.as_u8());
            MergedChunk { meta, body: ChunkBody::Columns(columns), summary }
        }
    }
}

#[cfg(test)]
mod tests {
    use kymo_formats::{
        codec::histogram::columns,
        histogram::{Histogram, HistogramValue, Span},
    };

    use super::*;

    #[test]
    fn a_chunk_is_moved_as_it_is_only_in_the_form_that_is_wanted() {
        let taken = |floats, encoding| {
            let chunks = SeriesChunks::new(ChunkTarget { samples: 100, window_ms: 1_000, floats });
            chunks.takes_whole(&ChunkMeta { encoding, count: 100, min_ts: 0, max_ts: 999 }, || 0)
        };
        let streams = [Encoding::Xor, Encoding::Histogram].map(Encoding::as_u8);
        let columns = [ColumnEncoding::Floats, ColumnEncoding::Histograms].map(ColumnEncoding::as_u8);
        let (fast, dense) = (FloatForm::Columns(Density::Fast), FloatForm::Columns(Density::Dense));
        assert_eq!(streams.map(|encoding| taken(fast, encoding)), [false, false]);
        assert_eq!(columns.map(|encoding| taken(fast, encoding)), [true, true]);
        assert_eq!(columns.map(|encoding| taken(dense, encoding)), [false, false]);
        assert_eq!(streams.map(|encoding| taken(FloatForm::Gorilla, encoding)), [true, true]);
    }

    fn wide_histograms(count: i64, buckets: usize) -> impl Iterator<Item = Sample> {
        let length = u32::try_from(buckets).unwrap();
        (0..count).map(move |ts| {
            let histogram = Histogram {
                count: buckets as u64,
                positive_spans: vec![Span { offset: 0, length }],
                positive_buckets: std::iter::once(1).chain(std::iter::repeat_n(0, buckets - 1)).collect(),
                ..Histogram::default()
            };
            let value = Value::Histogram(Box::new(HistogramValue::Integer(histogram)));
            Sample { ts, start_ts: 0, value }
        })
    }

    #[test]
    fn wide_histograms_make_short_chunks_which_are_full_all_the_same() {
        let floats = FloatForm::Columns(Density::Fast);
        let target = ChunkTarget { samples: 8_192, window_ms: i64::MAX, floats };
        let mut chunks = SeriesChunks::new(target);
        chunks.push_samples(wide_histograms(2_000, 511));
        let chunks = chunks.finish();
        assert_eq!(chunks.iter().map(|chunk| chunk.meta.count).collect::<Vec<_>>(), [500; 4]);
        let ChunkBody::Columns(columns) = &chunks[0].body else { panic!("{chunks:?}") };
        let words = columns::outline(&columns.values, 500).unwrap().words;
        assert!(SeriesChunks::new(target).takes_whole(&chunks[0].meta, || words));
        assert!(!SeriesChunks::new(target).takes_whole(&chunks[0].meta, || words / 2));
    }

    #[test]
    fn histograms_too_wide_for_a_column_stay_as_they_are() {
        let floats = FloatForm::Columns(Density::Fast);
        let mut chunks = SeriesChunks::new(ChunkTarget { samples: 480, window_ms: i64::MAX, floats });
        chunks.push_samples(wide_histograms(1, 1 << 22));
        let chunks = chunks.finish();
        assert_eq!(chunks[0].meta.encoding, Encoding::Histogram.as_u8());
    }
}
