//! Chunks that take no more samples, waiting for the flush.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use kymo_formats::{index::chunk_directory::ChunkMeta, varint};

use super::{
    arena::{ByteArena, ByteSpan},
    late::LateSamples,
    paged::Paged,
};

/// No chunk.
pub(super) const NO_CHUNK: u32 = u32::MAX;

/// One sealed chunk. What is known of it lies in front of its bytes, in a third of the room: when a fleet was begun at
/// once, as many chunks as series are sealed at once.
#[derive(Debug, Clone, Copy)]
struct SealedChunk {
    series: u32,
    /// The chunk of the same series that was sealed before it in the same store, or [`NO_CHUNK`].
    previous: u32,
    bytes: ByteSpan,
}

/// Sealed chunks of one shard, in the order in which they were sealed. Those of one series are a linked list,
/// from the newest back, so that a series needs no list of its own.
#[derive(Debug, Default)]
pub(super) struct SealedChunks {
    entries: Paged<SealedChunk>,
    bytes: ByteArena,
}

impl SealedChunks {
    /// Adds a chunk; `previous` is what the last call for the series returned.
    pub(super) fn push(&mut self, series: u32, previous: u32, meta: ChunkMeta, bytes: &[u8]) -> u32 {
        let mut described = Vec::with_capacity(bytes.len() + 24);
        put_meta(meta, &mut described);
        described.extend_from_slice(bytes);
        let bytes = self.bytes.push(&described);
        self.entries.push(SealedChunk { series, previous, bytes })
    }

    /// The chunks of one series from the newest back, starting from `last`.
    pub(super) fn of_series(&self, last: u32) -> impl Iterator<Item = (ChunkMeta, &[u8])> {
        let mut next = last;
        std::iter::from_fn(move || {
            let chunk = self.entries.get(next)?;
            next = chunk.previous;
            Some(take_meta(self.bytes.get(chunk.bytes)))
        })
    }

    /// Changes the ids of series. A chunk whose series is gone stays, and belongs to none.
    pub(super) fn rename(&mut self, renamed: impl Fn(u32) -> Option<u32>) {
        for chunk in self.entries.iter_mut() {
            chunk.series = renamed(chunk.series).unwrap_or(u32::MAX);
        }
    }

    /// The series of each chunk, and what is known of the chunk.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, ChunkMeta)> {
        self.entries.iter().map(|chunk| (chunk.series, take_meta(self.bytes.get(chunk.bytes)).0))
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the chunks.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.bytes.used_bytes()
    }

    /// Bytes of memory held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.bytes() + self.entries.bytes()
    }
}

fn put_meta(meta: ChunkMeta, out: &mut Vec<u8>) {
    varint::put(out, u64::from(meta.encoding));
    varint::put(out, u64::from(meta.count));
    varint::put(out, varint::zigzag(meta.min_ts));
    varint::put(out, meta.max_ts.wrapping_sub(meta.min_ts).cast_unsigned());
}

/// What [`put_meta`] wrote, and the bytes behind it.
fn take_meta(bytes: &[u8]) -> (ChunkMeta, &[u8]) {
    let mut rest = bytes;
    let mut number = || {
        let (mut number, mut shift) = (0, 0);
        while let [byte, tail @ ..] = rest {
            rest = tail;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    };
    let encoding = u8::try_from(number()).unwrap_or(u8::MAX);
    let count = u32::try_from(number()).unwrap_or(u32::MAX);
    let min_ts = varint::unzigzag(number());
    let max_ts = min_ts.wrapping_add(number().cast_signed());
    (ChunkMeta { encoding, count, min_ts, max_ts }, rest)
}

/// What a flush took out of a shard: it never changes, and readers use it until its blocks are live.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) sealed: SealedChunks,
    pub(super) late: BTreeMap<u32, LateSamples>,
    /// Series and their newest chunk, ascending. Made when it is first asked for: a flush should not keep writers
    /// waiting for it.
    last: OnceLock<Vec<(u32, u32)>>,
}

impl Generation {
    pub(super) fn new(sealed: SealedChunks, late: BTreeMap<u32, LateSamples>) -> Arc<Self> {
        Arc::new(Self { sealed, late, last: OnceLock::new() })
    }

    /// The chunks of `series`, newest first.
    pub(super) fn chunks(&self, series: u32) -> impl Iterator<Item = (ChunkMeta, &[u8])> {
        let last = self.last.get_or_init(|| self.newest_chunks());
        let at = last.binary_search_by_key(&series, |(series, _)| *series);
        self.sealed.of_series(at.map_or(NO_CHUNK, |at| last[at].1))
    }

    fn newest_chunks(&self) -> Vec<(u32, u32)> {
        let mut chunks = Vec::with_capacity(self.sealed.len());
        chunks.extend(self.sealed.iter().map(|(series, _)| series).zip(0_u32..));
        chunks.sort_unstable_by(|a, b| b.cmp(a));
        chunks.dedup_by_key(|(series, _)| *series);
        chunks.reverse();
        chunks
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let last = self.last.get().map_or(0, |last| last.capacity() * size_of::<(u32, u32)>());
        self.sealed.heap_bytes() + last + self.late.values().map(LateSamples::heap_bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_as_they_were() {
        let meta = |encoding, count, min_ts, max_ts| ChunkMeta { encoding, count, min_ts, max_ts };
        let chunks = [
            (7, meta(1, 120, 1_700_000_000_000, 1_700_001_785_000), vec![1, 2, 3]),
            (9, meta(0, 1, i64::MIN, i64::MIN), vec![]),
            (7, meta(127, u32::MAX, i64::MIN, i64::MAX), vec![0xff; 100_000]),
        ];
        let mut sealed = SealedChunks::default();
        let mut last = BTreeMap::new();
        for (series, meta, bytes) in &chunks {
            let previous = last.get(series).copied().unwrap_or(NO_CHUNK);
            last.insert(*series, sealed.push(*series, previous, *meta, bytes));
        }
        let all: Vec<_> = sealed.iter().collect();
        assert_eq!(all, chunks.iter().map(|(series, meta, _)| (*series, *meta)).collect::<Vec<_>>());
        let generation = Generation::new(sealed, BTreeMap::new());
        let of_7: Vec<_> = generation.chunks(7).map(|(meta, bytes)| (meta, bytes.to_vec())).collect();
        assert_eq!(of_7, [(chunks[2].1, chunks[2].2.clone()), (chunks[0].1, chunks[0].2.clone())]);
        assert_eq!(generation.chunks(9).count(), 1);
        assert_eq!(generation.chunks(8).count(), 0);
    }
}
