//! Front-coded sorted strings: each one as the bytes it shares with the one before, and the rest.
//!
//! A restart every 16 entries holds its string in full, so a string is found by binary search over the
//! restarts and at most 15 steps. An entry is `suffix` at a restart, else `shared, suffix`, where `shared` is
//! a varint and `suffix` a length-prefixed byte string.

use std::{cmp::Ordering, ops::Range};

use super::{
    RESTART_INTERVAL, TooLarge,
    restarts::{RestartBuilder, Restarts},
};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "dictionary";
const STRING: &str = "dictionary string";
const SHARED: &str = "dictionary shared length";

/// What most strings do not share with the one before is no longer.
const SHORT_BYTES: usize = 16;

/// Builds a dictionary from strings in ascending order.
#[derive(Debug, Default)]
pub struct DictionaryBuilder {
    restarts: RestartBuilder,
    last: Vec<u8>,
}

impl DictionaryBuilder {
    /// Appends `value`, which gets the next id.
    ///
    /// # Errors
    /// When the dictionary would outgrow its offsets.
    ///
    /// # Panics
    /// When `value` is not greater than the one before: every look-up would be wrong.
    pub fn push(&mut self, value: &[u8]) -> Result<(), TooLarge> {
        assert!(self.restarts.count() == 0 || self.last.as_slice() < value, "dictionary values ascend");
        let restart = self.restarts.start_entry(WHAT)?;
        let mut writer = Writer::new(&mut self.restarts.entries);
        let shared = if restart { 0 } else { shared_len(&self.last, value) };
        if !restart {
            writer.varint_usize(shared);
        }
        writer.prefixed(value.get(shared..).unwrap_or_default());
        value.clone_into(&mut self.last);
        Ok(())
    }

    /// Appends the dictionary's bytes to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.restarts.finish(out);
    }
}

fn shared_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A dictionary in its bytes. A string's id is its rank.
#[derive(Debug, Clone, Copy)]
pub struct Dictionary<'a> {
    restarts: Restarts<'a>,
}

impl<'a> Dictionary<'a> {
    /// The dictionary in `bytes`.
    ///
    /// # Errors
    /// When the restart table does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { restarts: Restarts::parse(bytes, WHAT)? })
    }

    /// Number of strings.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether there is no string.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A cursor before the first string.
    #[must_use]
    pub const fn cursor(&self) -> Cursor<'a> {
        Cursor { restarts: self.restarts, next: 0, rest: self.restarts.start(), value: Vec::new(), shared: 0 }
    }

    /// The string `id`.
    ///
    /// # Errors
    /// When there is none, or it does not decode.
    pub fn get(&self, id: u32) -> Result<Vec<u8>, DecodeError> {
        let mut cursor = self.cursor();
        cursor.get(id)?;
        Ok(cursor.value)
    }

    /// The id of `value`, if it is in the dictionary.
    ///
    /// # Errors
    /// When an entry on the way does not decode.
    pub fn find(&self, value: &[u8]) -> Result<Option<u32>, DecodeError> {
        let mut cursor = self.cursor_at_group(self.group_of(value)?)?;
        while let Some(id) = cursor.advance()? {
            match cursor.value().cmp(value) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(id)),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The id of the first string that is not less than `value`; [`Self::len`] when all are.
    ///
    /// # Errors
    /// When an entry on the way does not decode.
    pub fn lower_bound(&self, value: &[u8]) -> Result<u32, DecodeError> {
        let mut cursor = self.cursor_at_group(self.group_of(value)?)?;
        while let Some(id) = cursor.advance()? {
            if cursor.value() >= value {
                return Ok(id);
            }
        }
        Ok(self.len())
    }

    /// Ids of the strings that begin with `prefix`.
    ///
    /// # Errors
    /// When an entry on the way does not decode.
    pub fn prefixed(&self, prefix: &[u8]) -> Result<Range<u32>, DecodeError> {
        let start = self.lower_bound(prefix)?;
        // The least string that is greater than all of them: the last byte that can grow does.
        let Some(at) = prefix.iter().rposition(|byte| *byte < u8::MAX) else { return Ok(start..self.len()) };
        let mut end = prefix.get(..=at).unwrap_or_default().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Ok(start..self.lower_bound(&end)?)
    }

    /// The last group whose first string is not greater than `value`, else the first group.
    fn group_of(&self, value: &[u8]) -> Result<u32, DecodeError> {
        let (mut low, mut high) = (0, self.restarts.groups());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.restarts.group(middle, WHAT)?.prefixed(STRING)? <= value {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.saturating_sub(1))
    }

    fn cursor_at_group(&self, group: u32) -> Result<Cursor<'a>, DecodeError> {
        let mut cursor = self.cursor();
        if group > 0 {
            cursor.go_to_group(group)?;
        }
        Ok(cursor)
    }
}

