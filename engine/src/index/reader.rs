//! The index sections of a block as a [`LabelIndex`], and the labels of its series.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use kymo_formats::{
    DecodeError,
    cursor::Writer,
    index::{
        dictionary::{self, Dictionary},
        label_directory::LabelDirectory,
        postings::{Postings, Union},
        series::{self, SeriesTable},
    },
};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::{
    LabelIndex,
    cache::MatcherCache,
    scan::{self, Part, matching_values},
    select::CANDIDATE_COST,
};
use crate::model::{Labels, Regex};

/// The index sections of one block, whose checksums have been verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexReader<'a> {
    names: Dictionary<'a>,
    directory: LabelDirectory<'a>,
    values: &'a [u8],
    postings: &'a [u8],
    series: SeriesTable<'a>,
    cache: &'a MatcherCache,
}

/// The bytes behind an [`IndexReader`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexBytes<'a> {
    pub(crate) names: &'a [u8],
    pub(crate) directory: &'a [u8],
    pub(crate) values: &'a [u8],
    pub(crate) postings: &'a [u8],
    pub(crate) series: &'a [u8],
}

/// The data of one label.
struct LabelReader<'a> {
    values: Dictionary<'a>,
    postings: Postings<'a>,
}

impl<'a> IndexReader<'a> {
    pub(crate) fn new(bytes: IndexBytes<'a>, cache: &'a MatcherCache) -> Result<Self, DecodeError> {
        Ok(Self {
            names: Dictionary::parse(bytes.names)?,
            directory: LabelDirectory::new(bytes.directory),
            values: bytes.values,
            postings: bytes.postings,
            series: SeriesTable::parse(bytes.series)?,
            cache,
        })
    }

    /// Number of series.
    pub(crate) const fn series_count(&self) -> u32 {
        self.series.len()
    }

    /// A cursor over the labels of the series.
    pub(crate) fn labels(&self) -> LabelsCursor<'a> {
        let labels = std::iter::repeat_with(|| None).take(self.names.len() as usize).collect();
        LabelsCursor { index: *self, series: self.series.cursor(), labels, bytes: Vec::new() }
    }

    fn label(&self, name: &[u8]) -> Result<Option<LabelReader<'a>>, DecodeError> {
        self.names.find(name)?.map(|id| self.label_by_id(id)).transpose()
    }

    fn label_by_id(&self, id: u32) -> Result<LabelReader<'a>, DecodeError> {
        let entry = self.directory.get(id)?;
        Ok(LabelReader {
            values: Dictionary::parse(part(self.values, &entry.values)?)?,
            postings: Postings::parse(part(self.postings, &entry.postings)?)?,
        })
    }

    /// Value ids of the label `name_id` in the series `ids`; `None` for series without the label.
    fn for_each_value_id(
        &self,
        name_id: u32,
        ids: &RoaringBitmap,
        mut visit: impl FnMut(u32, Option<u32>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut cursor = self.series.cursor();
        for rank in ids {
            let labels = cursor.get(rank)?;
            let value = labels.binary_search_by_key(&name_id, |label| label.name).ok();
            visit(rank, value.map(|at| labels[at].value))?;
        }
        Ok(())
    }
}

impl LabelReader<'_> {
    /// Series that have one of the values that `ids` picks of each part. Several parts are looked at in parallel.
    fn union<'p, I: Iterator<Item = Range<u32>>>(
        &self,
        parts: &'p [Part],
        ids: impl Fn(&'p Part) -> I + Sync,
    ) -> Result<RoaringBitmap, DecodeError> {
        let union = |part| {
            let mut union = Union::default();
            let mut cursor = self.postings.cursor();
            for ids in ids(part) {
                cursor.union(ids, &mut union)?;
            }
            Ok(union.finish())
        };
        // The first and the last are nobody's but those that do not begin as all that match.
        if parts.len() <= 3 {
            return parts.iter().map(union).try_fold(RoaringBitmap::new(), |all, part| Ok(all | part?));
        }
        parts.par_iter().map(union).try_reduce(RoaringBitmap::new, |a, b| Ok(a | b))
    }
}

fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> Result<&'a [u8], DecodeError> {
    let range = || Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
    range().and_then(|range| bytes.get(range)).ok_or(DecodeError::new("label directory", bytes.len()))
}

impl LabelIndex for IndexReader<'_> {
    type Error = DecodeError;

    fn all(&self) -> Result<RoaringBitmap, DecodeError> {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.series.len());
        Ok(all)
    }

    fn with_label(&self, name: &[u8]) -> Result<RoaringBitmap, DecodeError> {
        match self.label(name)? {
            Some(label) => label.postings.with_label()?.to_bitmap(),
            None => Ok(RoaringBitmap::new()),
        }
    }

    fn value_count(&self, name: &[u8], prefix: &[u8]) -> Result<u64, DecodeError> {
        let Some(label) = self.label(name)? else { return Ok(0) };
        Ok(label.values.prefixed(prefix)?.len() as u64)
    }

    fn cardinality(&self, name: &[u8], value: &[u8]) -> Result<u64, DecodeError> {
        let Some(label) = self.label(name)? else { return Ok(0) };
        let Some(id) = label.values.find(value)? else { return Ok(0) };
        Ok(label.postings.get(id)?.len())
    }

    fn postings(&self, name: &[u8], value: &[u8]) -> Result<RoaringBitmap, DecodeError> {
        let Some(label) = self.label(name)? else { return Ok(RoaringBitmap::new()) };
        match label.values.find(value)? {
            Some(id) => label.postings.get(id)?.to_bitmap(),
            None => Ok(RoaringBitmap::new()),
        }
    }

    fn matching(&self, name: &[u8], regex: &Regex) -> Result<RoaringBitmap, DecodeError> {
        let Some(label) = self.label(name)? else { return Ok(RoaringBitmap::new()) };
        let parts = matching_values(&label.values, regex)?;
        // A series has one value of a label, so what most values have is what the others have not.
        if scan::count(&parts) > label.values.len() / 2 {
            return Ok(label.postings.with_label()?.to_bitmap()? - label.union(&parts, Part::others)?);
        }
        label.union(&parts, Part::found)
    }

    fn filter(
        &self,
        ids: &RoaringBitmap,
        name: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap, DecodeError> {
        let Some(name_id) = self.names.find(name)? else {
            return Ok(if keep(b"") { ids.clone() } else { RoaringBitmap::new() });
        };
        let mut values = self.label_by_id(name_id)?.values.cursor();
        let mut verdicts: BTreeMap<Option<u32>, bool> = BTreeMap::new();
        let mut kept = RoaringBitmap::new();
        self.for_each_value_id(name_id, ids, |rank, value| {
            let verdict = match (verdicts.get(&value), value) {
                (Some(verdict), _) => *verdict,
                (None, Some(id)) => keep(values.get(id)?),
                (None, None) => keep(b""),
            };
            verdicts.insert(value, verdict);
            if verdict {
                kept.insert(rank);
            }
            Ok(())
        })?;
        Ok(kept)
    }

    fn names(&self, ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, DecodeError> {
        let mut names = Vec::new();
        let mut cursor = self.names.cursor();
        while let Some(id) = cursor.advance()? {
            let occurs = match ids {
                Some(ids) => self.label_by_id(id)?.postings.with_label()?.intersects(ids)?,
                None => true,
            };
            if occurs {
                names.push(cursor.value().to_vec());
            }
        }
        Ok(names)
    }

    fn values(&self, name: &[u8], ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, DecodeError> {
        let Some(name_id) = self.names.find(name)? else { return Ok(Vec::new()) };
        let label = self.label_by_id(name_id)?;
        let mut cursor = label.values.cursor();
        let mut found = Vec::new();
        match ids {
            Some(ids) if ids.len().saturating_mul(CANDIDATE_COST) < u64::from(label.values.len()) => {
                let mut value_ids = BTreeSet::new();
                self.for_each_value_id(name_id, ids, |_, value| {
                    value_ids.extend(value);
                    Ok(())
                })?;
                for id in value_ids {
                    found.push(cursor.get(id)?.to_vec());
                }
            }
            _ => {
                let mut postings = label.postings.cursor();
                while let Some(id) = cursor.advance()? {
                    let occurs = ids.map_or(Ok(true), |ids| postings.get(id)?.intersects(ids))?;
                    if occurs {
                        found.push(cursor.value().to_vec());
                    }
                }
            }
        }
        Ok(found)
    }

    fn remembered(&self, name: &[u8], regex: &Regex) -> Option<Arc<RoaringBitmap>> {
        self.cache.get(name, regex.pattern())
    }

    fn remember(&self, name: &[u8], regex: &Regex, answer: &Arc<RoaringBitmap>) {
        self.cache.insert(name, regex.pattern(), answer);
    }
}

/// Reads the labels of series; cheapest when their ranks ascend, since neighbours share most labels.
#[derive(Debug)]
pub(crate) struct LabelsCursor<'a> {
    index: IndexReader<'a>,
    series: series::Cursor<'a>,
    /// By name id, once it has been seen.
    labels: Vec<Option<LabelCursor<'a>>>,
    bytes: Vec<u8>,
}

/// One label of a [`LabelsCursor`].
#[derive(Debug)]
struct LabelCursor<'a> {
    /// Its name, behind its length.
    name: Vec<u8>,
    /// Stands at the value that was read last, which is often the next one's too.
    values: dictionary::Cursor<'a>,
}

