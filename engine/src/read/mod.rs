//! Reading: one view over the head and all blocks.
//!
//! * `select` - matchers and a range to series, each with the places that hold samples of it
//! * `series` - the samples of one such series
//! * `merge` - chunks and late samples of several places to columns
//! * `summaries` - chunks that need not be decoded
//! * `meter` - what reading took
//! * `labels` - label names, label values and label sets
//! * `damage` - what is left out of an answer because it is damaged, and that the answer says so

mod damage;
mod labels;
mod merge;
mod meter;
mod select;
mod series;
mod summaries;

pub(crate) use {damage::DamageLog, labels::LookUp};
pub use {
    damage::Warnings,
    labels::Found,
    meter::{ReadCost, ReadMeter},
    select::Selection,
    series::SelectedSeries,
    summaries::{SummaryRequest, WindowGrid},
};
