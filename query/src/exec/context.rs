//! What an evaluation carries with it.

use super::{Budget, Counters, EvalOptions, Grid, Notes, Series};
use parking_lot::Mutex;

use crate::{Error, ErrorKind, SelectedPart, SelectorRead, Source};

/// Text of the error for a query over its sample limit.
pub(crate) const TOO_MANY_SAMPLES: &str =
    "query processing would load too many samples into memory in query execution";

/// Why a query is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// It took too long.
    Timeout,
    /// Nobody waits for the answer.
    Canceled,
}

/// Asked now and then, from several threads, whether the query is to stop.
pub type InterruptCheck<'a> = &'a (dyn Fn() -> Option<Interrupt> + Sync);

/// What is the same for the whole query.
pub(crate) struct Shared<'a> {
    /// Where samples come from.
    pub(crate) source: &'a dyn Source,
    /// Switches.
    pub(crate) options: EvalOptions,
    /// How far back an instant selector looks, milliseconds.
    pub(crate) lookback: i64,
    /// Distance of steps in subqueries that do not say, milliseconds.
    pub(crate) subquery_interval: i64,
    /// Whether to stop.
    pub(crate) interrupt: Option<InterruptCheck<'a>>,
    /// Samples held.
    pub(crate) budget: Budget,
    /// What the selectors found, in the order in which they were asked.
    pub(crate) reads: Mutex<Vec<(String, Vec<SelectedPart>)>>,
}

impl Shared<'_> {
    /// What the selectors have read.
    pub(crate) fn selector_reads(&self) -> Vec<SelectorRead> {
        self.reads.lock().iter().map(|(selector, parts)| SelectorRead::of(selector, parts)).collect()
    }

    /// Fails when the query is to stop.
    pub(crate) fn check_interrupt(&self) -> Result<(), Error> {
        match self.interrupt.and_then(|check| check()) {
            None => Ok(()),
            Some(Interrupt::Timeout) => {
                Err(Error::new(ErrorKind::Timeout, "query timed out in expression evaluation"))
            }
            Some(Interrupt::Canceled) => {
                Err(Error::new(ErrorKind::Canceled, "query was canceled in expression evaluation"))
            }
        }
    }
}

/// Evaluates expressions at the times of one grid; a subquery gets an evaluator of its own.
pub(crate) struct Evaluator<'a> {
    /// The query.
    pub(crate) shared: &'a Shared<'a>,
    /// Evaluation times.
    pub(crate) grid: Grid,
    /// What was read.
    pub(crate) counters: Counters,
    /// Whether the order of elements is kept: see [`Self::is_instant`].
    is_instant: bool,
}

impl<'a> Evaluator<'a> {
    /// An evaluator for the times of `grid`.
    pub(crate) fn new(shared: &'a Shared<'a>, grid: Grid) -> Self {
        Self { shared, grid, counters: Counters::default(), is_instant: grid.steps == 1 }
    }

    /// This evaluator, of a query or subquery that asks for times up to `end`, whether there is a step or not.
    pub(crate) fn until(self, end: i64) -> Self {
        Self { is_instant: self.grid.start == end, ..self }
    }

    /// This evaluator, counting the samples of each step if `of_steps`.
    pub(crate) fn counting_steps(self, of_steps: bool) -> Self {
        Self { counters: Counters::new(of_steps), ..self }
    }

    /// Switches.
    pub(crate) const fn options(&self) -> EvalOptions {
        self.shared.options
    }

    /// Whether a single time was asked for, so that the order of elements is kept. A range in which there happens
    /// to be one step is none.
    pub(crate) const fn is_instant(&self) -> bool {
        self.is_instant
    }
}

/// The value of an expression over all steps.
#[derive(Debug)]
pub(crate) enum Evaluated {
    /// A value for each step.
    Scalar(Vec<f64>),
    /// A string.
    String(Vec<u8>),
    /// Series over the steps.
    Vector(Vec<Series>),
    /// Series with times of their own.
    Matrix(Vec<crate::MatrixSeries>),
}

/// Takes the series of a part of a result, in order.
pub(crate) type Consume<'c> = &'c mut dyn FnMut(Vec<Series>, &mut Notes) -> Result<(), Error>;

/// An error that says why the query cannot be answered.
pub(crate) fn execution(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Execution, message)
}

/// An error for what the parser or planner should have made impossible.
pub(crate) fn internal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, message)
}
