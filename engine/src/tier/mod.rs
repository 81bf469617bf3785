//! Tiers: what is kept longer than the samples, and elsewhere.
//!
//! * `config` - which tiers there are, for which series
//! * `place` - where it lies, opened when that becomes possible
//! * `table` - a table of rollups on object storage
//! * `write` - a data file, and the file of series beside it
//! * `fetch` - verified parts of an object, kept as long as there is room
//! * `read` - a data file, series by series
//! * `merge` - rows of several files, in the order of the table
//! * `error` - what can go wrong

mod config;
mod error;
mod fetch;
mod merge;
mod place;
mod read;
mod table;
mod write;

pub(crate) use {
    config::LOCAL_PLACE,
    merge::{FileStream, Merge, RollupStream, Wanted, order},
    place::Place,
    read::{FileCache, OpenFile, RowFile, RowsOf, SeriesGroups, open_file},
    table::{Commit, Committed, Table, Writer, made_at},
    write::{FileWriter, SeriesRollups},
};
pub use {
    config::{CacheConfig, PolicyConfig, RawConfig, TierConfig, TiersConfig},
    error::TierError,
    table::{DataFileMeta, Partition, TableSize, TableState},
};
