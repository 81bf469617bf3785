//! Chunks that take no more samples, waiting for the flush.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use kymo_formats::index::chunk_directory::ChunkMeta;

use super::{arena::ByteArena, arena::ByteSpan, late::LateSamples};

/// No chunk.
pub(super) const NO_CHUNK: u32 = u32::MAX;

/// One sealed chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct SealedChunk {
    pub(super) series: u32,
    /// The chunk of the same series that was sealed before it in the same store, or [`NO_CHUNK`].
    previous: u32,
    pub(super) meta: ChunkMeta,
    bytes: ByteSpan,
}

/// Sealed chunks of one shard, in the order in which they were sealed. Those of one series are a linked list,
/// from the newest back, so that a series needs no list of its own.
#[derive(Debug, Default)]
pub(super) struct SealedChunks {
    entries: Vec<SealedChunk>,
    bytes: ByteArena,
}

impl SealedChunks {
    /// Adds a chunk; `previous` is what the last call for the series returned.
    pub(super) fn push(&mut self, series: u32, previous: u32, meta: ChunkMeta, bytes: &[u8]) -> u32 {
        let bytes = self.bytes.push(bytes);
        self.entries.push(SealedChunk { series, previous, meta, bytes });
        u32::try_from(self.entries.len() - 1).expect("the head's budget keeps sealed chunks below 2^32")
    }

    /// The chunks of one series from the newest back, starting from `last`.
    pub(super) fn of_series(&self, last: u32) -> impl Iterator<Item = (ChunkMeta, &[u8])> {
        let mut next = last;
        std::iter::from_fn(move || {
            let chunk = self.entries.get(next as usize)?;
            next = chunk.previous;
            Some((chunk.meta, self.bytes.get(chunk.bytes)))
        })
    }

    /// Changes the ids of series. A chunk whose series is gone stays, and belongs to none.
    pub(super) fn rename(&mut self, renamed: impl Fn(&u32) -> Option<u32>) {
        for chunk in &mut self.entries {
            chunk.series = renamed(&chunk.series).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SealedChunk> {
        self.entries.iter()
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of memory held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.bytes() + self.entries.capacity() * size_of::<SealedChunk>()
    }
}

/// What a flush took out of a shard: it never changes, and readers use it until its blocks are live.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) sealed: SealedChunks,
    pub(super) late: BTreeMap<u32, LateSamples>,
    /// Newest chunk of each series, made when it is first asked for: a flush should not keep writers waiting
    /// for it.
    last: OnceLock<BTreeMap<u32, u32>>,
}

impl Generation {
    pub(super) fn new(sealed: SealedChunks, late: BTreeMap<u32, LateSamples>) -> Arc<Self> {
        Arc::new(Self { sealed, late, last: OnceLock::new() })
    }

    /// The chunks of `series`, newest first.
    pub(super) fn chunks(&self, series: u32) -> impl Iterator<Item = (ChunkMeta, &[u8])> {
        let last = self.last.get_or_init(|| {
            (0_u32..).zip(self.sealed.iter()).map(|(index, chunk)| (chunk.series, index)).collect()
        });
        self.sealed.of_series(last.get(&series).copied().unwrap_or(NO_CHUNK))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.sealed.heap_bytes() + self.late.values().map(LateSamples::heap_bytes).sum::<usize>()
    }
}
