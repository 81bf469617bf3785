//! Evaluation of PromQL, column by column: every operator works on whole series over all steps.
//!
//! * `engine` - runs queries: from text to result
//! * `context`, `budget`, `counters` - what an evaluation carries with it, may hold, and has looked at
//! * `grid` - the times at which a query is evaluated
//! * `column`, `series` - values of one series per step, and with its labels
//! * `eval` - from an expression to its value; the other files are its operators:
//!   `scan` (selectors; `bucketless` for functions that need no buckets), `window` (functions over range vectors), `matrix` (range vectors as results,
//!   subqueries), `extended` (`anchored`, `smoothed`), `aggregate`, `binary`, `call` (functions), of which
//!   `absent`, `info`, `labels` and `timestamp` need more than values
//! * `finish` - names dropped and equal label sets brought together after an operator
//! * `grouping`, `hash` - groups of series by labels
//! * `step_set` - sets of steps
//! * `kernel` - what a function is to the executor; `condensed`, `condensed_histograms` - series
//!   in which samples stand for chunks and windows
//! * `options` - what can be switched
//! * `notes`, `note` - annotations: warnings and infos for the user
//! * `format` - numbers and strings as Go prints them, for texts that must equal upstream's

mod absent;
mod aggregate;
mod binary;
mod bucketless;
mod budget;
mod call;
mod column;
pub(crate) mod condensed;
mod condensed_histograms;
mod context;
mod counters;
mod engine;
mod eval;
mod extended;
mod finish;
pub(crate) mod format;
mod grid;
mod grouping;
mod hash;
mod info;
pub(crate) mod kernel;
mod labels;
mod matrix;
mod note;
mod notes;
mod options;
mod scan;
mod series;
mod step_set;
#[cfg(all(test, feature = "test-util"))]
mod tests;
mod timestamp;
mod window;

use step_set::StepSet;
pub(crate) use {
    budget::Budget,
    column::{Column, Sample, SampleRef},
    context::Evaluator,
    counters::Counters,
    grid::Grid,
    note::{HistogramOperation, Note},
    notes::Notes,
    series::Series,
};
pub use {
    context::{Interrupt, InterruptCheck},
    engine::{EngineOptions, QueryEngine, QueryOptions},
    options::EvalOptions,
};
