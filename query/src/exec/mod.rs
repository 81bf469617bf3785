//! Evaluation of PromQL, column by column: every operator works on whole series over all steps.
//!
//! * `grid` - the times at which a query is evaluated
//! * `column`, `series` - values of one series per step, and with its labels
//! * `options` - what can be switched
//! * `notes`, `note` - annotations: warnings and infos for the user
//! * `kernel` - what a function is to the executor
//! * `format` - numbers and strings as Go prints them, for texts that must equal upstream's

mod column;
pub(crate) mod format;
mod grid;
pub(crate) mod kernel;
mod note;
mod notes;
mod options;
mod series;

pub(crate) use {
    column::{Column, Sample, SampleRef},
    grid::Grid,
    note::{HistogramOperation, Note},
    notes::Notes,
    series::Series,
};
pub use options::EvalOptions;
