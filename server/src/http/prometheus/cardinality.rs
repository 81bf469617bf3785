//! Which metrics and labels make up the series.

use std::collections::BTreeMap;

use kymo_engine::Labels;
use serde::Serialize;

/// Counts over a list of series.
#[derive(Debug, Default)]
pub(super) struct Cardinality {
    by_metric: BTreeMap<Vec<u8>, u64>,
    by_pair: BTreeMap<(Vec<u8>, Vec<u8>), u64>,
}

/// The largest counts of each kind, in upstream's names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) label_pairs: usize,
    pub(super) series_by_metric: Vec<Count>,
    pub(super) values_by_label: Vec<Count>,
    pub(super) bytes_by_label: Vec<Count>,
    pub(super) series_by_pair: Vec<Count>,
}

/// A name and its count.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    name: String,
    value: u64,
}

impl Cardinality {
    pub(super) fn of(series: &[Labels]) -> Self {
        let mut counts = Self::default();
        for labels in series {
            *counts.by_metric.entry(labels.metric_name().to_vec()).or_default() += 1;
            for label in labels {
                *counts.by_pair.entry((label.name.to_vec(), label.value.to_vec())).or_default() += 1;
            }
        }
        counts
    }

    pub(super) fn top(&self, limit: usize) -> Top {
        let mut values: BTreeMap<&[u8], u64> = BTreeMap::new();
        let mut bytes: BTreeMap<&[u8], u64> = BTreeMap::new();
        for (name, value) in self.by_pair.keys() {
            *values.entry(name).or_default() += 1;
            *bytes.entry(name).or_default() += value.len() as u64;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = self.by_pair.iter();
        Top {
            label_pairs: self.by_pair.len(),
            series_by_metric: largest(self.by_metric.iter().map(|(name, count)| (text(name), *count)), limit),
            values_by_label: largest(values.into_iter().map(|(name, count)| (text(name), count)), limit),
            bytes_by_label: largest(bytes.into_iter().map(|(name, count)| (text(name), count)), limit),
            series_by_pair: largest(
                pairs.map(|((name, value), count)| (format!("{}={}", text(name), text(value)), *count)),
                limit,
            ),
        }
    }
}

/// The largest counts first; equal ones by name.
fn largest(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<_> = counts.map(|(name, value)| Count { name, value }).collect();
    counts.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(limit);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first() {
        let series = [("a", "1"), ("a", "22"), ("b", "1")]
            .map(|(name, value)| Labels::from_pairs([("__name__", name), ("l", value)]));
        let top = Cardinality::of(&series).top(1);
        let count = |name: &str, value| vec![Count { name: name.to_owned(), value }];
        assert_eq!(top.label_pairs, 4);
        assert_eq!(top.series_by_metric, count("a", 2));
        assert_eq!(top.values_by_label, count("__name__", 2));
        assert_eq!(top.bytes_by_label, count("l", 3));
        assert_eq!(top.series_by_pair, count("__name__=a", 2));
    }
}
