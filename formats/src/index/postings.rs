//! Postings: for each value of a label the ids of its series, ascending.
//!
//! Most values of most labels have a handful of series, so up to 16 ids are kept inline as varint deltas;
//! longer lists are roaring bitmaps in the portable format with run containers, which cost next to nothing
//! when the ids are consecutive, as they are for whatever the series are sorted by.
//!
//! An entry is `count: varint`, then when `count <= 16` the first id and for each further one its distance
//! minus one to the one before, as varints; else `length: varint` and that many bytes of bitmap. The first
//! entry is the list of all series that have the label; the restarts count the values behind it.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::{
    RESTART_INTERVAL, TooLarge,
    restarts::{RestartBuilder, Restarts},
};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "postings";

/// The longest list that is kept inline.
pub const INLINE_MAX: usize = 16;

/// Builds the postings of one label.
#[derive(Debug)]
pub struct PostingsBuilder {
    restarts: RestartBuilder,
}

impl PostingsBuilder {
    /// A builder for the label that the series `with_label` have, ascending.
    #[must_use]
    pub fn new(with_label: &[u32]) -> Self {
        let mut restarts = RestartBuilder::default();
        encode(with_label, &mut restarts.entries);
        Self { restarts }
    }

    /// Appends the ids of the next value, ascending.
    ///
    /// # Errors
    /// When the section would outgrow its offsets.
    pub fn push(&mut self, ids: &[u32]) -> Result<(), TooLarge> {
        self.restarts.start_entry(WHAT)?;
        encode(ids, &mut self.restarts.entries);
        Ok(())
    }

    /// Appends the bytes of the postings to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.restarts.finish(out);
    }
}

fn encode(ids: &[u32], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.varint_usize(ids.len());
    if ids.len() <= INLINE_MAX {
        let mut next = 0;
        for &id in ids {
            assert!(id >= next, "postings ascend");
            writer.varint(u64::from(id - next));
            next = id.saturating_add(1);
        }
        return;
    }
    let mut bitmap = RoaringBitmap::from_sorted_iter(ids.iter().copied()).expect("postings ascend");
    bitmap.optimize();
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).expect("writing to memory does not fail");
    writer.prefixed(&bytes);
}

/// The postings of one label in their bytes.
#[derive(Debug, Clone, Copy)]
pub struct Postings<'a> {
    restarts: Restarts<'a>,
}

impl<'a> Postings<'a> {
    /// The postings in `bytes`.
    ///
    /// # Errors
    /// When the restart table does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { restarts: Restarts::parse(bytes, WHAT)? })
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series that have the label.
    ///
    /// # Errors
    /// When the entry does not decode.
    pub fn with_label(&self) -> Result<PostingsList<'a>, DecodeError> {
        PostingsList::read(&mut self.restarts.start())
    }

    /// The series of the value `id`.
    ///
    /// # Errors
    /// When there is no such value, or its entry does not decode.
    pub fn get(&self, id: u32) -> Result<PostingsList<'a>, DecodeError> {
        self.cursor().get(id)
    }

    /// A cursor for look-ups with ascending ids.
    #[must_use]
    pub const fn cursor(&self) -> Cursor<'a> {
        Cursor { restarts: self.restarts, next: 0, rest: Reader::new(&[]) }
    }
}

/// Looks up values; cheapest when their ids ascend.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    restarts: Restarts<'a>,
    /// The value whose entry `rest` starts with. 0 also at the start, where every look-up seeks.
    next: u32,
    rest: Reader<'a>,
}

impl<'a> Cursor<'a> {
    /// The series of the value `id`.
    ///
    /// # Errors
    /// When there is no such value, or an entry on the way does not decode.
    pub fn get(&mut self, id: u32) -> Result<PostingsList<'a>, DecodeError> {
        self.seek(id)?;
        let list = PostingsList::read(&mut self.rest)?;
        self.next += 1;
        Ok(list)
    }
}

impl Cursor<'_> {
    /// Goes to the entry of the value `id`.
    fn seek(&mut self, id: u32) -> Result<(), DecodeError> {
        if id >= self.restarts.count() {
            return Err(DecodeError::new("postings id", 0));
        }
        let group = id / RESTART_INTERVAL;
        let position = group * RESTART_INTERVAL;
        if self.next <= position || self.next > id {
            self.rest = self.restarts.group(group, WHAT)?;
            self.next = position;
        }
        while self.next < id {
            PostingsList::read(&mut self.rest)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Adds the series of the values `ids` to `union`: faster than one look-up for each.
    ///
    /// # Errors
    /// When there is no such value, or an entry on the way does not decode.
    pub fn union(&mut self, ids: Range<u32>, union: &mut Union) -> Result<(), DecodeError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.seek(ids.start)?;
        if ids.end > self.restarts.count() {
            return Err(DecodeError::new("postings id", 0));
        }
        for _ in ids {
            // Entries follow one another, whatever the restarts: those are a table apart.
            union.read(&mut self.rest)?;
            self.next += 1;
        }
        Ok(())
    }
}

