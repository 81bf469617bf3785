//! The times at which a query, or a part of one, is evaluated.

/// Evenly spaced evaluation times. An instant query is a grid of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The first time, milliseconds.
    pub(crate) start: i64,
    /// Distance between two times, milliseconds, positive.
    pub(crate) interval: i64,
    /// Number of times.
    pub(crate) steps: usize,
}

impl Grid {
    /// The grid from `start` up to at most `end`; empty when `end` lies before `start`.
    pub(crate) fn new(start: i64, end: i64, interval: i64) -> Self {
        let interval = interval.max(1);
        let steps = if end < start { 0 } else { end.abs_diff(start) / interval.unsigned_abs() + 1 };
        Self { start, interval, steps: usize::try_from(steps).unwrap_or(usize::MAX) }
    }

    /// The grid of a single time.
    pub(crate) const fn instant(ts: i64) -> Self {
        Self { start: ts, interval: 1, steps: 1 }
    }

    /// The time of step `step`.
    #[expect(clippy::cast_possible_wrap, reason = "steps of a grid span at most the range of i64")]
    pub(crate) const fn ts(&self, step: usize) -> i64 {
        self.start + step as i64 * self.interval
    }

    /// The first step that is not before `ts`; the last one when all are.
    pub(crate) fn first_not_before(&self, ts: i64) -> usize {
        let after_start = ts.saturating_sub(self.start).max(0).unsigned_abs();
        let step = after_start.div_ceil(self.interval.unsigned_abs());
        usize::try_from(step).unwrap_or(usize::MAX).min(self.steps.saturating_sub(1))
    }

    /// The last time; the start when there are no steps.
    pub(crate) const fn end(&self) -> i64 {
        self.ts(self.steps.saturating_sub(1))
    }

    /// All times.
    pub(crate) fn times(self) -> impl ExactSizeIterator<Item = i64> {
        (0..self.steps).map(move |step| self.ts(step))
    }
}
