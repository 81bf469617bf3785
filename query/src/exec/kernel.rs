//! What a function is to the executor: a kernel, and the facts about when and how to call it.
//!
//! `functions` holds one table of [`Function`]s; the executor never asks for a function's name where a fact
//! in the table can tell.

use std::{cell::Cell, ops::Range};

use kymo_engine::HistogramSample;
use kymo_formats::histogram::FloatHistogram;

use super::{
    Column, EvalOptions, Grid, Notes, Sample, Series,
    condensed::{Condense, Condensed, Weights},
};
use crate::Error;

/// How the executor calls a function.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    /// Over the samples of a range vector, once per step.
    Window(WindowFunction),
    /// Float to float, element by element: histograms are left out, the name is dropped. One argument.
    Map(fn(f64) -> f64),
    /// Like [`Function::Map`], with the scalars of the further arguments at this step; `None` leaves the
    /// element out. Optional arguments that were not given are not in the slice.
    MapWithScalars(fn(f64, &[f64]) -> Option<f64>),
    /// Histogram to float, element by element: floats are left out, the name is dropped. One argument.
    HistogramMap(fn(&FloatHistogram) -> f64),
    /// Scalars to scalar at one step, which is `time` in milliseconds.
    Scalar(fn(time: i64, args: &[f64]) -> f64),
    /// Whole vectors to a vector, over all steps.
    Vector(VectorFn),
}

/// A function over a range vector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowFunction {
    /// The kernel for one step. Where `condense` is set it must do with samples that stand for others.
    pub(crate) window: WindowFn,
    /// The kernel for all steps at once, called instead of `window` when the series has floats only, the
    /// selector is plain, start timestamps are off and the call has no scalars. Must answer the same.
    pub(crate) windows: Option<WindowsFn>,
    /// What may stand for a chunk when `windows` is called, if anything may.
    pub(crate) condense: Option<Condense>,
    /// Whether the result keeps the metric's name.
    pub(crate) keeps_name: bool,
    /// Whether the kernel looks at start timestamps when they are switched on.
    pub(crate) start_timestamps: bool,
    /// Whether the input should be a counter, so that its name is checked.
    pub(crate) expects_counter: bool,
    /// Whether `anchored` may be used.
    pub(crate) anchored: bool,
    /// Whether `smoothed` may be used.
    pub(crate) smoothed: bool,
}

impl WindowFunction {
    /// A function that drops the name and has no special wishes.
    pub(crate) const fn new(window: WindowFn) -> Self {
        Self {
            window,
            windows: None,
            condense: None,
            keeps_name: false,
            start_timestamps: false,
            expects_counter: false,
            anchored: false,
            smoothed: false,
        }
    }
}

/// See [`WindowFunction::window`]. Called only with at least one sample. An error ends the query.
pub(crate) type WindowFn = fn(&Window<'_>, &mut Notes) -> Result<Option<Sample>, Error>;

/// See [`WindowFunction::windows`]. Appends to the column the floats of the steps that have a result.
pub(crate) type WindowsFn = fn(&Windows<'_>, &mut Notes, &mut Column) -> Result<(), Error>;

/// See [`Function::Vector`]. Where the result depends on the order of elements (instant queries only) that
/// is the order of the series. Series without any sample may be returned.
pub(crate) type VectorFn = fn(Vec<Argument>, &Call<'_>, &mut Notes) -> Result<Vec<Series>, Error>;

/// Which samples beside those in the range a range selector asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Extension {
    /// None.
    #[default]
    Plain,
    /// Those up to the lookback before the range.
    Anchored,
    /// Those up to the lookback before and after the range.
    Smoothed,
}

/// The facts about one call that are the same for all series and steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Name of the function.
    pub(crate) name: &'a str,
    /// Evaluation times.
    pub(crate) grid: Grid,
    /// Switches.
    pub(crate) options: EvalOptions,
    /// Where the call starts in the query, in bytes.
    pub(crate) position: usize,
    /// Where the arguments start, in order.
    pub(crate) arg_positions: &'a [usize],
    /// Which argument is the range vector; without meaning in other calls.
    pub(crate) matrix_arg: usize,
}

impl Call<'_> {
    /// Where argument `arg` starts; the call's own position when there is no such argument.
    pub(crate) fn arg_position(&self, arg: usize) -> usize {
        self.arg_positions.get(arg).copied().unwrap_or(self.position)
    }

    /// Where the range vector starts.
    pub(crate) fn matrix_position(&self) -> usize {
        self.arg_position(self.matrix_arg)
    }
}

