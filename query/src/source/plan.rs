//! Which samples and rollups answer a selector.
//!
//! Where all samples are there, rollups are read only where they answer the same: where no window of the query ends within
//! one of theirs, and the function needs no more than what they tell. Where samples are gone, they are what there is.

use kymo_engine::WindowGrid;

use super::Need;

/// A tier, as far as a plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) width_ms: i64,
    /// Rows begin here: the first window is that after this time.
    pub(super) from: i64,
    /// Windows that end here or before have rows.
    pub(super) to: i64,
    /// Windows that end here or before have rows that are what their samples are.
    pub(super) exact_to: i64,
    /// Whether it has rows of all series, whatever their policy.
    pub(super) is_complete: bool,
    /// Whether its rows are cheaper to read than the samples that they are made of, where those are there.
    pub(super) is_cheaper: bool,
}

/// Where a part of an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Samples.
    Samples,
    /// Rollups of windows of this width, milliseconds.
    Rollups {
        /// The width.
        width_ms: i64,
        /// Whether the answer is the one that samples would give.
        is_exact: bool,
        /// Whether all samples are there as well.
        has_samples: bool,
    },
}

/// A part of an answer: what lies in `(from, to]`, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: From,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Parts that follow each other from `from` to `to`; of samples before `lost_to` not all are there. Tiers go from the
/// finest to the coarsest.
pub(super) fn plan(need: &Need, from: i64, to: i64, lost_to: i64, tiers: &[Tier]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut at = from;
    while at < to && at.saturating_add(1) < lost_to {
        let segment = lost_segment(need, at, to, lost_to, tiers);
        at = segment.to;
        segments.push(segment);
    }
    let begins = at == from;
    segments.extend(exact_segment(need, at, to, begins, tiers).inspect(|segment| at = segment.to));
    if at < to {
        segments.push(Segment { source: From::Samples, from: at, to });
    }
    segments
}

/// The part that begins at `at`, where samples are missing.
fn lost_segment(need: &Need, at: i64, to: i64, lost_to: i64, tiers: &[Tier]) -> Segment {
    let mut there = tiers.iter().filter(|tier| tier.from <= at && at < tier.to);
    let exact = there.clone().rev().find(|tier| is_aligned(need, tier.width_ms));
    let chosen = exact.or_else(|| there.next());
    let Some(tier) = chosen else {
        // Nothing but the samples that are left, until a tier begins.
        let next = tiers.iter().map(|tier| tier.from).filter(|from| *from > at).min();
        let end = next.unwrap_or(to).min(lost_to.saturating_sub(1)).min(to);
        return Segment { source: From::Samples, from: at, to: end };
    };
    let width_ms = tier.width_ms;
    // Rows before this one end within windows of its width.
    let up = |ts: i64| kymo_formats::rollup::window_end(ts, width_ms);
    let mut end = up(lost_to.saturating_sub(1)).min(tier.to);
    if exact.is_none() {
        let finer = tiers.iter().filter(|other| other.width_ms < width_ms && other.from > at);
        end = finer.map(|other| up(other.from)).fold(end, i64::min).max(at.saturating_add(1));
    }
    let source = From::Rollups { width_ms, is_exact: exact.is_some(), has_samples: false };
    Segment { source, from: at, to: end.min(to.max(at.saturating_add(1))) }
}

/// The part from `at` on that rollups answer as samples would, if it is worth it.
fn exact_segment(need: &Need, at: i64, to: i64, begins: bool, tiers: &[Tier]) -> Option<Segment> {
    // What a row tells of the time before the answer's begin is older than is looked for.
    let may_overlap = begins && matches!(need, Need::Newest(_));
    let fits = |tier: &&Tier| {
        tier.is_complete
            && tier.is_cheaper
            && tier.from <= at
            && is_aligned(need, tier.width_ms)
            && (may_overlap || at.rem_euclid(tier.width_ms) == 0)
    };
    tiers.iter().rev().filter(fits).find_map(|tier| {
        let end = tier.exact_to.min(to);
        let end = end.saturating_sub(end.rem_euclid(tier.width_ms));
        let source = From::Rollups { width_ms: tier.width_ms, is_exact: true, has_samples: true };
        let worth = end.saturating_sub(at) >= 2 * tier.width_ms;
        worth.then_some(Segment { source, from: at, to: end })
    })
}

