//! The labels of each series, as ids into the block's dictionaries.
//!
//! Series are sorted, so neighbours share most labels at the front. An entry is `shared: varint` (left out
//! at a restart), the number of labels taken over from the entry before; `count: varint`, the number of
//! further labels; and for each of those the distance of its name id to that of the label before it, minus
//! one (to -1 for the first label of the series), and its value id, both varints.

use super::{
    RESTART_INTERVAL, TooLarge,
    restarts::{RestartBuilder, Restarts},
};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "series table";

/// One label of a series: ranks in the dictionary of names, and in that name's dictionary of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId {
    /// Rank of the name.
    pub name: u32,
    /// Rank of the value among those of this name.
    pub value: u32,
}

/// Builds a series table.
#[derive(Debug, Default)]
pub struct SeriesTableBuilder {
    restarts: RestartBuilder,
    last: Vec<LabelId>,
}

impl SeriesTableBuilder {
    /// Appends the next series: its labels, ascending by name id.
    ///
    /// # Errors
    /// When the section would outgrow its offsets.
    ///
    /// # Panics
    /// When the name ids do not ascend.
    pub fn push(&mut self, labels: &[LabelId]) -> Result<(), TooLarge> {
        let restart = self.restarts.start_entry(WHAT)?;
        let mut writer = Writer::new(&mut self.restarts.entries);
        let shared = if restart { 0 } else { shared_len(&self.last, labels) };
        if !restart {
            writer.varint_usize(shared);
        }
        let (taken, further) = labels.split_at_checked(shared).unwrap_or_default();
        writer.varint_usize(further.len());
        let mut next = taken.last().map_or(0, |label| u64::from(label.name) + 1);
        for label in further {
            let name = u64::from(label.name);
            assert!(name >= next, "labels of a series ascend by name");
            writer.varint(name - next);
            writer.varint(u64::from(label.value));
            next = name + 1;
        }
        labels.clone_into(&mut self.last);
        Ok(())
    }

    /// Number of series so far.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether there is no series yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the table's bytes to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.restarts.finish(out);
    }
}

fn shared_len(a: &[LabelId], b: &[LabelId]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A series table in its bytes. A series' id is its rank.
#[derive(Debug, Clone, Copy)]
pub struct SeriesTable<'a> {
    restarts: Restarts<'a>,
}

impl<'a> SeriesTable<'a> {
    /// The table in `bytes`.
    ///
    /// # Errors
    /// When the restart table does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { restarts: Restarts::parse(bytes, WHAT)? })
    }

    /// Number of series.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A cursor for look-ups with ascending ranks.
    #[must_use]
    pub const fn cursor(&self) -> Cursor<'a> {
        Cursor { restarts: self.restarts, next: 0, rest: Reader::new(&[]), labels: Vec::new() }
    }
}

/// Looks up series; cheapest when their ranks ascend.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    restarts: Restarts<'a>,
    /// The series whose entry `rest` starts with.
    next: u32,
    rest: Reader<'a>,
    labels: Vec<LabelId>,
}

impl Cursor<'_> {
    /// The labels of the series `rank`.
    ///
    /// # Errors
    /// When there is no such series, or an entry on the way does not decode.
    pub fn get(&mut self, rank: u32) -> Result<&[LabelId], DecodeError> {
        if rank >= self.restarts.count() {
            return Err(DecodeError::new("series rank", 0));
        }
        let group = rank / RESTART_INTERVAL;
        let position = group * RESTART_INTERVAL;
        if self.next <= position || self.next > rank {
            self.rest = self.restarts.group(group, WHAT)?;
            self.next = position;
        }
        while self.next <= rank {
            self.decode()?;
        }
        Ok(&self.labels)
    }

    fn decode(&mut self) -> Result<(), DecodeError> {
        let shared = match self.next.is_multiple_of(RESTART_INTERVAL) {
            true => 0,
            false => self.rest.varint_usize("series shared labels")?,
        };
        if shared > self.labels.len() {
            return Err(self.rest.error("series shared labels"));
        }
        self.labels.truncate(shared);
        let mut next = self.labels.last().map_or(Some(0), |label| label.name.checked_add(1));
        for _ in 0..self.rest.varint("series label count")? {
            let distance = self.rest.varint_u32("series label name")?;
            let name = next.and_then(|next| next.checked_add(distance));
            let name = name.ok_or_else(|| self.rest.error("series label name"))?;
            let value = self.rest.varint_u32("series label value")?;
            self.labels.push(LabelId { name, value });
            next = name.checked_add(1);
        }
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn build(series: &[Vec<LabelId>]) -> Vec<u8> {
        let mut builder = SeriesTableBuilder::default();
        for labels in series {
            builder.push(labels).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out);
        out
    }

    fn labels() -> impl Strategy<Value = Vec<LabelId>> {
        let number = prop_oneof![8 => 0_u32..6, 1 => any::<u32>()];
        prop::collection::btree_map(number.clone(), number, 0..8).prop_map(|map: BTreeMap<u32, u32>| {
            map.into_iter().map(|(name, value)| LabelId { name, value }).collect()
        })
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/series.txt")))]

        #[test]
        fn round_trips(mut series in prop::collection::vec(labels(), 0..80), look_ups in prop::collection::vec(0_u32..80, 0..20)) {
            series.sort();
            let bytes = build(&series);
            let table = SeriesTable::parse(&bytes).unwrap();
            prop_assert_eq!(table.len() as usize, series.len());
            let mut cursor = table.cursor();
            for (rank, labels) in (0_u32..).zip(&series) {
                prop_assert_eq!(cursor.get(rank).unwrap(), &labels[..]);
            }
            for rank in look_ups {
                match series.get(rank as usize) {
                    Some(labels) => prop_assert_eq!(cursor.get(rank).unwrap(), &labels[..]),
                    None => prop_assert!(cursor.get(rank).is_err()),
                }
            }
        }

        #[test]
        fn damage_does_not_panic(series in prop::collection::vec(labels(), 1..20), at: prop::sample::Index, byte: u8) {
            let mut bytes = build(&series);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(table) = SeriesTable::parse(&bytes) {
                for rank in 0..table.len().min(20) {
                    let _ = table.cursor().get(rank);
                }
            }
        }
    }
}
