//! Reading: one view over the head and all blocks.
//!
//! * `select` - matchers and a range to series, each with the places that hold samples of it
//! * `series` - the samples of one such series
//! * `merge` - chunks and late samples of several places to columns
//! * `labels` - label names, label values and label sets

mod labels;
mod merge;
mod select;
mod series;

pub use {select::Selection, series::SelectedSeries};
