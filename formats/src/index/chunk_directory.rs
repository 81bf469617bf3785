//! Where the chunks of each series lie in the chunk data, and what time they cover: the zone map of a block.
//!
//! Chunks lie in the order of their series and within a series in the order written, without gaps, so only
//! lengths are kept. The section is `base_ts: i64`, `series: u32`, then for every 16th series `entry: u32`,
//! the offset of its entry behind this table, and `data: u64`, the offset of its first chunk in the chunk
//! data; then the entries. An entry is `count: varint` and for each chunk:
//!
//! | field | form | meaning |
//! | --- | --- | --- |
//! | encoding | u8 | how the chunk's bytes are to be decoded |
//! | samples | varint | number of samples, at least 1 |
//! | min_ts | signed varint | first timestamp, as the distance to the `max_ts` of the chunk before it in the series, for the first one to `base_ts` |
//! | span | varint | `max_ts - min_ts` |
//! | len | varint | length of the chunk in bytes |

use super::{RESTART_INTERVAL, TooLarge};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "chunk directory";
/// `entry` and `data` of a restart.
const RESTART_BYTES: usize = 12;

/// What is known of a chunk without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Which of the encodings of `codec` the bytes are in.
    pub encoding: u8,
    /// Number of samples.
    pub count: u32,
    /// Earliest timestamp, milliseconds.
    pub min_ts: i64,
    /// Latest timestamp, milliseconds; inclusive.
    pub max_ts: i64,
}

/// A chunk and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// What is known of it.
    pub meta: ChunkMeta,
    /// Where it starts, in bytes from the start of the chunk data.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u32,
}

/// Builds a chunk directory. Chunks are pushed after the series they belong to has been started.
#[derive(Debug, Default)]
pub struct ChunkDirectoryBuilder {
    base_ts: Option<i64>,
    restarts: Vec<u8>,
    entries: Vec<u8>,
    series: u32,
    data: u64,
}

impl ChunkDirectoryBuilder {
    /// Appends the next series with its chunks, each as what is known of it and its length, in the order
    /// in which they lie in the chunk data.
    ///
    /// # Errors
    /// When the section would outgrow its offsets.
    pub fn push(&mut self, chunks: &[(ChunkMeta, u32)]) -> Result<(), TooLarge> {
        let too_large = TooLarge { what: WHAT };
        if self.series.is_multiple_of(RESTART_INTERVAL) {
            let entry = u32::try_from(self.entries.len()).map_err(|_| too_large)?;
            let mut writer = Writer::new(&mut self.restarts);
            writer.u32(entry);
            writer.u64(self.data);
        }
        self.series = self.series.checked_add(1).ok_or(too_large)?;
        let mut writer = Writer::new(&mut self.entries);
        writer.varint_usize(chunks.len());
        let mut previous = self.base_ts;
        for (meta, len) in chunks {
            let before = previous.unwrap_or(meta.min_ts);
            self.base_ts.get_or_insert(before);
            writer.u8(meta.encoding);
            writer.varint(u64::from(meta.count));
            writer.varint_i64(meta.min_ts.wrapping_sub(before));
            writer.varint(meta.max_ts.wrapping_sub(meta.min_ts).cast_unsigned());
            writer.varint(u64::from(*len));
            previous = Some(meta.max_ts);
            self.data = self.data.saturating_add(u64::from(*len));
        }
        Ok(())
    }

    /// Length of the chunk data so far.
    #[must_use]
    pub const fn data_len(&self) -> u64 {
        self.data
    }

    /// Appends the directory's bytes to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.i64(self.base_ts.unwrap_or(0));
        writer.u32(self.series);
        writer.bytes(&self.restarts);
        writer.bytes(&self.entries);
    }
}

/// A chunk directory in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct ChunkDirectory<'a> {
    base_ts: i64,
    series: u32,
    restarts: &'a [u8],
    entries: &'a [u8],
}

impl<'a> ChunkDirectory<'a> {
    /// The directory in `bytes`.
    ///
    /// # Errors
    /// When the restart table does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let base_ts = reader.i64(WHAT)?;
        let series = reader.u32(WHAT)?;
        let groups = usize::try_from(series.div_ceil(RESTART_INTERVAL)).ok();
        let table = groups.and_then(|groups| groups.checked_mul(RESTART_BYTES));
        let restarts = reader.take(table.ok_or_else(|| reader.error(WHAT))?, WHAT)?;
        Ok(Self { base_ts, series, restarts, entries: reader.remaining() })
    }

    /// Number of series.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.series
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.series == 0
    }

    /// A cursor for look-ups with ascending ranks.
    #[must_use]
    pub const fn cursor(&self) -> Cursor<'a> {
        Cursor { directory: *self, next: 0, rest: Reader::new(&[]), data: 0 }
    }

    fn group(&self, group: u32) -> Result<(Reader<'a>, u64), DecodeError> {
        let mut restarts = Reader::new(self.restarts);
        let at = usize::try_from(group).ok().and_then(|group| group.checked_mul(RESTART_BYTES));
        restarts.take(at.ok_or(DecodeError::new(WHAT, 0))?, WHAT)?;
        let entry = restarts.u32(WHAT)?;
        let data = restarts.u64(WHAT)?;
        let mut reader = Reader::new(self.entries);
        reader.take(usize::try_from(entry).map_err(|_| DecodeError::new(WHAT, 0))?, WHAT)?;
        Ok((reader, data))
    }
}