/// Whether windows of `width_ms` lie as a whole within or outside of each window that is looked at.
fn is_aligned(need: &Need, width_ms: i64) -> bool {
    let fits = |grid: &WindowGrid, range: i64| {
        let first = grid.first_end.rem_euclid(width_ms) == 0;
        first && range % width_ms == 0 && (grid.steps < 2 || grid.interval % width_ms == 0)
    };
    match need {
        Need::Samples => false,
        // How old the newest sample before an end is, its row tells.
        Need::Newest(grid) => fits(grid, 0),
        Need::Windows { grid, .. } => fits(grid, grid.range),
    }
}

#[cfg(test)]
mod tests {
    use kymo_engine::RollupFacts;
    use proptest::{
        prelude::*,
        test_runner::{Config, FileFailurePersistence},
    };

    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    fn tier(width_ms: i64, from: i64, to: i64) -> Tier {
        Tier { width_ms, from, to, exact_to: to, is_complete: true, is_cheaper: true }
    }

    fn windows(first_end: i64, interval: i64, steps: usize, range: i64) -> Need {
        Need::Windows {
            grid: WindowGrid { first_end, interval, steps, range },
            facts: RollupFacts::default(),
        }
    }

    fn rollups(width_ms: i64, is_exact: bool, has_samples: bool) -> From {
        From::Rollups { width_ms, is_exact, has_samples }
    }

    fn parts(segments: &[Segment]) -> Vec<(From, i64, i64)> {
        segments.iter().map(|segment| (segment.source, segment.from, segment.to)).collect()
    }

    #[test]
    fn the_coarsest_tier_that_answers_the_same_is_taken() {
        let tiers = [tier(5 * MINUTE, 0, 100 * HOUR), tier(HOUR, 0, 99 * HOUR)];
        let plan = |need: &Need, from, to| parts(&plan(need, from, to, i64::MIN, &tiers));
        let (to, now) = (99 * HOUR, 101 * HOUR + 7);
        assert_eq!(
            plan(&windows(11 * HOUR, HOUR, 91, HOUR), 10 * HOUR, 101 * HOUR),
            [(rollups(HOUR, true, true), 10 * HOUR, to), (From::Samples, to, 101 * HOUR)]
        );
        assert_eq!(
            plan(&windows(11 * HOUR, 5 * MINUTE, 1_000, HOUR), 10 * HOUR, now),
            [(rollups(5 * MINUTE, true, true), 10 * HOUR, 100 * HOUR), (From::Samples, 100 * HOUR, now)]
        );
        for need in [
            windows(11 * HOUR + 1, HOUR, 91, HOUR),
            windows(11 * HOUR, HOUR, 91, HOUR + 1),
            windows(11 * HOUR, HOUR + 1, 91, HOUR),
            Need::Samples,
        ] {
            assert_eq!(plan(&need, 10 * HOUR, now), [(From::Samples, 10 * HOUR, now)], "{need:?}");
        }
        // One window, whatever the interval says.
        assert_eq!(plan(&windows(20 * HOUR, 7, 1, 10 * HOUR), 10 * HOUR, 20 * HOUR).len(), 1);
        // The newest sample at each full hour.
        let newest =
            Need::Newest(WindowGrid { first_end: 50 * HOUR, interval: HOUR, steps: 9, range: 5 * MINUTE });
        let found = plan(&newest, 50 * HOUR - 5 * MINUTE, 58 * HOUR);
        assert_eq!(found, [(rollups(HOUR, true, true), 50 * HOUR - 5 * MINUTE, 58 * HOUR)]);
    }

