//! Functions over range vectors: a kernel over the window of each step.

use std::{cell::Cell, ops::Range};

use kymo_engine::{HistogramSample, Labels, SampleColumns, SummaryRequest, WindowGrid, is_stale};

use super::{
    Column, Evaluator, Grid, Note, Notes, Series,
    column::histogram_weight,
    condensed::{Condense, Condensed, condense},
    context::execution,
    counters::Tally,
    kernel::{Call, Extension, Seen, Stands, Window, WindowFunction, Windows},
    scan::{Outcome, Reach, Timing, count_until},
};
use crate::{Error, Need, Summaries, lang::promql::VectorSelector};

/// Endings of names that counters have by convention.
const COUNTER_SUFFIXES: [&[u8]; 4] = [b"_total", b"_sum", b"_count", b"_bucket"];

/// Windows shorter than this seldom contain a chunk, so nobody looks for one.
const SUMMARISED_RANGE_MIN_MS: i64 = 10 * 60_000;

/// Windows may be long and kernels slow, so a query has to notice an interrupt within a series.
const STEPS_BETWEEN_CHECKS: usize = 256;

/// A call of a function over a range vector, ready to be applied to series.
pub(crate) struct WindowCall<'a> {
    /// The function.
    pub(crate) function: WindowFunction,
    /// Facts about the call.
    pub(crate) call: Call<'a>,
    /// When the windows end.
    pub(crate) timing: Timing,
    /// Length of the windows, milliseconds.
    pub(crate) range: i64,
    /// Which samples beside those of the window are needed.
    pub(crate) extension: Extension,
    /// How far beyond the windows an extension goes, milliseconds.
    pub(crate) lookback: i64,
    /// The other arguments, a value per step each.
    pub(crate) scalars: Vec<Vec<f64>>,
    /// Whether the samples come from a subquery, where they were counted as read.
    pub(crate) from_subquery: bool,
    /// Samples held when the call began.
    pub(crate) held_before: usize,
}

/// The selector's extension.
pub(crate) const fn extension(selector: &VectorSelector) -> Extension {
    match (selector.anchored, selector.smoothed) {
        (true, _) => Extension::Anchored,
        (_, true) => Extension::Smoothed,
        _ => Extension::Plain,
    }
}

