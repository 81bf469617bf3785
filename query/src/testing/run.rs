//! Executes the commands of a script.

use super::{
    TestStorage,
    compare::check_sorted,
    eval::Eval,
    script::{self, Command},
    variants,
};
use crate::{
    EngineOptions, EvalOptions, QueryEngine, QueryOptions, QueryResult, Value, VectorSample,
    lang::promql::ParserOptions,
};

/// What came of a script.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of evaluations.
    pub cases: usize,
    /// Those that did not answer as expected.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Evaluations that answered as expected.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.cases - self.failures.len()
    }
}

/// An evaluation that did not answer as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Line of the script, from 1.
    pub line: usize,
    /// The query.
    pub query: String,
    /// What is wrong.
    pub reason: String,
}

/// The options under which Prometheus runs its acceptance scripts: everything experimental is on.
#[must_use]
pub fn acceptance_options() -> EngineOptions {
    EngineOptions {
        parser: ParserOptions::ALL,
        eval: EvalOptions {
            delayed_name_removal: true,
            use_start_timestamps: true,
            ..EvalOptions::default()
        },
        samples_max: 10_000,
        annotations_max: 0,
        ..EngineOptions::default()
    }
}

/// Runs a script; `open` gives it empty storage, at the start and for each `clear`.
///
/// # Errors
/// When the script is not one. Nothing is run then.
pub fn run_script(
    text: &str,
    engine: &QueryEngine,
    open: &mut dyn FnMut() -> Box<dyn TestStorage>,
) -> Result<Report, String> {
    let commands = script::parse(text)?;
    let mut report = Report::default();
    let mut storage = open();
    let mut broken: Option<String> = None;
    for command in commands {
        match command.command {
            Command::Clear => storage = open(),
            Command::Load(load) => {
                if let Err(error) = load.series().and_then(|series| storage.append(series)) {
                    broken.get_or_insert(format!("load on line {} failed: {error}", command.line));
                }
            }
            Command::Eval(eval) => {
                report.cases += 1;
                let outcome = match &broken {
                    Some(reason) => Err(reason.clone()),
                    None => Runner { engine, storage: &*storage, eval: &eval }.run(),
                };
                if let Err(reason) = outcome {
                    report.failures.push(Failure { line: command.line, query: eval.expr.clone(), reason });
                }
            }
        }
    }
    match (report.cases, broken) {
        // Without an evaluation nobody would hear of a load that failed.
        (0, Some(reason)) => Err(reason),
        _ => Ok(report),
    }
}

/// Executes one `eval`.
struct Runner<'r> {
    engine: &'r QueryEngine,
    storage: &'r dyn TestStorage,
    eval: &'r Eval,
}

impl Runner<'_> {
    fn run(&self) -> Result<(), String> {
        let Some(at) = self.eval.instant else {
            return self.run_range();
        };
        self.run_instant(&self.eval.expr, at)?;
        if let Some((query, times)) = variants::fixed(&self.eval.expr, at)? {
            for time in times {
                self.run_instant(&query, time)
                    .map_err(|error| format!("as {query} at {time} ms: {error}"))?;
            }
        }
        Ok(())
    }

    fn range(&self, query: &str, start: i64, end: i64, step: i64) -> Result<QueryResult, crate::Error> {
        self.engine.range(self.storage.source(), query, start, end, step, &QueryOptions::default())
    }

    fn run_range(&self) -> Result<(), String> {
        let times = self.eval.times;
        match self.range(&self.eval.expr, times.start, times.end, times.step) {
            Err(error) => self.eval.check_error(&error),
            Ok(_) if self.eval.fails() => Err("expected error but got none".to_owned()),
            Ok(result) => {
                self.eval.check_annotations(&result)?;
                self.eval.compare(&result.value)
            }
        }
    }

    fn run_instant(&self, query: &str, at: i64) -> Result<(), String> {
        let outcome = self.engine.instant(self.storage.source(), query, at, &QueryOptions::default());
        let result = match outcome {
            Err(error) => return self.eval.check_error(&error),
            Ok(_) if self.eval.fails() => return Err("expected error but got none".to_owned()),
            Ok(result) => result,
        };
        self.eval.check_annotations(&result)?;
        self.eval.compare(&result.value)?;
        // These are different in a range query.
        let depends_on_range =
            ["start()", "end()", "range()", "step()"].iter().any(|function| query.contains(function));
        if !self.eval.also_as_range || depends_on_range {
            return Ok(());
        }
        self.run_as_range(query, at, &result.value).map_err(|error| format!("as range query: {error}"))
    }

    /// The middle step of a range query must be what the instant query answered.
    fn run_as_range(&self, query: &str, at: i64, instant: &Value) -> Result<(), String> {
        let result =
            self.range(query, at - 60_000, at + 60_000, 60_000).map_err(|error| error.to_string())?;
        if self.eval.is_ordered() {
            return Ok(());
        }
        let Value::Matrix(matrix) = result.value else {
            return Err("a range query must return a matrix".to_owned());
        };
        check_sorted(&matrix)?;
        let mut samples = Vec::new();
        for series in &matrix {
            let labels = || series.labels.clone();
            if let Some(point) = series.floats.iter().find(|point| point.ts == at) {
                samples.push(VectorSample { labels: labels(), ts: at, value: point.value, histogram: None });
            }
            if let Some(point) = series.histograms.iter().find(|point| point.ts == at) {
                let histogram = Some(std::sync::Arc::clone(&point.value));
                samples.push(VectorSample { labels: labels(), ts: at, value: 0.0, histogram });
            }
        }
        match (instant, samples.first()) {
            (Value::Scalar(_), Some(sample)) => {
                self.eval.compare(&Value::Scalar(crate::Point { ts: at, value: sample.value }))
            }
            (Value::Scalar(_), None) => Err("the scalar is missing".to_owned()),
            _ => self.eval.compare_vector(&samples),
        }
    }
}