/// The ids of one value, still encoded.
#[derive(Debug, Clone)]
pub struct PostingsList<'a> {
    count: u64,
    /// The deltas or the bitmap.
    bytes: Reader<'a>,
}

impl<'a> PostingsList<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.varint("postings count")?;
        let mut bytes = reader.clone();
        if count > INLINE_MAX as u64 {
            bytes = Reader::new(reader.prefixed("postings bitmap")?);
        } else {
            for _ in 0..count {
                reader.skip_varint("postings id")?;
            }
        }
        Ok(Self { count, bytes })
    }

    /// Number of ids.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no id.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids as a bitmap.
    ///
    /// # Errors
    /// When they do not decode.
    pub fn to_bitmap(&self) -> Result<RoaringBitmap, DecodeError> {
        let mut union = Union::default();
        union.add(self)?;
        Ok(union.finish())
    }

    /// Whether one of the ids is in `ids`.
    ///
    /// # Errors
    /// When they do not decode.
    pub fn intersects(&self, ids: &RoaringBitmap) -> Result<bool, DecodeError> {
        if self.count > INLINE_MAX as u64 {
            return Ok(!self.bitmap()?.is_disjoint(ids));
        }
        let mut own = Vec::new();
        self.inline(&mut own)?;
        Ok(own.iter().any(|id| ids.contains(*id)))
    }

    fn inline(&self, out: &mut Vec<u32>) -> Result<(), DecodeError> {
        read_inline(&mut self.bytes.clone(), self.count, out)
    }

    fn bitmap(&self) -> Result<RoaringBitmap, DecodeError> {
        let error = || self.bytes.error("postings bitmap");
        let bitmap = RoaringBitmap::deserialize_from(self.bytes.remaining()).map_err(|_| error())?;
        if bitmap.len() == self.count { Ok(bitmap) } else { Err(error()) }
    }
}

fn read_inline(reader: &mut Reader<'_>, count: u64, out: &mut Vec<u32>) -> Result<(), DecodeError> {
    let mut next = 0_u32;
    for _ in 0..count {
        let id = next.checked_add(reader.varint_u32("postings id")?);
        let id = id.ok_or_else(|| reader.error("postings id"))?;
        out.push(id);
        next = id.saturating_add(1);
    }
    Ok(())
}

/// Collects the union of many lists: single ids are put in order once at the end, not inserted one by one.
#[derive(Debug, Default)]
pub struct Union {
    bitmap: RoaringBitmap,
    ids: Vec<u32>,
}

impl Union {
    /// Adds the ids of `list`.
    ///
    /// # Errors
    /// When they do not decode.
    pub fn add(&mut self, list: &PostingsList<'_>) -> Result<(), DecodeError> {
        if list.len() > INLINE_MAX as u64 {
            self.bitmap |= list.bitmap()?;
            return Ok(());
        }
        list.inline(&mut self.ids)
    }

    /// Adds the ids of the entry that `reader` stands at.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut entry = reader.clone();
        let count = entry.varint("postings count")?;
        if count > INLINE_MAX as u64 {
            return self.add(&PostingsList::read(reader)?);
        }
        read_inline(&mut entry, count, &mut self.ids)?;
        *reader = entry;
        Ok(())
    }

    /// The union.
    #[must_use]
    pub fn finish(mut self) -> RoaringBitmap {
        let words = self.ids.iter().max().map_or(0, |max| *max as usize / 64 + 1);
        if words <= self.ids.len() {
            // Dense enough for one bit each, which is faster than any sort.
            self.bitmap |= dense(&self.ids, words);
        } else {
            self.ids.sort_unstable();
            self.bitmap.extend(self.ids);
        }
        self.bitmap
    }
}