impl WindowCall<'_> {
    /// Fails when the function cannot be used with the selector's extension.
    pub(crate) fn check_extension(&self) -> Result<(), Error> {
        let (allowed, modifier, functions) = match self.extension {
            Extension::Plain => return Ok(()),
            Extension::Anchored => {
                (self.function.anchored, "anchored", "changes, delta, increase, rate, resets")
            }
            Extension::Smoothed => (self.function.smoothed, "smoothed", "delta, increase, rate"),
        };
        if allowed {
            return Ok(());
        }
        let name = self.call.name;
        Err(execution(format!("{modifier} modifier can only be used with: {functions} - not with {name}")))
    }

    /// How far around its time the selector looks.
    pub(crate) const fn reach(&self) -> Reach {
        match self.extension {
            Extension::Plain => Reach { before: self.range, after: 0 },
            Extension::Anchored => Reach { before: self.range + self.lookback, after: 0 },
            Extension::Smoothed => Reach { before: self.range + self.lookback, after: self.lookback },
        }
    }

    /// What need not be decoded of a series; `None` when the function has to see all samples.
    pub(crate) fn summary_request(&self) -> Option<SummaryRequest> {
        let (windows, condense) = self.condensed_windows()?;
        Some(SummaryRequest {
            windows,
            before_resets: condense == Condense::Counter,
            chunks: self.range >= SUMMARISED_RANGE_MIN_MS,
            after: i64::MIN,
            until: i64::MAX,
        })
    }

    /// What the function needs of the store.
    pub(crate) fn need(&self) -> Need {
        let needed = self.condensed_windows();
        needed.map_or(Need::Samples, |(grid, condense)| Need::Windows { grid, facts: condense.facts() })
    }

    /// The windows, and what may stand for the samples in them, if anything may.
    fn condensed_windows(&self) -> Option<(WindowGrid, Condense)> {
        let may = self.is_plain() && !self.with_starts();
        let condense = self.function.condense.filter(|_| may)?;
        let Grid { start, interval, steps } = self.call.grid;
        let first_end = self.timing.reference(start);
        Some((WindowGrid { first_end, interval, steps, range: self.range }, condense))
    }

    /// The function over all windows of one series, of which some parts may be there as `summaries`. Stale markers in
    /// `columns` are removed.
    pub(crate) fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        labels: &Labels,
        drop_name: bool,
        columns: &mut SampleColumns,
        summaries: &Summaries,
    ) -> Result<Outcome, Error> {
        drop_stale(columns);
        if !self.with_starts() {
            columns.start_ts.clear();
            columns.histograms.iter_mut().for_each(|sample| sample.start_ts = 0);
        }
        let weights = match self.function.condense {
            Some(to) if !summaries.is_empty() => Some(condense(columns, summaries, to)),
            _ => None,
        };
        let mut run = Run {
            evaluator,
            call: self,
            columns,
            weights: weights.as_ref(),
            metric_name: labels.metric_name(),
            notes: Notes::default(),
            column: Column::default(),
            tally: evaluator.counters.tally(self.call.grid),
            widest: 0,
        };
        match self.function.windows.filter(|_| self.can_run_at_once(columns)) {
            Some(windows) => run.all_windows(windows)?,
            None => run.each_window()?,
        }
        let Run { mut notes, column, mut tally, widest, metric_name, .. } = run;
        evaluator.shared.budget.probe(self.held_before, widest)?;
        evaluator.shared.budget.charge(column.weight())?;
        if self.function.expects_counter && column.floats().next().is_some() {
            self.note_non_counter(labels, metric_name, &mut notes);
        }
        let drop_name = drop_name || !self.function.keeps_name;
        let series = (!column.is_empty()).then(|| Series { labels: labels.clone(), drop_name, column });
        if self.from_subquery {
            tally.forget_read();
        }
        Ok(Outcome { series, notes, tally })
    }

    fn can_run_at_once(&self, columns: &SampleColumns) -> bool {
        columns.histograms.is_empty() && columns.start_ts.is_empty() && self.is_plain()
    }

    /// Whether the windows are nothing but the samples of a range, `offset` before each step.
    fn is_plain(&self) -> bool {
        self.scalars.is_empty()
            && self.extension == Extension::Plain
            && (self.timing.at.is_none() || self.call.grid.steps == 1)
    }

    /// How far the first window ends before its step.
    fn offset(&self) -> i64 {
        let start = self.call.grid.start;
        start - self.timing.reference(start)
    }

    /// Whether the function looks at start timestamps.
    const fn with_starts(&self) -> bool {
        self.function.start_timestamps && self.call.options.use_start_timestamps
    }

    fn note_non_counter(&self, labels: &Labels, metric_name: &[u8], notes: &mut Notes) {
        if metric_name.is_empty() {
            return;
        }
        let metric = metric_name.to_vec();
        let position = self.call.arg_position(0);
        if self.call.options.type_and_unit_labels {
            let type_label = labels.get(b"__type__");
            if type_label != b"counter" && type_label != b"histogram" {
                let type_label = type_label.to_vec();
                notes.add(position, Note::PossibleNonCounterLabel { metric, type_label });
            }
        } else if !COUNTER_SUFFIXES.iter().any(|suffix| metric_name.ends_with(suffix)) {
            notes.add(position, Note::PossibleNonCounter { metric });
        }
    }
}

/// The evaluation of a call over one series.
struct Run<'r, 'a> {
    evaluator: &'r Evaluator<'r>,
    call: &'r WindowCall<'a>,
    columns: &'r SampleColumns,
    /// What the samples stand for, if some stand for chunks.
    weights: Option<&'r Condensed>,
    metric_name: &'r [u8],
    notes: Notes,
    column: Column,
    tally: Tally,
    /// Weight of the heaviest window.
    widest: usize,
}

impl Run<'_, '_> {
    fn all_windows(&mut self, kernel: super::kernel::WindowsFn) -> Result<(), Error> {
        let seen = Cell::default();
        let windows = Windows {
            ts: &self.columns.ts,
            values: &self.columns.values,
            range: self.call.range,
            offset: self.call.offset(),
            call: &self.call.call,
            weights: self.weights.map(|weights| &weights.floats),
            seen: &seen,
        };
        kernel(&windows, &mut self.notes, &mut self.column)?;
        let Seen { queryable, read, widest } = seen.get();
        self.widest = widest;
        if self.tally.counts_steps() {
            return self.count_steps(&windows);
        }
        self.tally.add(0, queryable, read);
        Ok(())
    }

    /// Looks at all windows again: where steps are counted, which is seldom, and not by the kernels.
    fn count_steps(&mut self, windows: &Windows<'_>) -> Result<(), Error> {
        let mut counted = 0;
        windows.for_each(|step, window| {
            let read = windows.count(&(window.start.max(counted)..window.end));
            counted = window.end;
            self.tally.add(step, windows.count(&window) as u64, read as u64);
            Ok(())
        })
    }

