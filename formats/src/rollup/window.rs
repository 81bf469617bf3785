//! Windows of time, and the rollup of one series in one of them.

use super::FloatRun;
use crate::histogram::STALE_NAN_BITS;

/// The end of the window of `width_ms` that contains `ts`, milliseconds.
///
/// Windows are `(end - width, end]`, as PromQL's ranges are, and their ends are multiples of the width: a sample on an
/// end belongs to the window that ends there. At the end of time the window is cut.
#[must_use]
pub const fn window_end(ts: i64, width_ms: i64) -> i64 {
    let into = ts.rem_euclid(width_ms);
    if into == 0 { ts } else { ts.saturating_add(width_ms - into) }
}

/// What one series was in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// End of the window, milliseconds, inclusive.
    pub end: i64,
    /// Its floats; none if it had only a stale marker.
    pub floats: Option<FloatRun>,
    /// Number of native histograms, which are not kept.
    pub histograms: u32,
    /// Whether the last thing was a stale marker: the series ended.
    pub stale: bool,
}

impl Rollup {
    /// A window in which nothing has been yet.
    #[must_use]
    pub const fn empty(end: i64) -> Self {
        Self { end, floats: None, histograms: 0, stale: false }
    }

    /// Takes a float or a stale marker that is later than all before.
    #[inline]
    pub fn push(&mut self, ts: i64, value: f64) {
        self.stale = value.to_bits() == STALE_NAN_BITS;
        if self.stale {
            return;
        }
        match &mut self.floats {
            Some(run) => run.push(ts, value),
            None => self.floats = Some(FloatRun::of(ts, value)),
        }
    }

    /// Appends a window that must be later; the end stays.
    pub fn append(&mut self, next: &Self) {
        self.stale = next.stale || (self.stale && next.floats.is_none() && next.histograms == 0);
        self.histograms = self.histograms.saturating_add(next.histograms);
        match (&mut self.floats, &next.floats) {
            (Some(run), Some(next)) => run.append(next),
            (None, Some(next)) => self.floats = Some(*next),
            (_, None) => {}
        }
    }
}

/// Appends to `rollups` the windows of `width_ms` in which there are samples or stale markers, ascending; so must be
/// `ts`, which `values` belong to.
pub fn roll_up_floats(ts: &[i64], values: &[f64], width_ms: i64, rollups: &mut Vec<Rollup>) {
    let mut open: Option<Rollup> = None;
    for (ts, value) in ts.iter().zip(values) {
        if open.is_none_or(|rollup| rollup.end < *ts) {
            rollups.extend(open.replace(Rollup::empty(window_end(*ts, width_ms))));
        }
        if let Some(rollup) = &mut open {
            rollup.push(*ts, *value);
        }
    }
    rollups.extend(open);
}

/// Adds native histograms to `rollups`, which ascend by window: the time of each, ascending, and whether it is a stale
/// marker.
pub fn roll_up_histograms(
    histograms: impl Iterator<Item = (i64, bool)>,
    width_ms: i64,
    rollups: &mut Vec<Rollup>,
) {
    for (ts, is_stale) in histograms {
        let end = window_end(ts, width_ms);
        let at = rollups.partition_point(|rollup| rollup.end < end);
        if rollups.get(at).is_none_or(|rollup| rollup.end != end) {
            rollups.insert(at, Rollup::empty(end));
        }
        if let Some(rollup) = rollups.get_mut(at) {
            rollup.histograms = rollup.histograms.saturating_add(u32::from(!is_stale));
            if rollup.floats.is_none_or(|run| run.last_ts < ts) {
                rollup.stale = is_stale;
            }
        }
    }
}

/// Appends to `coarser` the windows of `width_ms` that consist of those of `finer`, ascending. The width must be a
/// multiple of theirs.
pub fn roll_up_rollups(finer: &[Rollup], width_ms: i64, coarser: &mut Vec<Rollup>) {
    let mut open: Option<Rollup> = None;
    for window in finer {
        if open.is_none_or(|rollup| rollup.end < window.end) {
            coarser.extend(open.replace(Rollup::empty(window_end(window.end, width_ms))));
        }
        if let Some(rollup) = &mut open {
            rollup.append(window);
        }
    }
    coarser.extend(open);
}
