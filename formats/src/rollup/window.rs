//! Windows of time, and the rollup of one series in one of them.

use std::sync::Arc;

use super::{FloatRun, HistogramRun};
use crate::histogram::{FloatHistogram, STALE_NAN_BITS, algebra::same_data};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Rollup {
    /// End of the window, milliseconds, inclusive.
    pub end: i64,
    /// Its floats; none if it had no more than a stale marker.
    pub floats: Option<FloatRun>,
    /// Number of native histograms.
    pub histograms: u32,
    /// Its native histograms; none if it had none, or if a table keeps no more than their number.
    pub states: Option<Arc<HistogramRun>>,
    /// What happened between samples of both kinds together; none if it had no more than one kind, or if that is not
    /// known.
    pub together: Option<Events>,
    /// Whether the last thing was a stale marker: the series ended.
    pub stale: bool,
}

/// What happened between samples that follow each other. Between a float and a histogram there is always both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Resets.
    pub resets: u32,
    /// Changes.
    pub changes: u32,
}

impl Events {
    const BOTH: Self = Self { resets: 1, changes: 1 };

    fn add(self, other: Self) -> Self {
        let Self { resets, changes } = other;
        Self { resets: self.resets.saturating_add(resets), changes: self.changes.saturating_add(changes) }
    }
}

/// The sample at one end of a window.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

impl End<'_> {
    /// What happens from this sample to the next one.
    #[expect(clippy::float_cmp, reason = "another value, however near, is a change")]
    fn to(self, next: End<'_>) -> Events {
        let (is_reset, is_change) = match (self, next) {
            (Self::Float(last), End::Float(next)) => {
                (next < last, next != last && !(next.is_nan() && last.is_nan()))
            }
            (Self::Histogram(last), End::Histogram(next)) => {
                (next.detect_reset(last), !same_data(next, last))
            }
            _ => return Events::BOTH,
        };
        Events { resets: u32::from(is_reset), changes: u32::from(is_change) }
    }
}

impl Rollup {
    /// A window in which nothing has been yet.
    #[must_use]
    pub const fn empty(end: i64) -> Self {
        Self { end, floats: None, histograms: 0, states: None, together: None, stale: false }
    }

    /// A window of one float or stale marker.
    fn of_float(end: i64, ts: i64, value: f64) -> Self {
        let mut window = Self::empty(end);
        window.push(ts, value);
        window
    }

    /// Samples of both kinds.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.floats.map_or(0, |run| run.count).saturating_add(self.histograms)
    }

    /// Takes a float or a stale marker that is later than all before.
    #[inline]
    pub fn push(&mut self, ts: i64, value: f64) {
        if self.histograms > 0 {
            return self.append(&Self::of_float(self.end, ts, value));
        }
        self.stale = value.to_bits() == STALE_NAN_BITS;
        if self.stale {
            return;
        }
        match &mut self.floats {
            Some(run) => run.push(ts, value),
            None => self.floats = Some(FloatRun::of(ts, value)),
        }
    }

    /// Takes a native histogram or a stale marker that is later than all before.
    pub fn push_histogram(&mut self, ts: i64, state: &Arc<FloatHistogram>) {
        if state.is_stale() {
            self.stale = true;
        } else if let (None, Some(states)) = (self.floats, &mut self.states) {
            Arc::make_mut(states).push(ts, state);
            self.histograms = self.histograms.saturating_add(1);
            self.stale = false;
        } else {
            let states = Some(Arc::new(HistogramRun::of(ts, state)));
            self.append(&Self { histograms: 1, states, ..Self::empty(self.end) });
        }
    }

    /// Appends a window that must be later; the end stays.
    pub fn append(&mut self, next: &Self) {
        self.stale = next.stale || (self.stale && next.samples() == 0);
        self.together = self.events_with(next);
        match (&mut self.states, &next.states) {
            (Some(states), Some(next)) => Arc::make_mut(states).append(next),
            (None, Some(next)) if self.histograms == 0 => self.states = Some(Arc::clone(next)),
            (_, Some(_)) => self.states = None,
            (_, None) if next.histograms > 0 => self.states = None,
            (_, None) => {}
        }
        self.histograms = self.histograms.saturating_add(next.histograms);
        match (&mut self.floats, &next.floats) {
            (Some(run), Some(next)) => run.append(next),
            (None, Some(next)) => self.floats = Some(*next),
            (_, None) => {}
        }
    }

    /// What happens in this window and the next one together, if there are both kinds of samples then.
    fn events_with(&self, next: &Self) -> Option<Events> {
        let has_floats = self.floats.is_some() || next.floats.is_some();
        if !has_floats || (self.histograms == 0 && next.histograms == 0) {
            return None;
        }
        if self.samples() == 0 || next.samples() == 0 {
            return self.together.or(next.together);
        }
        Some(self.events()?.add(self.last()?.to(next.first()?)).add(next.events()?))
    }

    /// What happens between the samples, of which there are some.
    fn events(&self) -> Option<Events> {
        match (&self.floats, self.histograms) {
            (Some(_), 1..) => self.together,
            (Some(run), 0) => Some(Events { resets: run.resets, changes: run.changes }),
            (None, _) => self.states.as_ref().map(|run| Events { resets: run.resets, changes: run.changes }),
        }
    }

    fn first(&self) -> Option<End<'_>> {
        let states = if self.histograms == 0 { None } else { Some(self.states.as_ref()?) };
        match (&self.floats, states) {
            (Some(floats), Some(states)) if states.first_ts < floats.first_ts => {
                Some(End::Histogram(&states.first))
            }
            (Some(floats), _) => Some(End::Float(floats.first)),
            (None, states) => states.map(|states| End::Histogram(&states.first)),
        }
    }

    fn last(&self) -> Option<End<'_>> {
        let states = if self.histograms == 0 { None } else { Some(self.states.as_ref()?) };
        match (&self.floats, states) {
            (Some(floats), Some(states)) if floats.last_ts < states.last_ts => {
                Some(End::Histogram(&states.last))
            }
            (Some(floats), _) => Some(End::Float(floats.last)),
            (None, states) => states.map(|states| End::Histogram(&states.last)),
        }
    }
}

