//! Tiers: what is kept longer than the samples, and elsewhere.
//!
//! * `table` - a table of rollups on object storage
//! * `error` - what can go wrong

mod error;
mod table;

pub use error::TierError;
pub use table::{DataFileMeta, Partition, TableState};
