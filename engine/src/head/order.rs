//! Series of a shard in the order of their labels, found without putting label sets together.
//!
//! A label set is a list of label ids, ascending by label name. With ids replaced by ranks of their labels (by name,
//! then value), lists compare as the label sets do, at a few words each; the strings of a label are looked at when labels
//! are ranked, not once for each comparison of two of the series that share it.

use parking_lot::RwLock;
use roaring::RoaringBitmap;

use super::{
    labels::{LabelTable, label_ids},
    shard::Shard,
};
use crate::model::{MemoryBudget, OverBudget};

/// Series or labels read before writers get their turn.
const READ_PER_LOCK: usize = 256;

/// Fewer series than this are sorted as fast by their label sets.
const SERIES_MIN: usize = 256;

/// Bytes that ordering takes for a series of sixteen labels, and for a label with a value of forty bytes.
const SERIES_BYTES: usize =
    size_of::<Keyed>() + 2 * size_of::<u32>() + size_of::<usize>() + 16 * size_of::<u32>();
const LABEL_BYTES: usize = size_of::<RankedName>() + size_of::<(u32, &[u8], u32)>() + size_of::<u32>() + 40;

/// Those of the ids that are `wanted`, in the order of the labels of their series. Few ids are answered as they are, all of
/// them. The gate must be held: ids must stay what they are.
///
/// # Errors
/// When `memory`, of which some is taken for a while, is used up.
pub(super) fn by_labels(
    shard: &RwLock<Shard>,
    ids: &RoaringBitmap,
    wanted: impl Fn(&Shard, u32) -> bool,
    memory: &MemoryBudget,
) -> Result<Vec<u32>, OverBudget> {
    let mut ids: Vec<u32> = ids.iter().collect();
    if ids.len() < SERIES_MIN {
        return Ok(ids);
    }
    retain(shard, &mut ids, wanted);
    ordered(shard, ids, memory)
}

fn retain(shard: &RwLock<Shard>, ids: &mut Vec<u32>, wanted: impl Fn(&Shard, u32) -> bool) {
    let mut kept = Vec::with_capacity(ids.len());
    for ids in ids.chunks(READ_PER_LOCK) {
        let shard = shard.read();
        kept.extend(ids.iter().copied().filter(|id| wanted(&shard, *id)));
    }
    *ids = kept;
}

fn ordered(shard: &RwLock<Shard>, ids: Vec<u32>, memory: &MemoryBudget) -> Result<Vec<u32>, OverBudget> {
    let series_bytes = ids.len() * SERIES_BYTES;
    memory.take(series_bytes)?;
    let mut sets = LabelSets::read(shard, ids);
    let labels = sets.distinct();
    let label_bytes = labels.len() * LABEL_BYTES;
    memory.take(label_bytes)?;
    sets.rank(&Strings::read(shard, &labels).ranks());
    let ordered = sets.ordered();
    memory.release(series_bytes + label_bytes);
    Ok(ordered)
}

/// Label ids of series, later their ranks.
struct LabelSets {
    ids: Vec<u32>,
    /// The labels of all, one series after the other.
    labels: Vec<u32>,
    /// Where the labels of each end.
    ends: Vec<usize>,
}

/// A series with the ranks of its first two labels, which decide most comparisons.
struct Keyed {
    first_two: u64,
    /// Its place among the others.
    index: u32,
}

impl LabelSets {
    fn read(shard: &RwLock<Shard>, ids: Vec<u32>) -> Self {
        let (mut labels, mut ends) = (Vec::new(), Vec::with_capacity(ids.len()));
        for ids in ids.chunks(READ_PER_LOCK) {
            let shard = shard.read();
            for id in ids {
                labels.extend(label_ids(shard.packed_labels(*id)));
                ends.push(labels.len());
            }
        }
        Self { ids, labels, ends }
    }

    /// The label ids that there are, ascending.
    fn distinct(&self) -> Vec<u32> {
        let len = self.labels.iter().max().map_or(0, |max| *max as usize + 1);
        let mut used = vec![false; len];
        self.labels.iter().for_each(|label| used[*label as usize] = true);
        (0..).zip(used).filter_map(|(label, used)| used.then_some(label)).collect()
    }

    /// Replaces label ids by ranks.
    fn rank(&mut self, ranks: &[u32]) {
        self.labels.iter_mut().for_each(|label| *label = ranks[*label as usize]);
    }