    fn each_window(&mut self) -> Result<(), Error> {
        let WindowCall { call, timing, range, scalars, function, extension, .. } = self.call;
        let reach = self.call.reach();
        let mut scalars_at_step = vec![0.0; scalars.len()];
        let (mut floats, mut histograms) = (0..0, 0..0);
        let (mut floats_counted, mut histograms_counted) = (0, 0);
        for (step, time) in call.grid.times().enumerate() {
            if step % STEPS_BETWEEN_CHECKS == 0 {
                self.evaluator.shared.check_interrupt()?;
            }
            let end = timing.reference(time);
            let (oldest, newest) = (end - reach.before, end + reach.after);
            if oldest < newest {
                slide(&mut floats, &self.columns.ts, oldest, newest, |ts| *ts);
                slide(&mut histograms, &self.columns.histograms, oldest, newest, |sample| sample.ts);
            }
            if floats.is_empty() && histograms.is_empty() {
                continue;
            }
            for (scalar, column) in scalars_at_step.iter_mut().zip(scalars) {
                *scalar = column.get(step).copied().unwrap_or(f64::NAN);
            }
            let samples = &self.columns.histograms[histograms.clone()];
            let weights = self.weights;
            let weigh_floats =
                |window: Range<usize>| weights.map_or(window.len(), |weights| weights.floats.count(&window));
            let weigh = |window| weigh(self.columns, weights, window);
            self.count(step, floats.clone(), &mut floats_counted, weigh_floats);
            self.count(step, histograms.clone(), &mut histograms_counted, weigh);
            let weight = weigh_floats(floats.clone()) + weigh(histograms.clone());
            self.widest = self.widest.max(weight);
            let window = Window {
                ts: &self.columns.ts[floats.clone()],
                values: &self.columns.values[floats.clone()],
                start_ts: self.columns.start_ts.get(floats.clone()).unwrap_or_default(),
                histograms: samples,
                stands: weights.map(|of| Stands { of, float: floats.start, histogram: histograms.start }),
                start: end - range,
                end,
                time,
                scalars: &scalars_at_step,
                extension: *extension,
                metric_name: self.metric_name,
                call,
            };
            if let Some(sample) = (function.window)(&window, &mut self.notes)? {
                self.column.push(step, sample);
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        step: usize,
        window: Range<usize>,
        counted: &mut usize,
        weigh: impl Fn(Range<usize>) -> usize,
    ) {
        let queryable = weigh(window.clone()) as u64;
        let new = window.start.max(*counted)..window.end.max(*counted);
        *counted = new.end;
        self.tally.add(step, queryable, if new.is_empty() { 0 } else { weigh(new) as u64 });
    }
}

/// What the histograms of a window weigh, of which some may stand for others of about their size.
fn weigh(columns: &SampleColumns, weights: Option<&Condensed>, window: Range<usize>) -> usize {
    let weight = |(idx, sample): (usize, &HistogramSample)| {
        let count = weights.map_or(1, |weights| weights.histograms.count(&(idx..idx + 1)));
        count * histogram_weight(&sample.value)
    };
    (window.start..).zip(&columns.histograms[window]).map(weight).sum()
}

/// Moves `window` forward to the items in `(oldest, newest]`.
fn slide<T>(window: &mut Range<usize>, items: &[T], oldest: i64, newest: i64, time: impl Fn(&T) -> i64) {
    window.end += count_until(&items[window.end..], newest, &time);
    window.start += count_until(&items[window.start..window.end], oldest, &time);
}

/// Removes stale markers: a range vector does not see them.
pub(crate) fn drop_stale(columns: &mut SampleColumns) {
    columns.histograms.retain(|sample| !is_stale(sample.value.sum));
    if !columns.values.iter().any(|value| is_stale(*value)) {
        return;
    }
    let mut kept = 0;
    for idx in 0..columns.values.len() {
        if is_stale(columns.values[idx]) {
            continue;
        }
        columns.values[kept] = columns.values[idx];
        columns.ts[kept] = columns.ts[idx];
        if let Some(start_ts) = columns.start_ts.get(idx).copied() {
            columns.start_ts[kept] = start_ts;
        }
        kept += 1;
    }
    columns.values.truncate(kept);
    columns.ts.truncate(kept);
    columns.start_ts.truncate(kept);
}

#[cfg(test)]
mod tests {
    use kymo_engine::stale_nan;

    use super::*;

    #[test]
    fn stale_markers_leave_all_columns() {
        let mut columns = SampleColumns {
            ts: vec![1, 2, 3],
            values: vec![1.0, stale_nan(), 3.0],
            start_ts: vec![10, 20, 30],
            histograms: Vec::new(),
        };
        drop_stale(&mut columns);
        assert_eq!(
            (columns.ts, columns.values, columns.start_ts),
            (vec![1, 3], vec![1.0, 3.0], vec![10, 30])
        );
    }

    #[test]
    fn windows_are_open_on_the_left() {
        let times = [10, 20, 30, 40];
        let mut window = 0..0;
        slide(&mut window, &times, 10, 30, |ts| *ts);
        assert_eq!(window, 1..3);
        slide(&mut window, &times, 40, 60, |ts| *ts);
        assert!(window.is_empty());
    }
}
