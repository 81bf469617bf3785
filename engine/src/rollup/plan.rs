//! What is due: from what has been rolled up, and what time it is by the data, to the windows of the next job.

use kymo_formats::rollup::window_end;

use crate::{manifest::RollupProgress, model::WindowSet, tier::Partition};

/// What is known of a tier when its next job is planned.
#[derive(Debug, Clone)]
pub(super) struct TierState {
    pub(super) progress: RollupProgress,
    pub(super) partition: Partition,
    /// Windows that end here or before are complete: nothing more is expected for them.
    pub(super) complete_to: i64,
    /// Where what the windows are made of begins, milliseconds; `i64::MIN` if there is nothing.
    pub(super) source_from: i64,
    /// What is older is not all there any more: windows that begin before are left as they are.
    pub(super) lost_to: i64,
    /// New windows are worth a job once they cover so much, milliseconds.
    pub(super) worth_ms: i64,
    /// Whether it is time to roll up again what has changed.
    pub(super) revises: bool,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Does again what was begun: the windows that the progress names as pending.
    Resume,
    /// Rolls up windows for the first time.
    New(WindowSet),
    /// Rolls up windows again.
    Revise(WindowSet),
}

/// The next job, if one is due.
pub(super) fn plan(tier: &TierState) -> Option<Choice> {
    if !tier.progress.pending.is_empty() {
        return Some(Choice::Resume);
    }
    new_windows(tier).map(Choice::New).or_else(|| revised_windows(tier).map(Choice::Revise))
}

fn new_windows(tier: &TierState) -> Option<WindowSet> {
    let width = tier.progress.width_ms;
    let complete_to = tier.complete_to.checked_sub(tier.complete_to.rem_euclid(width))?;
    if tier.source_from == i64::MIN {
        return None;
    }
    // Of a source that begins within a window that window is rolled up as far as it goes.
    let from = tier.progress.rolled_to.max(window_end(tier.source_from, width).saturating_sub(width));
    if from >= complete_to {
        return None;
    }
    let (_, last) = tier.partition.ends_around(from.saturating_add(width), width);
    let to = complete_to.min(last);
    // The end of a partition is always worth it: what follows belongs elsewhere.
    let worth = to < complete_to || to.saturating_sub(from) >= tier.worth_ms;
    worth.then(|| WindowSet::from_iter([(from, to)]))
}

fn revised_windows(tier: &TierState) -> Option<WindowSet> {
    let width = tier.progress.width_ms;
    let due = tier.revises.then(|| doable(tier))?;
    let (from, _) = due.bounds()?;
    let (first, last) = tier.partition.ends_around(from.saturating_add(width), width);
    Some(due.within(first.saturating_sub(width), last)).filter(|windows| !windows.is_empty())
}

/// The windows that are due and still can be rolled up again.
fn doable(tier: &TierState) -> WindowSet {
    let width = tier.progress.width_ms;
    tier.progress.due.within(window_end(tier.lost_to, width), tier.progress.rolled_to)
}

/// The windows that are due and cannot be rolled up again, because what they are made of is gone.
pub(super) fn undoable(tier: &TierState) -> WindowSet {
    tier.progress.due.within(i64::MIN, window_end(tier.lost_to, tier.progress.width_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: i64 = 300_000;
    const DAY: i64 = 86_400_000;

    fn tier(rolled_to: i64, complete_to: i64) -> TierState {
        TierState {
            progress: RollupProgress { rolled_to, ..RollupProgress::new(WIDTH) },
            partition: Partition::Day,
            complete_to,
            source_from: 10 * DAY + 7,
            lost_to: i64::MIN,
            worth_ms: 2 * WIDTH,
            revises: true,
        }
    }

    fn windows(ranges: &[(i64, i64)]) -> WindowSet {
        ranges.iter().copied().collect()
    }

    #[test]
    fn new_windows_are_taken_when_they_are_worth_it_and_not_across_days() {
        let start = 10 * DAY;
        for (rolled_to, complete_to, expected) in [
            // The first job begins with the window in which the first sample lies.
            (i64::MIN, start + 2 * WIDTH + 9, Some((start, start + 2 * WIDTH))),
            (i64::MIN, start + WIDTH, None),
            (start + WIDTH, start + 2 * WIDTH, None),
            (start + WIDTH, start + 3 * WIDTH, Some((start + WIDTH, start + 3 * WIDTH))),
            // The window that ends at midnight is the next day's.
            (start + WIDTH, start + 2 * DAY, Some((start + WIDTH, start + DAY - WIDTH))),
            (start + DAY - 2 * WIDTH, start + DAY - WIDTH, None),
            (start + DAY - 2 * WIDTH, start + DAY, Some((start + DAY - 2 * WIDTH, start + DAY - WIDTH))),
            (start + DAY - WIDTH, start + DAY + WIDTH, Some((start + DAY - WIDTH, start + DAY + WIDTH))),
            (start + WIDTH, start, None),
            (start + WIDTH, i64::MIN, None),
        ] {
            let choice = plan(&tier(rolled_to, complete_to));
            let expected = expected.map(|range| Choice::New(windows(&[range])));
            assert_eq!(choice, expected, "{rolled_to} {complete_to}");
        }
        let mut on_edge = tier(i64::MIN, start);
        on_edge.source_from = start;
        on_edge.worth_ms = WIDTH;
        assert_eq!(plan(&on_edge), Some(Choice::New(windows(&[(start - WIDTH, start)]))));
        let mut empty = tier(i64::MIN, 50 * DAY);
        empty.source_from = i64::MIN;
        assert_eq!(plan(&empty), None, "nothing is known of a source without data");
    }

    #[test]
    fn what_was_begun_comes_first() {
        let mut tier = tier(10 * DAY, 12 * DAY);
        tier.progress.pending = windows(&[(5, 6)]);
        assert_eq!(plan(&tier), Some(Choice::Resume));
    }

    #[test]
    fn what_changed_is_rolled_up_again_day_by_day_while_its_source_is_there() {
        let day = 11 * DAY;
        let mut tier = tier(day + DAY + 2 * WIDTH, day + DAY + 2 * WIDTH);
        let early = (10 * DAY - WIDTH, 10 * DAY + 2 * WIDTH);
        tier.lost_to = 10 * DAY + 7;
        tier.progress.due = windows(&[early, (day, day + WIDTH), (day + DAY - 2 * WIDTH, day + DAY + WIDTH)]);
        // Of the first only the window that lies behind the begin of the source as a whole.
        assert_eq!(undoable(&tier), windows(&[(10 * DAY - WIDTH, 10 * DAY + WIDTH)]));
        let expected = windows(&[(10 * DAY + WIDTH, 10 * DAY + 2 * WIDTH)]);
        assert_eq!(plan(&tier), Some(Choice::Revise(expected.clone())));
        tier.progress.due.remove(10 * DAY - WIDTH, 10 * DAY + 2 * WIDTH);
        let expected = windows(&[(day, day + WIDTH), (day + DAY - 2 * WIDTH, day + DAY - WIDTH)]);
        assert_eq!(plan(&tier), Some(Choice::Revise(expected)));
        tier.revises = false;
        assert_eq!(plan(&tier), None);
    }
}
