//! PromQL as the server uses it: the query crate with the server's settings.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kymo_engine::{Clock, Matcher};
use kymo_query::{
    EngineOptions, Error, Interrupt, QueryEngine, QueryOptions, QueryResult, Source,
    promql::{self, Expr, ParseErrors},
};

/// Conditions that a series must all satisfy; a request may have several such sets.
pub(crate) type Matchers = Vec<Matcher>;

/// What to evaluate, and when.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    pub(crate) expr: &'a str,
    pub(crate) times: Times,
    /// How far back a selector looks for a sample.
    pub(crate) lookback_ms: i64,
    /// How to parse and evaluate.
    pub(crate) options: EngineOptions,
    /// Whether to count the samples of each step.
    pub(crate) per_step_stats: bool,
}

/// Evaluation times, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Instant(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// Tells a query to end.
#[derive(Debug)]
pub(crate) struct Interruption {
    canceled: Arc<AtomicBool>,
    deadline_nanos: u64,
    clock: Arc<dyn Clock>,
}

impl Interruption {
    /// Ends the query at `deadline_nanos` of the monotonic clock, or when `canceled` is set.
    pub(crate) fn new(canceled: Arc<AtomicBool>, deadline_nanos: u64, clock: Arc<dyn Clock>) -> Self {
        Self { canceled, deadline_nanos, clock }
    }

    fn check(&self) -> Option<Interrupt> {
        if self.canceled.load(Ordering::Relaxed) {
            return Some(Interrupt::Canceled);
        }
        (self.clock.monotonic_nanos() > self.deadline_nanos).then_some(Interrupt::Timeout)
    }
}

impl Evaluation<'_> {
    /// The answer of `source`. An error of the kind `Invalid` means that the expression is wrong.
    pub(crate) fn run(&self, source: &dyn Source, interruption: &Interruption) -> Result<QueryResult, Error> {
        let engine = QueryEngine::new(self.options);
        let interrupt = || interruption.check();
        let options = QueryOptions {
            lookback_ms: Some(self.lookback_ms),
            per_step_stats: self.per_step_stats,
            interrupt: Some(&interrupt),
        };
        match self.times {
            Times::Instant(ts) => engine.instant(source, self.expr, ts, &options),
            Times::Range { start, end, step } => engine.range(source, self.expr, start, end, step, &options),
        }
    }
}

/// The expression in `text`.
pub(crate) fn parse(text: &str, options: &EngineOptions) -> Result<Expr, ParseErrors> {
    promql::parse(text, &options.parser)
}

/// The conditions of the series selector in `text`.
pub(crate) fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    promql::parse_selector(text)
}