    #[test]
    fn tiers_that_lack_series_or_windows_are_not_taken_beside_samples() {
        let need = windows(11 * HOUR, HOUR, 50, HOUR);
        let whole = tier(HOUR, 0, 99 * HOUR);
        for bad in [
            Tier { is_complete: false, ..whole.clone() },
            Tier { is_cheaper: false, ..whole.clone() },
            Tier { from: 11 * HOUR, ..whole.clone() },
            Tier { exact_to: 11 * HOUR, ..whole.clone() },
        ] {
            let found = plan(&need, 10 * HOUR, 60 * HOUR, i64::MIN, &[bad]);
            assert_eq!(parts(&found), [(From::Samples, 10 * HOUR, 60 * HOUR)]);
        }
        let changed = Tier { exact_to: 30 * HOUR + 5, ..whole };
        let found = plan(&need, 10 * HOUR, 60 * HOUR, i64::MIN, &[changed]);
        assert_eq!((found[0].to, found[1].source), (30 * HOUR, From::Samples));
    }

    #[test]
    fn where_samples_are_gone_rollups_answer_as_well_as_they_can() {
        let tiers = [tier(5 * MINUTE, 50 * HOUR, 200 * HOUR), tier(HOUR, 10 * HOUR, 199 * HOUR)];
        let lost_to = 100 * HOUR + 3 * MINUTE;
        let found = plan(&Need::Samples, 0, 200 * HOUR, lost_to, &tiers);
        let seam = 100 * HOUR + 5 * MINUTE;
        assert_eq!(
            parts(&found),
            [
                (From::Samples, 0, 10 * HOUR),
                (rollups(HOUR, false, false), 10 * HOUR, 50 * HOUR),
                (rollups(5 * MINUTE, false, false), 50 * HOUR, seam),
                (From::Samples, seam, 200 * HOUR),
            ]
        );
        // Aligned: the coarser one, and it goes on beyond.
        let found = plan(&windows(21 * HOUR, HOUR, 150, HOUR), 20 * HOUR, 170 * HOUR, lost_to, &tiers);
        assert_eq!(
            parts(&found),
            [
                (rollups(HOUR, true, false), 20 * HOUR, 101 * HOUR),
                (rollups(HOUR, true, true), 101 * HOUR, 170 * HOUR),
            ]
        );
    }

    fn config() -> Config {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/tier_plan.txt");
        Config {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
            ..Config::default()
        }
    }

    fn any_tier(width_ms: i64) -> impl Strategy<Value = Tier> {
        (0_i64..60, 0_i64..60, -9_i64..9, any::<bool>()).prop_map(move |(from, len, late, is_complete)| {
            let (from, to) = (from * width_ms, (from + len) * width_ms);
            Tier { width_ms, from, to, exact_to: to - late.max(0), is_complete, is_cheaper: late % 3 != 1 }
        })
    }

    proptest! {
        #![proptest_config(config())]

        /// No gap, nothing twice, and each part of rollups is one that the tier has.
        #[test]
        fn parts_follow_each_other(
            fine in any_tier(5),
            coarse in any_tier(20),
            (from, len, lost_to) in (-20_i64..300, 1_i64..300, -50_i64..400),
            (end, interval, steps, range) in (0_i64..20, 0_i64..40, 1_usize..9, 1_i64..40),
            kind in 0..3,
        ) {
            let grid = WindowGrid { first_end: from + end, interval, steps, range };
            let need = match kind {
                0 => Need::Samples,
                1 => Need::Newest(grid),
                _ => Need::Windows { grid, facts: RollupFacts::default() },
            };
            let (to, tiers) = (from + len, [fine, coarse]);
            let found = plan(&need, from, to, lost_to, &tiers);
            let mut at = from;
            for Segment { source, from, to } in &found {
                prop_assert_eq!(*from, at);
                prop_assert!(from < to);
                at = *to;
                if let From::Rollups { width_ms, is_exact, has_samples } = source {
                    let tier = tiers.iter().find(|tier| tier.width_ms == *width_ms).unwrap();
                    prop_assert!(tier.from <= *from && *to <= tier.to.max(*to));
                    prop_assert!(!has_samples || (*is_exact && from + 1 >= lost_to && *to <= tier.exact_to));
                    prop_assert!(!is_exact || is_aligned(&need, *width_ms));
                    // A window is answered by one part: where it ends within one, that part begins before it.
                    let begins = kind == 1 && *from == found[0].from;
                    prop_assert!(!has_samples || ((begins || from % width_ms == 0) && to % width_ms == 0));
                }
            }
            prop_assert_eq!(at, to.max(at));
            prop_assert!(at >= to);
        }
    }
}