/// Reads strings; cheapest when their ids ascend.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    restarts: Restarts<'a>,
    /// The string whose entry `rest` starts with.
    next: u32,
    rest: Reader<'a>,
    /// The string before that one, or the part of it that the next one can share.
    value: Vec<u8>,
    /// Bytes that it has in common with the one that was read before it.
    shared: usize,
}

impl Cursor<'_> {
    /// The string `id`.
    ///
    /// # Errors
    /// When there is none, or an entry on the way does not decode.
    pub fn get(&mut self, id: u32) -> Result<&[u8], DecodeError> {
        if id >= self.restarts.count() {
            return Err(DecodeError::new("dictionary id", 0));
        }
        let group = id / RESTART_INTERVAL;
        if self.next < group * RESTART_INTERVAL || self.next > id + 1 {
            self.go_to_group(group)?;
        }
        while self.next <= id {
            self.advance()?;
        }
        Ok(&self.value)
    }

    /// Goes to the next string: its id, or `None` at the end.
    ///
    /// # Errors
    /// When the entry does not decode.
    #[inline]
    pub fn advance(&mut self) -> Result<Option<u32>, DecodeError> {
        if self.next >= self.restarts.count() {
            return Ok(None);
        }
        if self.next.is_multiple_of(RESTART_INTERVAL) {
            let string = self.rest.prefixed(STRING)?;
            self.shared = shared_len(&self.value, string);
            self.value.clear();
            self.value.extend_from_slice(string);
        } else {
            let (shared, length) = match self.rest.two_small() {
                Some(both) => both,
                None => (self.rest.varint_usize(SHARED)?, self.rest.varint_usize(STRING)?),
            };
            if shared > self.value.len() {
                return Err(self.rest.error(SHARED));
            }
            self.shared = shared;
            self.value.truncate(shared);
            match self.rest.remaining().first_chunk::<SHORT_BYTES>() {
                // What is copied too much is cut off again: a copy of a length that is known takes no call.
                Some(short) if length <= SHORT_BYTES => {
                    self.value.extend_from_slice(short);
                    self.value.truncate(shared + length);
                    self.rest.take(length, STRING)?;
                }
                _ => self.value.extend_from_slice(self.rest.take(length, STRING)?),
            }
        }
        let id = self.next;
        self.next += 1;
        Ok(Some(id))
    }

    /// The string that was read last; empty before the first.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Goes before the string `id`, which is the next to be read; at the end when there is none.
    ///
    /// # Errors
    /// When an entry on the way does not decode.
    pub fn seek(&mut self, id: u32) -> Result<(), DecodeError> {
        let id = id.min(self.restarts.count());
        match id.checked_sub(1) {
            Some(before) => self.get(before).map(|_| ()),
            None => {
                (self.next, self.rest) = (0, self.restarts.start());
                Ok(())
            }
        }
    }

    /// Bytes that the string read last has in common with the one read before it, wherever that was.
    #[must_use]
    pub const fn shared(&self) -> usize {
        self.shared
    }

    /// Passes over all strings that begin with the first `len` bytes of the one read last: the id of the string
    /// behind them, which is the next to be read. [`Self::value`] is those bytes then.
    ///
    /// # Errors
    /// When an entry on the way does not decode.
    pub fn skip_prefixed(&mut self, len: usize) -> Result<u32, DecodeError> {
        self.value.truncate(len);
        while self.next < self.restarts.count() {
            if self.next.is_multiple_of(RESTART_INTERVAL) {
                let group = self.next / RESTART_INTERVAL;
                if !self.group_is_prefixed(group)? {
                    break;
                }
                self.go_to_group(self.last_prefixed_group(group)?)?;
                self.rest.prefixed(STRING)?;
            } else {
                let mut entry = self.rest.clone();
                let (shared, length) = match entry.two_small() {
                    Some(both) => both,
                    None => (entry.varint_usize(SHARED)?, entry.varint_usize(STRING)?),
                };
                if shared < self.value.len() {
                    break;
                }
                entry.take(length, STRING)?;
                self.rest = entry;
            }
            self.next += 1;
        }
        Ok(self.next)
    }

    /// The last group whose first string begins with `value`, as that of `first` does: in steps that double, then
    /// halve.
    fn last_prefixed_group(&self, first: u32) -> Result<u32, DecodeError> {
        let (mut last, mut step) = (first, 1);
        while self.group_is_prefixed(last.saturating_add(step))? {
            last += step;
            step = step.saturating_mul(2);
        }
        while step > 1 {
            step /= 2;
            if self.group_is_prefixed(last.saturating_add(step))? {
                last += step;
            }
        }
        Ok(last)
    }

    fn group_is_prefixed(&self, group: u32) -> Result<bool, DecodeError> {
        Ok(group < self.restarts.groups()
            && self.restarts.group(group, WHAT)?.prefixed(STRING)?.starts_with(&self.value))
    }

    /// Goes before the first string of `group`.
    fn go_to_group(&mut self, group: u32) -> Result<(), DecodeError> {
        self.rest = self.restarts.group(group, WHAT)?;
        self.next = group.saturating_mul(RESTART_INTERVAL);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn build<'a>(values: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
        let mut builder = DictionaryBuilder::default();
        for value in values {
            builder.push(value).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out);
        out
    }

    #[test]
    fn an_empty_dictionary_finds_nothing() {
        let bytes = build([]);
        let dictionary = Dictionary::parse(&bytes).unwrap();
        assert!(dictionary.is_empty());
        assert_eq!(dictionary.find(b""), Ok(None));
        assert_eq!(dictionary.lower_bound(b""), Ok(0));
        assert!(dictionary.get(0).is_err());
    }

    #[test]
    fn long_shared_prefixes_are_stored_once_per_group() {
        let values: Vec<Vec<u8>> =
            (0..1000).map(|i| format!("{}{i:04}", "prefix".repeat(10)).into()).collect();
        assert!(build(&values).len() < 12 * values.len());
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![prop::collection::vec(b'a'..b'd', 0..6), prop::collection::vec(any::<u8>(), 0..300)]
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/dictionary.txt")))]

        #[test]
        fn behaves_as_a_sorted_vector(
            values in prop::collection::btree_set(value(), 0..100),
            probes in prop::collection::vec(value(), 0..20),
        ) {
            let bytes = build(&values);
            let dictionary = Dictionary::parse(&bytes).unwrap();
            let sorted: Vec<_> = values.iter().cloned().collect();
            prop_assert_eq!(dictionary.len() as usize, sorted.len());
            for (id, value) in (0_u32..).zip(&sorted) {
                prop_assert_eq!(&dictionary.get(id).unwrap(), value);
                prop_assert_eq!(dictionary.find(value), Ok(Some(id)));
            }
            let mut cursor = dictionary.cursor();
            for probe in &probes {
                let bound = u32::try_from(sorted.partition_point(|value| value < probe)).unwrap();
                prop_assert_eq!(dictionary.lower_bound(probe), Ok(bound));
                prop_assert_eq!(dictionary.find(probe).unwrap().is_some(), values.contains(probe));
                let mut rest = BTreeSet::new();
                if bound < dictionary.len() {
                    rest.insert(cursor.get(bound).unwrap().to_vec());
                }
                while bound < dictionary.len() && cursor.advance().unwrap().is_some() {
                    rest.insert(cursor.value().to_vec());
                }
                prop_assert_eq!(rest, values.range(probe.clone()..).cloned().collect());
            }
        }

        #[test]
        fn skips_what_shares_a_prefix(
            values in prop::collection::btree_set(value(), 0..200), lens in prop::collection::vec(0_usize..4, 1..30),
        ) {
            let bytes = build(&values);
            let dictionary = Dictionary::parse(&bytes).unwrap();
            let sorted: Vec<_> = values.iter().cloned().collect();
            let mut cursor = dictionary.cursor();
            let mut lens = lens.into_iter().cycle();
            while let Some(id) = cursor.advance().unwrap() {
                prop_assert_eq!(cursor.value(), &sorted[id as usize]);
                let prefix = cursor.value()[..lens.next().unwrap().min(cursor.value().len())].to_vec();
                let range = dictionary.prefixed(&prefix).unwrap();
                prop_assert!(range.contains(&id));
                let begins = |value: &&Vec<u8>| value.starts_with(&prefix);
                prop_assert_eq!(range.len(), sorted.iter().filter(begins).count());
                prop_assert_eq!(cursor.skip_prefixed(prefix.len()), Ok(range.end));
                prop_assert_eq!(cursor.value(), &prefix);
                if let Some(id) = cursor.clone().advance().unwrap() {
                    prop_assert_eq!(id, range.end);
                    cursor.advance().unwrap();
                    prop_assert_eq!(cursor.shared(), shared_len(&prefix, cursor.value()));
                }
            }
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>, probe in value(), id: u32) {
            if let Ok(dictionary) = Dictionary::parse(&bytes) {
                let mut cursor = dictionary.cursor();
                drop((cursor.advance(), cursor.skip_prefixed(probe.len()), dictionary.prefixed(&probe)));
                drop((dictionary.find(&probe), dictionary.lower_bound(&probe), dictionary.get(id)));
            }
        }
    }
}
