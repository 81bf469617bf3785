//! Runs queries: from text to result.

use super::{
    EvalOptions, Grid, Notes, Series,
    budget::Budget,
    context::{Evaluated, Evaluator, InterruptCheck, Shared, internal},
    finish::{drop_flagged_names, merge_same_labels},
    matrix::to_matrix,
};
use crate::{
    Error, ErrorKind, MatrixSeries, Point, QueryResult, QueryStats, SampleCounts, Source, Value,
    VectorSample,
    lang::promql::{Expr, ParserOptions, QueryRange, ValueType, lower, parse},
};

/// How queries are parsed and evaluated. The defaults are upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Parts of the language.
    pub parser: ParserOptions,
    /// Switches of evaluation.
    pub eval: EvalOptions,
    /// How far back an instant selector looks, milliseconds.
    pub lookback_ms: i64,
    /// Distance of steps in subqueries that do not say, milliseconds.
    pub subquery_interval_ms: i64,
    /// Most samples that a query may hold at once.
    pub samples_max: usize,
    /// Most memory that a query may take, bytes: samples, labels, what is selected, decoded chunks.
    pub memory_bytes_max: u64,
    /// Most warnings, and most infos, in an answer; 0 = no limit.
    pub annotations_max: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            parser: ParserOptions::default(),
            eval: EvalOptions::default(),
            lookback_ms: 300_000,
            subquery_interval_ms: 60_000,
            samples_max: 50_000_000,
            memory_bytes_max: 2 << 30,
            annotations_max: 10,
        }
    }
}

/// What a single query asks for beside its text.
#[derive(Clone, Copy, Default)]
pub struct QueryOptions<'a> {
    /// Replaces [`EngineOptions::lookback_ms`].
    pub lookback_ms: Option<i64>,
    /// Counts the samples of each step, if [`EvalOptions::per_step_stats`] allows it.
    pub per_step_stats: bool,
    /// Asked now and then whether to stop: because of a deadline, or because the client left.
    pub interrupt: Option<InterruptCheck<'a>>,
}

impl std::fmt::Debug for QueryOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryOptions").field("lookback_ms", &self.lookback_ms).finish_non_exhaustive()
    }
}

/// Evaluates PromQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryEngine {
    options: EngineOptions,
}

impl QueryEngine {
    /// An engine with these options.
    #[must_use]
    pub const fn new(options: EngineOptions) -> Self {
        Self { options }
    }

    /// The options.
    #[must_use]
    pub const fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates `query` at the time `ts`, milliseconds.
    ///
    /// # Errors
    /// When the query does not parse, asks for too much, is interrupted, or storage fails.
    pub fn instant(
        &self,
        source: &dyn Source,
        query: &str,
        ts: i64,
        options: &QueryOptions<'_>,
    ) -> Result<QueryResult, Error> {
        let expr = parse(query, &self.options.parser)?;
        let expr = lower(expr, &QueryRange { start: ts, end: ts, step: 0 })?;
        let grid = (Grid::instant(ts), ts);
        self.run(source, query, &expr, grid, options, |value| finish_instant(value, &expr, ts))
    }

    /// Evaluates `query` every `step` milliseconds from `start` to `end`.
    ///
    /// # Errors
    /// As [`Self::instant`]; and when the query is a string or range vector, or the step is not positive.
    pub fn range(
        &self,
        source: &dyn Source,
        query: &str,
        start: i64,
        end: i64,
        step: i64,
        options: &QueryOptions<'_>,
    ) -> Result<QueryResult, Error> {
        if step <= 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        let expr = parse(query, &self.options.parser)?;
        let value_type = expr.value_type();
        if !matches!(value_type, ValueType::Vector | ValueType::Scalar) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                    value_type.documented()
                ),
            ));
        }
        let expr = lower(expr, &QueryRange { start, end, step })?;
        let grid = Grid::new(start, end, step);
        self.run(source, query, &expr, (grid, end), options, |value| finish_range(value, grid))
    }

    fn run(
        &self,
        source: &dyn Source,
        query: &str,
        expr: &Expr,
        (grid, end): (Grid, i64),
        options: &QueryOptions<'_>,
        finish: impl FnOnce(Evaluated) -> Result<Value, Error>,
    ) -> Result<QueryResult, Error> {
        let shared = Shared {
            source,
            options: self.options.eval,
            lookback: options.lookback_ms.unwrap_or(self.options.lookback_ms),
            subquery_interval: self.options.subquery_interval_ms,
            interrupt: options.interrupt,
            budget: Budget::new(self.options.samples_max, self.options.memory_bytes_max),
            reads: Default::default(),
        };
        let per_step = options.per_step_stats && self.options.eval.per_step_stats;
        let evaluator = Evaluator::new(&shared, grid).until(end).counting_steps(per_step);
        let mut notes = Notes::default();
        let mut value = evaluator.eval(expr, &mut notes)?;
        if let (Evaluated::Vector(series), true) = (&mut value, self.options.eval.delayed_name_removal) {
            drop_flagged_names(series);
            *series = merge_same_labels(std::mem::take(series))?;
        }
        let value = finish(value)?;
        let (warnings, infos) = notes.into_texts(query.as_bytes(), self.options.annotations_max);
        let stats = QueryStats {
            samples: evaluator.counters.total(),
            samples_per_step: if per_step { steps(&evaluator) } else { Vec::new() },
            peak_samples: shared.budget.peak() as u64,
            peak_bytes: shared.budget.memory().peak(),
            selectors: shared.selector_reads(),
        };
        Ok(QueryResult { value, warnings, infos, stats })
    }
}

/// The samples of every step, also of those at the end that have none.
fn steps(evaluator: &Evaluator<'_>) -> Vec<SampleCounts> {
    let mut steps = evaluator.counters.steps();
    steps.resize(evaluator.grid.steps, SampleCounts::default());
    steps
}

fn finish_instant(value: Evaluated, expr: &Expr, ts: i64) -> Result<Value, Error> {
    Ok(match value {
        Evaluated::Scalar(values) => {
            let value = values.first().copied().ok_or_else(|| internal(format!("no value of {expr:?}")))?;
            Value::Scalar(Point { ts, value })
        }
        Evaluated::String(value) => Value::String { ts, value },
        Evaluated::Vector(series) => {
            Value::Vector(series.into_iter().filter_map(|series| sample(series, ts)).collect())
        }
        Evaluated::Matrix(mut series) => {
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            Value::Matrix(series)
        }
    })
}

fn sample(series: Series, ts: i64) -> Option<VectorSample> {
    // Merged series may have both at the one step; then upstream shows the histogram.
    let (value, histogram) = match series.column.histogram(0) {
        Some(histogram) => (0.0, Some(std::sync::Arc::clone(histogram))),
        None => (series.column.float(0)?, None),
    };
    Some(VectorSample { labels: series.labels, ts, value, histogram })
}

fn finish_range(value: Evaluated, grid: Grid) -> Result<Value, Error> {
    let mut series: Vec<MatrixSeries> = match value {
        Evaluated::Scalar(values) => {
            let column = super::Column::from_floats(values);
            vec![to_matrix(&Series { column, ..Series::default() }, grid)]
        }
        // One by one, so that not all samples are there twice.
        Evaluated::Vector(series) => series.into_iter().map(|series| to_matrix(&series, grid)).collect(),
        other => return Err(internal(format!("a range query gave {}", other.type_name()))),
    };
    series.retain(|series| !series.floats.is_empty() || !series.histograms.is_empty());
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Value::Matrix(series))
}
