//! Sets of windows of time.

/// At most so many ranges are told apart; then those with the smallest gap between them become one. A set that is too
/// large means work that need not be, never work that is missed.
const RANGES_MAX: usize = 4_096;

/// A set of windows `(end - width, end]`, as the ranges of time that they cover: `(from, to]`, milliseconds, ascending,
/// none of them touching the next. The width is the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowSet {
    ranges: Vec<(i64, i64)>,
}

impl WindowSet {
    /// The ranges `(from, to]`, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(i64, i64)] {
        &self.ranges
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// From where to where they lie, `(from, to]`.
    #[must_use]
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.ranges.first()?.0, self.ranges.last()?.1))
    }

    /// Whether the time is in a window. So is a window whose end it is.
    #[must_use]
    pub fn contains(&self, ts: i64) -> bool {
        let at = self.ranges.partition_point(|(_, to)| *to < ts);
        self.ranges.get(at).is_some_and(|(from, _)| *from < ts)
    }

    /// Adds the windows of `(from, to]`.
    pub fn insert(&mut self, from: i64, to: i64) {
        if from >= to {
            return;
        }
        let first = self.ranges.partition_point(|(_, end)| *end < from);
        let last = self.ranges.partition_point(|(start, _)| *start <= to);
        let merged = match self.ranges.get(first..last) {
            Some([one, .., other]) => (from.min(one.0), to.max(other.1)),
            Some([one]) => (from.min(one.0), to.max(one.1)),
            _ => (from, to),
        };
        self.ranges.splice(first..last.max(first), [merged]);
        if self.ranges.len() > RANGES_MAX {
            self.close_smallest_gap();
        }
    }

    /// Adds all windows of `other`.
    pub fn extend(&mut self, other: &Self) {
        other.ranges.iter().for_each(|(from, to)| self.insert(*from, *to));
    }

    /// Takes the windows of `(from, to]` out.
    pub fn remove(&mut self, from: i64, to: i64) {
        if from >= to {
            return;
        }
        let cut = |(start, end): (i64, i64)| {
            [(start, end.min(from)), (start.max(to), end)].into_iter().filter(|(start, end)| start < end)
        };
        self.ranges = self.ranges.iter().copied().flat_map(cut).collect();
    }

    /// The windows of `width_ms` that any of these lie in.
    #[must_use]
    pub fn widened(&self, width_ms: i64) -> Self {
        let down = |ts: i64| ts.saturating_sub(ts.rem_euclid(width_ms));
        let up = |ts: i64| kymo_formats::rollup::window_end(ts, width_ms);
        self.ranges.iter().map(|(from, to)| (down(*from), up(*to))).collect()
    }

    /// Those of them that lie in `(from, to]`.
    #[must_use]
    pub fn within(&self, from: i64, to: i64) -> Self {
        self.ranges.iter().map(|(start, end)| (*start.max(&from), *end.min(&to))).collect()
    }

    fn close_smallest_gap(&mut self) {
        let gap = |at: &usize| self.ranges[at + 1].0.saturating_sub(self.ranges[*at].1);
        if let Some(at) = (0..self.ranges.len() - 1).min_by_key(gap) {
            let (_, to) = self.ranges.remove(at + 1);
            self.ranges[at].1 = to;
        }
    }
}

/// Ranges `(from, to]`, in any order; empty ones are left out.
impl FromIterator<(i64, i64)> for WindowSet {
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|(from, to)| set.insert(from, to));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, FileFailurePersistence},
    };

    use super::*;

    fn config() -> Config {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/window_set.txt");
        Config {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
            ..Config::default()
        }
    }

    fn members(set: &WindowSet) -> BTreeSet<i64> {
        set.ranges.iter().flat_map(|(from, to)| from + 1..=*to).collect()
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn as_a_set_of_moments(changes in vec((any::<bool>(), -50_i64..50, 0_i64..20), 0..30), width in 1_i64..9) {
            let (mut set, mut model) = (WindowSet::default(), BTreeSet::new());
            for (inserted, from, len) in changes {
                let (from, to) = (from, from + len);
                if inserted {
                    set.insert(from, to);
                    model.extend(from + 1..=to);
                } else {
                    set.remove(from, to);
                    model.retain(|ts| !(from < *ts && *ts <= to));
                }
                prop_assert!(set.ranges.is_sorted_by(|a, b| a.1 < b.0), "{set:?}");
                prop_assert!(set.ranges.iter().all(|(from, to)| from < to), "{set:?}");
                prop_assert_eq!(members(&set), model.clone());
            }
            for ts in -60..80 {
                prop_assert_eq!(set.contains(ts), model.contains(&ts));
            }
            let wide: BTreeSet<i64> = model
                .iter()
                .flat_map(|ts| {
                    let end = kymo_formats::rollup::window_end(*ts, width);
                    end - width + 1..=end
                })
                .collect();
            prop_assert_eq!(members(&set.widened(width)), wide);
            let inside: BTreeSet<i64> = model.iter().copied().filter(|ts| (-9..=9).contains(ts)).collect();
            prop_assert_eq!(members(&set.within(-10, 9)), inside);
        }
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_missed() {
        let mut set = WindowSet::default();
        for n in 0..10_000_i64 {
            set.insert(n * n * 10, n * n * 10 + 1);
        }
        assert_eq!(set.ranges.len(), RANGES_MAX);
        assert!((0..10_000_i64).all(|n| set.contains(n * n * 10 + 1)));
        assert_eq!(set.bounds(), Some((0, 9_999 * 9_999 * 10 + 1)));
    }
}
