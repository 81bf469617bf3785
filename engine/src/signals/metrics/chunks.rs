//! Samples to chunks of a level's size.

use std::borrow::Cow;

use kymo_formats::index::chunk_directory::ChunkMeta;

use super::samples::{Kind, Sample, encode_chunks};

/// Samples that are collected at most before chunks are made of them, in chunks: bounds the memory that one
/// very dense series takes.
const PENDING_CHUNKS_MAX: usize = 64;

/// How chunks are to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkTarget {
    /// Samples per chunk to aim at.
    pub(crate) samples: u32,
    /// No chunk reaches over a multiple of this.
    pub(crate) window_ms: i64,
}

/// A chunk of the result of a merge.
#[derive(Debug)]
pub(crate) struct MergedChunk<'a> {
    pub(crate) meta: ChunkMeta,
    pub(crate) bytes: Cow<'a, [u8]>,
}

/// Makes the chunks of one series, in order of time.
pub(crate) struct SeriesChunks<'a> {
    target: ChunkTarget,
    /// Samples of one kind within one window that are not in a chunk yet.
    pending: Vec<Sample>,
    chunks: Vec<MergedChunk<'a>>,
}

impl<'a> SeriesChunks<'a> {
    pub(crate) const fn new(target: ChunkTarget) -> Self {
        Self { target, pending: Vec::new(), chunks: Vec::new() }
    }

    /// Whether a chunk needs not be decoded: it is large enough, and lies within one window.
    pub(crate) const fn takes_whole(&self, meta: &ChunkMeta) -> bool {
        meta.count >= self.target.samples / 4 * 3 && self.window(meta.min_ts) == self.window(meta.max_ts)
    }

    /// Appends a chunk as it is.
    pub(crate) fn push_chunk(&mut self, meta: ChunkMeta, bytes: &'a [u8]) {
        self.flush();
        self.chunks.push(MergedChunk { meta, bytes: Cow::Borrowed(bytes) });
    }

    /// Appends samples, in order of time.
    pub(crate) fn push_samples(&mut self, samples: impl Iterator<Item = Sample>) {
        for sample in samples {
            if !self.pending.last().is_none_or(|last| self.continues(last, &sample)) {
                self.flush();
            }
            self.pending.push(sample);
        }
    }

    /// The chunks.
    pub(crate) fn finish(mut self) -> Vec<MergedChunk<'a>> {
        self.flush();
        self.chunks
    }

    fn continues(&self, last: &Sample, next: &Sample) -> bool {
        Kind::of(&last.value) == Kind::of(&next.value)
            && self.window(last.ts) == self.window(next.ts)
            && self.pending.len() < PENDING_CHUNKS_MAX * self.target.samples as usize
    }

    const fn window(&self, ts: i64) -> i64 {
        ts.div_euclid(self.target.window_ms)
    }

    /// Makes chunks of about equal size of what is pending, rather than full ones and a small rest.
    fn flush(&mut self) {
        let target = self.target.samples as usize;
        let parts = ((self.pending.len() + target / 2) / target).max(1);
        let size = self.pending.len().div_ceil(parts).max(1);
        for part in self.pending.chunks(size) {
            encode_chunks(part, |meta, bytes| {
                self.chunks.push(MergedChunk { meta, bytes: Cow::Owned(bytes) });
            });
        }
        self.pending.clear();
    }
}