/// Appends to `rollups` the windows of `width_ms` in which there are samples or stale markers, ascending; so must be
/// `ts`, which `values` belong to.
pub fn roll_up_floats(ts: &[i64], values: &[f64], width_ms: i64, rollups: &mut Vec<Rollup>) {
    let mut open: Option<Rollup> = None;
    for (ts, value) in ts.iter().zip(values) {
        if open.as_ref().is_none_or(|rollup| rollup.end < *ts) {
            rollups.extend(open.replace(Rollup::empty(window_end(*ts, width_ms))));
        }
        if let Some(rollup) = &mut open {
            rollup.push(*ts, *value);
        }
    }
    rollups.extend(open);
}

/// As [`roll_up_floats`], of a series that has native histograms or stale markers in their form, too: with the time of
/// each, ascending, none of them that of a float.
pub fn roll_up_samples(
    ts: &[i64],
    values: &[f64],
    histograms: &[(i64, Arc<FloatHistogram>)],
    width_ms: i64,
    rollups: &mut Vec<Rollup>,
) {
    if histograms.is_empty() {
        return roll_up_floats(ts, values, width_ms, rollups);
    }
    let mut floats = ts.iter().zip(values).peekable();
    let mut histograms = histograms.iter().peekable();
    let mut open: Option<Rollup> = None;
    loop {
        let (float, histogram) = (floats.peek().map(|(ts, _)| **ts), histograms.peek().map(|it| it.0));
        let Some(ts) = float.into_iter().chain(histogram).min() else { break };
        if open.as_ref().is_none_or(|rollup| rollup.end < ts) {
            rollups.extend(open.replace(Rollup::empty(window_end(ts, width_ms))));
        }
        let Some(rollup) = &mut open else { break };
        if float == Some(ts) {
            floats.next().into_iter().for_each(|(ts, value)| rollup.push(*ts, *value));
        } else {
            histograms.next().into_iter().for_each(|(ts, state)| rollup.push_histogram(*ts, state));
        }
    }
    rollups.extend(open);
}

/// Appends to `coarser` the windows of `width_ms` that consist of those of `finer`, ascending. The width must be a
/// multiple of theirs.
pub fn roll_up_rollups(finer: &[Rollup], width_ms: i64, coarser: &mut Vec<Rollup>) {
    let mut open: Option<Rollup> = None;
    for window in finer {
        if open.as_ref().is_none_or(|rollup| rollup.end < window.end) {
            coarser.extend(open.replace(Rollup::empty(window_end(window.end, width_ms))));
        }
        if let Some(rollup) = &mut open {
            rollup.append(window);
        }
    }
    coarser.extend(open);
}
