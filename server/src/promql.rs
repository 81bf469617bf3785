//! PromQL as the server uses it: the query crate with the server's settings.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kymo_engine::Clock;
use kymo_query::{
    Error, ErrorKind, QueryResult, Source,
    promql::{Expr, ParserOptions},
};

use crate::store::Matchers;

/// Parses and evaluates PromQL.
#[derive(Debug)]
pub(crate) struct PromQl {
    options: ParserOptions,
}

/// What to evaluate, and when.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    pub(crate) expr: &'a str,
    pub(crate) times: Times,
    /// How far back a selector looks for a sample.
    pub(crate) lookback_ms: i64,
    /// Most samples to hold in memory.
    pub(crate) samples_max: usize,
}

/// Evaluation times, milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Times {
    Instant(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// Why a query has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The expression is wrong.
    Parse(Error),
    /// The expression is right, but cannot be evaluated.
    Evaluation(Error),
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
}

impl PromQl {
    pub(crate) fn new() -> Self {
        Self { options: ParserOptions::default() }
    }
}
