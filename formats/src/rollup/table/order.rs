//! The order of the table.

use std::cmp::Ordering;

/// How two series lie to each other in the table: by metric, then by `job`, which is asked for most, then by all
/// labels. Both are names and values, ascending by name.
#[must_use]
pub fn table_order(a: &[(&[u8], &[u8])], b: &[(&[u8], &[u8])]) -> Ordering {
    fn value<'a>(labels: &[(&[u8], &'a [u8])], wanted: &[u8]) -> &'a [u8] {
        labels.iter().find(|(name, _)| *name == wanted).map_or(&[], |(_, value)| value)
    }
    let by = |name: &[u8]| value(a, name).cmp(value(b, name));
    by(b"__name__").then_with(|| by(b"job")).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_and_job_come_first() {
        let labels = |text: &'static str| -> Vec<(&'static [u8], &'static [u8])> {
            text.split(',')
                .filter_map(|pair| pair.split_once('='))
                .map(|(a, b)| (a.as_bytes(), b.as_bytes()))
                .collect()
        };
        let sorted = [
            "a=9,job=z",
            "__name__=m,zone=1",
            "__name__=m,a=2,job=a",
            "__name__=m,a=1,job=b",
            "__name__=m,a=1,job=b,zone=1",
            "__name__=m,a=2,job=b",
            "__name__=n",
        ];
        assert!(sorted.is_sorted_by(|a, b| table_order(&labels(a), &labels(b)).is_lt()));
    }
}
