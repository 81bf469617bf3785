//! How many series and values the labels of the head have.
//!
//! Counts come from the lengths of postings, not from the labels of series. A label lies in each shard that has a
//! series with it; what tells that two are the same is the 128-bit hash of the value, as it is for series.

use std::{cmp::Reverse, collections::BTreeSet};

use hashbrown::{DefaultHashBuilder, HashMap};
use xxhash_rust::xxh3::xxh3_128;

use super::{Head, index::ShardIndex};

/// The label that names metrics.
const METRIC_NAME: &[u8] = b"__name__";

/// Which metrics and labels make up the series of the head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Distinct labels, a label being a name with a value.
    pub labels: u64,
    /// Metrics with the most series. Series without a metric name are not among them.
    pub series_by_metric: Vec<Count>,
    /// Label names with the most distinct values.
    pub values_by_name: Vec<Count>,
    /// Label names whose labels are longest, in canonical bytes summed over series.
    pub bytes_by_name: Vec<Count>,
    /// Labels with the most series.
    pub series_by_label: Vec<LabelCount>,
}

/// A metric or label name and a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The name.
    pub name: Vec<u8>,
    /// The count.
    pub count: u64,
}

/// A label and its number of series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCount {
    /// The label's name.
    pub name: Vec<u8>,
    /// The label's value.
    pub value: Vec<u8>,
    /// Series that have it.
    pub series: u64,
}

/// A label without its strings.
#[derive(Debug, Clone, Copy)]
struct Found {
    series: u64,
    hash: u128,
    /// Where it was found first.
    shard: usize,
    id: u32,
}

/// The labels of one name.
#[derive(Debug, Default)]
struct OfName {
    labels: Vec<Found>,
    /// Canonical bytes, summed over series.
    bytes: u64,
}

impl Head {
    /// Counts the labels of all series in memory; of each list the `limit` largest counts, the largest first.
    /// Takes the memory of a few words for each value of the label name that has most.
    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let _ids_stay = self.gate.read_recursive();
        let mut all = Cardinality::default();
        let mut pairs = Vec::new();
        for name in self.label_names_in_memory() {
            let OfName { labels, bytes } = self.labels_of_name(&name);
            let values = labels.len() as u64;
            all.labels += values;
            let top = largest(labels, limit);
            if name == METRIC_NAME {
                let counts = top.iter().map(|found| self.resolve_found(found));
                all.series_by_metric =
                    counts.map(|label| Count { name: label.value, count: label.series }).collect();
                sort_counts(&mut all.series_by_metric, limit);
            }
            pairs.extend(top);
            pairs = largest(pairs, limit);
            all.values_by_name.push(Count { name: name.clone(), count: values });
            all.bytes_by_name.push(Count { name, count: bytes });
        }
        sort_counts(&mut all.values_by_name, limit);
        sort_counts(&mut all.bytes_by_name, limit);
        all.series_by_label = pairs.iter().map(|found| self.resolve_found(found)).collect();
        all.series_by_label.sort_by(|a, b| (b.series, &a.name, &a.value).cmp(&(a.series, &b.name, &b.value)));
        all
    }

    /// Number of series with `name="value"`.
    pub(super) fn series_with(&self, name: &[u8], value: &[u8]) -> u64 {
        let of_shard = |labels: &super::labels::LabelTable| {
            labels.find_label(name, value).map_or(0, |label| label.series.len())
        };
        self.shards.iter().map(|shard| of_shard(shard.read().labels())).sum()
    }

    /// Number of distinct values of each label name.
    pub(super) fn values_by_name(&self) -> impl Iterator<Item = (Vec<u8>, u64)> {
        let names = self.label_names_in_memory();
        names.into_iter().map(|name| {
            let values = self.labels_of_name(&name).labels.len() as u64;
            (name, values)
        })
    }

    fn label_names_in_memory(&self) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        for shard in &self.shards {
            names.extend(shard.read().labels().names().map(|(name, _)| name.to_vec()));
        }
        names
    }

    fn labels_of_name(&self, name: &[u8]) -> OfName {
        let mut found: HashMap<u128, Found, DefaultHashBuilder> = HashMap::default();
        let mut bytes = 0;
        for (number, shard) in self.shards.iter().enumerate() {
            ShardIndex::new(shard).for_each_label(name, |shard, id| {
                let (_, value) = shard.labels().strings(id);
                let series = shard.labels().label(id).series.len();
                bytes += series * (canonical_len(name) + canonical_len(value));
                let hash = xxh3_128(value);
                found.entry(hash).or_insert(Found { series: 0, hash, shard: number, id }).series += series;
            });
        }
        OfName { labels: found.into_values().collect(), bytes }
    }

    fn resolve_found(&self, found: &Found) -> LabelCount {
        let shard = self.shards[found.shard].read();
        let (name, value) = shard.labels().strings(found.id);
        LabelCount { name: name.to_vec(), value: value.to_vec(), series: found.series }
    }
}

/// Bytes of a string behind its length, as canonical labels have it.
fn canonical_len(string: &[u8]) -> u64 {
    let length = string.len() as u64;
    length + u64::from((64 - (length | 1).leading_zeros()).div_ceil(7))
}

/// The labels with the most series. Which ones of equal counts are left out is for their hashes to say: looking
/// at a million strings to choose among labels of one series would be all the work.
fn largest(mut labels: Vec<Found>, limit: usize) -> Vec<Found> {
    let key = |found: &Found| (Reverse(found.series), found.hash);
    if labels.len() > limit {
        if limit > 0 {
            labels.select_nth_unstable_by_key(limit - 1, key);
        }
        labels.truncate(limit);
    }
    labels
}

/// The largest counts first; equal ones by name.
fn sort_counts(counts: &mut Vec<Count>, limit: usize) {
    counts.sort_by(|a, b| (b.count, &a.name).cmp(&(a.count, &b.name)));
    counts.truncate(limit);
}