impl LabelsCursor<'_> {
    /// The labels of the series `rank`.
    pub(crate) fn get(&mut self, rank: u32) -> Result<Labels, DecodeError> {
        self.bytes.clear();
        let mut writer = Writer::new(&mut self.bytes);
        for label in self.series.get(rank)? {
            let unknown = DecodeError::new("series label name", 0);
            let at = usize::try_from(label.name).map_err(|_| unknown)?;
            let cursor = match self.labels.get_mut(at).ok_or(unknown)? {
                Some(cursor) => cursor,
                slot @ None => slot.insert(LabelCursor::new(&self.index, label.name)?),
            };
            writer.bytes(&cursor.name);
            writer.prefixed(cursor.values.get(label.value)?);
        }
        Labels::from_canonical(&self.bytes).ok_or(DecodeError::new("series labels", 0))
    }
}

impl<'a> LabelCursor<'a> {
    fn new(index: &IndexReader<'a>, name_id: u32) -> Result<Self, DecodeError> {
        let mut name = Vec::new();
        Writer::new(&mut name).prefixed(&index.names.get(name_id)?);
        Ok(Self { name, values: index.label_by_id(name_id)?.values.cursor() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{IndexInMemory, series_order, tests::config};
    use super::*;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn parts_together_have_the_series_of_all(
            values in prop::collection::vec(0_u8..40, 1..200), strings_per_part in 1_usize..10,
            pattern in prop::sample::select(vec![".*[13579]", "1.*", "[^2]+", "0[0-4]", "none", ".*"]),
        ) {
            let labels = |(rank, value): (usize, &u8)| {
                Labels::from_pairs([("value", format!("{value:02}")), ("z", rank.to_string())])
            };
            let mut series: Vec<Labels> = values.iter().enumerate().map(labels).collect();
            series.sort_by(series_order);
            let index = IndexInMemory::build(&series);
            let label = index.reader().unwrap().label(b"value").unwrap().unwrap();
            let regex = Regex::new(pattern.as_bytes()).unwrap();
            let candidates = label.values.prefixed(regex.prefix()).unwrap();
            let parts = scan::in_parts(&label.values, &regex, &candidates, strings_per_part).unwrap();
            let of = |wanted: bool| -> RoaringBitmap {
                let is_wanted = |labels: &Labels| regex.is_match(labels.get(b"value")) == wanted;
                (0_u32..).zip(&series).filter(|(_, labels)| is_wanted(labels)).map(|(rank, _)| rank).collect()
            };
            prop_assert_eq!(label.union(&parts, Part::found).unwrap(), of(true));
            prop_assert_eq!(label.union(&parts, Part::others).unwrap(), of(false));
        }
    }
}