/// Looks up the chunks of series; cheapest when their ranks ascend.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    directory: ChunkDirectory<'a>,
    /// The series whose entry `rest` starts with.
    next: u32,
    rest: Reader<'a>,
    /// Where the first chunk of that series lies.
    data: u64,
}

impl Cursor<'_> {
    /// Appends the chunks of the series `rank` to `out`.
    ///
    /// # Errors
    /// When there is no such series, or an entry on the way does not decode.
    pub fn get(&mut self, rank: u32, out: &mut Vec<ChunkEntry>) -> Result<(), DecodeError> {
        if rank >= self.directory.series {
            return Err(DecodeError::new("series rank", 0));
        }
        let group = rank / RESTART_INTERVAL;
        let position = group * RESTART_INTERVAL;
        if self.next <= position || self.next > rank {
            (self.rest, self.data) = self.directory.group(group)?;
            self.next = position;
        }
        while self.next < rank {
            self.entry(|_| {})?;
        }
        self.entry(|chunk| out.push(chunk))
    }

    fn entry(&mut self, mut visit: impl FnMut(ChunkEntry)) -> Result<(), DecodeError> {
        let mut previous = self.directory.base_ts;
        for _ in 0..self.rest.varint("chunk count")? {
            let encoding = self.rest.u8("chunk encoding")?;
            let count = self.rest.varint_u32("chunk samples")?;
            let min_ts = previous.wrapping_add(self.rest.varint_i64("chunk min_ts")?);
            let max_ts = min_ts.wrapping_add_unsigned(self.rest.varint("chunk span")?);
            let len = self.rest.varint_u32("chunk length")?;
            let end = self.data.checked_add(u64::from(len)).ok_or_else(|| self.rest.error("chunk length"))?;
            if max_ts < min_ts {
                return Err(self.rest.error("chunk span"));
            }
            visit(ChunkEntry { meta: ChunkMeta { encoding, count, min_ts, max_ts }, offset: self.data, len });
            previous = max_ts;
            self.data = end;
        }
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn chunk() -> impl Strategy<Value = (ChunkMeta, u32)> {
        let ts = prop_oneof![4 => 0_i64..10_000_000, 1 => any::<i64>()];
        (any::<u8>(), any::<u32>(), ts.clone(), ts, any::<u32>()).prop_map(|(encoding, count, a, b, len)| {
            (ChunkMeta { encoding, count, min_ts: a.min(b), max_ts: a.max(b) }, len)
        })
    }

    fn series() -> impl Strategy<Value = Vec<Vec<(ChunkMeta, u32)>>> {
        prop::collection::vec(prop::collection::vec(chunk(), 0..4), 0..60)
    }

    fn build(series: &[Vec<(ChunkMeta, u32)>]) -> Vec<u8> {
        let mut builder = ChunkDirectoryBuilder::default();
        for chunks in series {
            builder.push(chunks).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out);
        out
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/chunk_directory.txt")))]

        #[test]
        fn round_trips(series in series(), look_ups in prop::collection::vec(0_u32..60, 0..20)) {
            let bytes = build(&series);
            let directory = ChunkDirectory::parse(&bytes).unwrap();
            prop_assert_eq!(directory.len() as usize, series.len());
            let mut offset = 0;
            let mut expected = Vec::new();
            for chunks in &series {
                let mut entries = Vec::new();
                for (meta, len) in chunks {
                    entries.push(ChunkEntry { meta: *meta, offset, len: *len });
                    offset += u64::from(*len);
                }
                expected.push(entries);
            }
            let mut cursor = directory.cursor();
            for rank in (0..directory.len()).chain(look_ups) {
                let mut found = Vec::new();
                match expected.get(rank as usize) {
                    Some(expected) => {
                        cursor.get(rank, &mut found).unwrap();
                        prop_assert_eq!(&found, expected);
                    }
                    None => prop_assert!(cursor.get(rank, &mut found).is_err()),
                }
            }
        }

        #[test]
        fn damage_does_not_panic(series in series(), at: prop::sample::Index, byte: u8) {
            let mut bytes = build(&series);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(directory) = ChunkDirectory::parse(&bytes) {
                for rank in 0..directory.len().min(60) {
                    let _ = directory.cursor().get(rank, &mut Vec::new());
                }
            }
        }
    }
}
