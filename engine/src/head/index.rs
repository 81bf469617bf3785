//! A shard's labels as a [`LabelIndex`], without keeping writers out while a query looks through them.

use std::{convert::Infallible, sync::Arc};

use parking_lot::RwLock;
use roaring::RoaringBitmap;

use super::{
    labels::{Name, label_ids},
    pattern_cache::Matches,
    shard::Shard,
};
use crate::{index::LabelIndex, model::Regex};

/// Values looked at before writers get their turn.
const VALUES_PER_LOCK: usize = 1_024;

/// The index of one shard as of the moment of its creation: series that came later do not show.
///
/// Ids only grow and postings are only added to, so it is enough to take the lock for each answer and to cut
/// off ids that were not there at first. The head's gate keeps the shard from being rebuilt meanwhile.
#[derive(Debug)]
pub(super) struct ShardIndex<'a> {
    shard: &'a RwLock<Shard>,
    series: u32,
}

impl<'a> ShardIndex<'a> {
    pub(super) fn new(shard: &'a RwLock<Shard>) -> Self {
        let series = shard.read().series_len();
        Self { shard, series }
    }

    fn cut(&self, mut ids: RoaringBitmap) -> RoaringBitmap {
        ids.remove_range(self.series..);
        ids
    }

    /// Calls `visit` for each label id of the name, letting writers in between.
    pub(super) fn for_each_label(&self, name: &[u8], visit: impl FnMut(&Shard, u32)) {
        self.for_each_label_from(0, name, visit);
    }

    /// As [`Self::for_each_label`], without the first `from` in order of appearance. Returns how many there were,
    /// those included.
    fn for_each_label_from(&self, mut from: usize, name: &[u8], mut visit: impl FnMut(&Shard, u32)) -> usize {
        loop {
            let shard = self.shard.read();
            let Some(Name { labels, .. }) = shard.labels().find_name(name) else { return from };
            let part = &labels[from.min(labels.len())..labels.len().min(from + VALUES_PER_LOCK)];
            part.iter().for_each(|label| visit(&shard, *label));
            from += part.len();
            if part.len() < VALUES_PER_LOCK {
                return from;
            }
        }
    }
}

impl LabelIndex for ShardIndex<'_> {
    type Error = Infallible;

    fn all(&self) -> Result<RoaringBitmap, Infallible> {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.series);
        Ok(all)
    }

    fn with_label(&self, name: &[u8]) -> Result<RoaringBitmap, Infallible> {
        let series = self.shard.read().labels().find_name(name).map(|name| name.series.clone());
        Ok(self.cut(series.unwrap_or_default()))
    }

    fn value_count(&self, name: &[u8], _prefix: &[u8]) -> Result<u64, Infallible> {
        Ok(self.shard.read().labels().find_name(name).map_or(0, |name| name.labels.len() as u64))
    }

    fn cardinality(&self, name: &[u8], value: &[u8]) -> Result<u64, Infallible> {
        Ok(self.shard.read().labels().find_label(name, value).map_or(0, |label| label.series.len()))
    }

    fn postings(&self, name: &[u8], value: &[u8]) -> Result<RoaringBitmap, Infallible> {
        let mut ids = RoaringBitmap::new();
        if let Some(label) = self.shard.read().labels().find_label(name, value) {
            label.series.union_into(&mut ids);
        }
        Ok(self.cut(ids))
    }

    fn matching(&self, name: &[u8], regex: &Regex) -> Result<RoaringBitmap, Infallible> {
        let Matches { seen, labels: known } = self.shard.read().patterns.get(name, regex.pattern());
        let mut matched = Vec::new();
        let mut walk = regex.walk();
        let seen = self.for_each_label_from(seen, name, |shard, label| {
            if walk.matches(shard.labels().strings(label).1) {
                matched.push(label);
            }
        });
        let labels = match matched.is_empty() {
            true => known,
            false => Arc::new([known.as_slice(), &matched].concat()),
        };
        let mut ids = RoaringBitmap::new();
        for part in labels.chunks(VALUES_PER_LOCK) {
            let shard = self.shard.read();
            part.iter().for_each(|label| shard.labels().label(*label).series.union_into(&mut ids));
        }
        self.shard.read().patterns.put(name, regex.pattern(), Matches { seen, labels });
        Ok(self.cut(ids))
    }

    fn filter(
        &self,
        ids: &RoaringBitmap,
        name: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap, Infallible> {
        let name = self.shard.read().labels().name_id(name);
        let all: Vec<u32> = ids.iter().collect();
        let mut kept = RoaringBitmap::new();
        for part in all.chunks(VALUES_PER_LOCK) {
            let shard = self.shard.read();
            let labels = shard.labels();
            for id in part {
                let own =
                    label_ids(shard.packed_labels(*id)).find(|label| Some(labels.label(*label).name) == name);
                if keep(own.map_or(&[], |label| labels.strings(label).1)) {
                    kept.insert(*id);
                }
            }
        }
        Ok(kept)
    }

    fn names(&self, ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Infallible> {
        let shard = self.shard.read();
        let has = |name: &Name| ids.is_none_or(|ids| !name.series.is_disjoint(ids));
        let mut names: Vec<_> =
            shard.labels().names().filter(|(_, name)| has(name)).map(|(name, _)| name.to_vec()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn values(&self, name: &[u8], ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Infallible> {
        let mut values = Vec::new();
        self.for_each_label(name, |shard, label| {
            if ids.is_none_or(|ids| shard.labels().label(label).series.intersects(ids)) {
                values.push(shard.labels().strings(label).1.to_vec());
            }
        });
        values.sort_unstable();
        Ok(values)
    }
}