/// The samples of one series in the range of one step, stale markers left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// Times of the floats.
    pub(crate) ts: &'a [i64],
    /// Floats.
    pub(crate) values: &'a [f64],
    /// Start timestamps of the floats, 0 = unknown: as long as `ts`, or empty when none is known or they
    /// are switched off.
    pub(crate) start_ts: &'a [i64],
    /// Histograms. Their `start_ts` is 0 when start timestamps are switched off.
    pub(crate) histograms: &'a [HistogramSample],
    /// What these samples stand for; `None` when all are just themselves.
    pub(crate) stands: Option<Stands<'a>>,
    /// The range is `(start, end]`, offset included; with an extension the samples reach beyond it.
    pub(crate) start: i64,
    /// See `start`.
    pub(crate) end: i64,
    /// The time of the step.
    pub(crate) time: i64,
    /// The scalar arguments at this step, in order.
    pub(crate) scalars: &'a [f64],
    /// Which samples beside those of the range are there.
    pub(crate) extension: Extension,
    /// Name of the series' metric, for annotations.
    pub(crate) metric_name: &'a [u8],
    /// The call.
    pub(crate) call: &'a Call<'a>,
}

/// What the samples of a window stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stands<'a> {
    /// Of all samples of the series.
    pub(crate) of: &'a Condensed,
    /// Index of the window's first float among them.
    pub(crate) float: usize,
    /// Index of its first histogram.
    pub(crate) histogram: usize,
}

impl Window<'_> {
    /// How many samples the floats of `range`, counted from the window's first, stand for.
    pub(crate) fn float_count(&self, range: Range<usize>) -> usize {
        self.stands.map_or(range.len(), |stands| {
            stands.of.floats.count(&(stands.float + range.start..stands.float + range.end))
        })
    }

    /// As [`Self::float_count`], of histograms.
    pub(crate) fn histogram_count(&self, range: Range<usize>) -> usize {
        self.stands.map_or(range.len(), |stands| {
            stands.of.histograms.count(&(stands.histogram + range.start..stands.histogram + range.end))
        })
    }

    /// What happened before float `idx` of the window, and is not to be found out by comparing it.
    pub(crate) fn float_event(&self, idx: usize) -> Option<u32> {
        self.stands.and_then(|stands| stands.of.floats.event(stands.float + idx))
    }

    /// As [`Self::float_event`], of histogram `idx`.
    pub(crate) fn histogram_event(&self, idx: usize) -> Option<u32> {
        self.stands.and_then(|stands| stands.of.histograms.event(stands.histogram + idx))
    }

    /// Length of the range in seconds.
    pub(crate) fn range_seconds(&self) -> f64 {
        (self.end - self.start) as f64 / 1000.0
    }
}

/// All floats of one series, for the windows of all steps. Some may stand for a whole chunk, as the function's
/// [`Condense`] says.
///
/// The window of the step at time `t` is `(t - offset - range, t - offset]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows<'a> {
    /// Times.
    pub(crate) ts: &'a [i64],
    /// Values.
    pub(crate) values: &'a [f64],
    /// Length of the range, milliseconds.
    pub(crate) range: i64,
    /// Distance of the window's end before the step, milliseconds.
    pub(crate) offset: i64,
    /// The call.
    pub(crate) call: &'a Call<'a>,
    /// How many samples each of them stands for; `None` when all are just themselves.
    pub(crate) weights: Option<&'a Weights>,
    /// What the windows held, for statistics and limits.
    pub(crate) seen: &'a Cell<Seen>,
}

/// What the windows of one series held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Samples, once per window.
    pub(crate) queryable: u64,
    /// Samples, each once.
    pub(crate) read: u64,
    /// Samples of the window with the most.
    pub(crate) widest: usize,
}

impl Windows<'_> {
    /// How many samples those of `range` stand for.
    #[inline]
    pub(crate) fn count(&self, range: &Range<usize>) -> usize {
        self.weights.map_or(range.len(), |weights| weights.count(range))
    }

    /// Calls `visit` for each step whose window has samples, with the step and the window's index range. Each kernel
    /// does this once: samples are counted here.
    pub(crate) fn for_each(
        &self,
        mut visit: impl FnMut(usize, Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut from, mut to) = (0, 0);
        let (mut seen, mut counted) = (Seen::default(), 0);
        for (step, time) in self.call.grid.times().enumerate() {
            let end = time - self.offset;
            while to < self.ts.len() && self.ts[to] <= end {
                to += 1;
            }
            while from < to && self.ts[from] <= end - self.range {
                from += 1;
            }
            if from < to {
                let count = self.count(&(from..to));
                seen.queryable += count as u64;
                seen.read += self.count(&(from.max(counted)..to)) as u64;
                seen.widest = seen.widest.max(count);
                counted = to;
                visit(step, from..to)?;
            }
        }
        self.seen.set(seen);
        Ok(())
    }
}

/// An evaluated argument of a [`VectorFn`].
#[derive(Debug)]
pub(crate) enum Argument {
    /// An instant vector.
    Vector(Vec<Series>),
    /// A scalar: a value for each step.
    Scalar(Vec<f64>),
    /// A string.
    String(Vec<u8>),
}