    /// The ranks of the series at `index`.
    fn of(&self, index: u32) -> &[u32] {
        let index = index as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.labels[start..self.ends[index]]
    }

    fn ordered(&self) -> Vec<u32> {
        let keyed = |index| {
            // Ranks begin at 1: no label comes before all of them.
            let rank = |at| u64::from(self.of(index).get(at).copied().unwrap_or(0));
            Keyed { first_two: rank(0) << 32 | rank(1), index }
        };
        let mut keyed: Vec<Keyed> = (0_u32..).zip(&self.ids).map(|(index, _)| keyed(index)).collect();
        keyed.sort_unstable_by(|a, b| {
            a.first_two.cmp(&b.first_two).then_with(|| self.of(a.index).cmp(self.of(b.index)))
        });
        keyed.into_iter().map(|Keyed { index, .. }| self.ids[index as usize]).collect()
    }
}

/// A label: its id, the rank of its name, and where its value ends.
type RankedName = (u32, u32, usize);

/// The strings of labels.
struct Strings {
    /// Ascending by id.
    labels: Vec<RankedName>,
    /// One after the other.
    values: Vec<u8>,
}

impl Strings {
    fn read(shard: &RwLock<Shard>, ids: &[u32]) -> Self {
        let name_ranks = name_ranks(shard.read().labels());
        let (mut labels, mut values) = (Vec::with_capacity(ids.len()), Vec::new());
        for ids in ids.chunks(READ_PER_LOCK) {
            let shard = shard.read();
            for id in ids {
                values.extend_from_slice(shard.labels().strings(*id).1);
                labels.push((*id, name_ranks[shard.labels().label(*id).name as usize], values.len()));
            }
        }
        Self { labels, values }
    }

    /// The rank of each label by its id, from 1 on; 0 where there is none.
    fn ranks(&self) -> Vec<u32> {
        let starts = std::iter::once(0).chain(self.labels.iter().map(|(_, _, end)| *end));
        let mut sorted: Vec<(u32, &[u8], u32)> = std::iter::zip(&self.labels, starts)
            .map(|((id, name, end), start)| (*name, &self.values[start..*end], *id))
            .collect();
        sorted.sort_unstable();
        let mut ranks = vec![0; self.labels.last().map_or(0, |(id, ..)| *id as usize + 1)];
        (1..).zip(sorted).for_each(|(rank, (.., id))| ranks[id as usize] = rank);
        ranks
    }
}

/// The rank of each name, by its id.
fn name_ranks(labels: &LabelTable) -> Vec<u32> {
    let mut names: Vec<(&[u8], usize)> =
        labels.names().enumerate().map(|(id, (name, _))| (name, id)).collect();
    names.sort_unstable();
    let mut ranks = vec![0; names.len()];
    (0..).zip(names).for_each(|(rank, (_, id))| ranks[id] = rank);
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Fingerprint, Labels};

    /// Names and values that begin with each other.
    fn label_set() -> impl Strategy<Value = Labels> {
        let name = prop::sample::select(vec!["__name__", "a", "aa", "b", "Z", "é"]);
        let value = prop::sample::select(vec!["a", "aa", "ab", "b", "é", "a b", "zzzzzzzzzzzzzzzzzzzz"]);
        prop::collection::vec((name, value), 0..6).prop_map(Labels::from_pairs)
    }

    proptest! {
        #[test]
        fn series_come_in_the_order_of_their_labels(
            sets in prop::collection::hash_set(label_set(), 0..200), left_out in 0_u32..50,
        ) {
            let mut shard = Shard::new(1);
            sets.iter().for_each(|labels| { shard.add(Fingerprint::of(labels), labels); });
            let ids = (left_out..shard.series_len()).collect();
            let shard = RwLock::new(shard);
            let memory = MemoryBudget::unlimited();
            let found = ordered(&shard, ids, &memory).unwrap();
            prop_assert_eq!(memory.held(), 0);
            let labels: Vec<Labels> = found.iter().map(|id| shard.read().labels_of(*id)).collect();
            prop_assert!(labels.is_sorted_by(|a, b| a < b), "{:?}", labels);
            prop_assert_eq!(labels.len(), sets.len().saturating_sub(left_out as usize));
        }
    }
}