/// `ids`, all of them below `64 * words`.
fn dense(ids: &[u32], words: usize) -> RoaringBitmap {
    let mut bits = vec![0_u8; words * 8];
    for id in ids {
        if let Some(byte) = bits.get_mut(*id as usize / 8) {
            *byte |= 1 << (id % 8);
        }
    }
    RoaringBitmap::from_lsb0_bytes(0, &bits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn build(lists: &[Vec<u32>]) -> Vec<u8> {
        let all: BTreeSet<u32> = lists.iter().flatten().copied().collect();
        let mut builder = PostingsBuilder::new(&all.into_iter().collect::<Vec<_>>());
        for list in lists {
            builder.push(list).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out);
        out
    }

    #[test]
    fn consecutive_ids_cost_almost_nothing() {
        let ids: Vec<u32> = (1000..200_000).collect();
        assert!(build(&[ids]).len() < 160);
    }

    #[test]
    fn the_longest_inline_list_and_the_shortest_bitmap() {
        let lists: Vec<Vec<u32>> = (15..19).map(|n| (0..n).map(|i| i * 1000).collect()).collect();
        let bytes = build(&lists);
        let postings = Postings::parse(&bytes).unwrap();
        for (id, list) in (0_u32..).zip(&lists) {
            let found = postings.get(id).unwrap();
            assert_eq!(found.len(), list.len() as u64);
            assert_eq!(found.to_bitmap().unwrap().iter().collect::<Vec<_>>(), *list);
        }
        assert!(postings.get(4).is_err());
    }

    fn list() -> impl Strategy<Value = Vec<u32>> {
        let ids = prop_oneof![
            prop::collection::btree_set(any::<u32>(), 0..20),
            prop::collection::btree_set(0_u32..200, 0..60),
            (0_u32..100_000, 0_u32..5000).prop_map(|(start, len)| (start..start + len).collect()),
        ];
        ids.prop_map(|ids| ids.into_iter().collect())
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/postings.txt")))]

        #[test]
        fn round_trips(lists in prop::collection::vec(list(), 0..40), look_ups in prop::collection::vec(0_u32..40, 0..20)) {
            let bytes = build(&lists);
            let postings = Postings::parse(&bytes).unwrap();
            let all: BTreeSet<u32> = lists.iter().flatten().copied().collect();
            prop_assert!(postings.with_label().unwrap().to_bitmap().unwrap().iter().eq(all.iter().copied()));
            let mut cursor = postings.cursor();
            let mut union = Union::default();
            let mut expected = BTreeSet::new();
            for id in look_ups {
                let Some(list) = lists.get(id as usize) else {
                    prop_assert!(cursor.get(id).is_err());
                    continue;
                };
                let found = cursor.get(id).unwrap();
                prop_assert!(found.to_bitmap().unwrap().iter().eq(list.iter().copied()));
                let last = list.last().copied();
                prop_assert_eq!(found.intersects(&last.into_iter().collect()), Ok(last.is_some()));
                prop_assert_eq!(found.intersects(&RoaringBitmap::new()), Ok(false));
                union.add(&found).unwrap();
                expected.extend(list.iter().copied());
            }
            prop_assert!(union.finish().iter().eq(expected));
        }

        #[test]
        fn unions_of_ranges_are_those_of_their_lists(
            lists in prop::collection::vec(list(), 0..60), ends in prop::collection::vec(0_u32..64, 0..8),
        ) {
            let bytes = build(&lists);
            let postings = Postings::parse(&bytes).unwrap();
            let mut ends: Vec<u32> = ends;
            ends.sort_unstable();
            let (mut cursor, mut union, mut expected) = (postings.cursor(), Union::default(), BTreeSet::new());
            for ends in ends.chunks_exact(2) {
                let range = ends[0]..ends[1];
                let found = lists.get(range.start as usize..range.end as usize);
                prop_assert_eq!(cursor.union(range.clone(), &mut union).is_ok(), found.is_some() || range.is_empty());
                match found {
                    Some(found) => expected.extend(found.iter().flatten().copied()),
                    None if range.is_empty() => {}
                    // What was added before the error is nobody's business.
                    None => return Ok(()),
                }
            }
            prop_assert!(union.finish().iter().eq(expected));
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>, id: u32) {
            if let Ok(postings) = Postings::parse(&bytes) {
                drop(postings.with_label().map(|list| list.to_bitmap()));
                drop(postings.get(id).map(|list| list.to_bitmap()));
            }
        }

        #[test]
        fn damage_does_not_panic(lists in prop::collection::vec(list(), 1..8), at: prop::sample::Index, byte: u8) {
            let mut bytes = build(&lists);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(postings) = Postings::parse(&bytes) {
                for id in 0..postings.len().min(8) {
                    drop(postings.get(id).map(|list| list.to_bitmap()));
                }
            }
        }
    }
}
