//! The rollup table: Parquet files of one row per series and window, that every SQL engine reads.
//!
//! * `schema`: the columns
//! * `columns`: rows to columns; `lists`: columns of lists
//! * `states`: native histograms to columns and back
//! * `checked`: checksums of the parts of a file
//! * `order`: the order of series
//! * `writer`: a data file and the file of series beside it
//! * `reader`: rows of a data file by their numbers
//! * `series`: the file of series
//! * `error`: what can be wrong with either
//!
//! Rows are sorted by metric, `job`, all labels, and time. `docs/formats.md` describes the table column by column.

mod checked;
mod columns;
mod error;
mod lists;
mod order;
mod reader;
mod schema;
mod series;
mod states;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use columns::{BATCH_ROWS, Optional, TextColumn, next_column, write};
pub(crate) use schema::{map_of_labels, text};
pub use {
    checked::PART_BYTES,
    error::TableError,
    order::table_order,
    reader::{DataFile, Facts, RollupColumns},
    schema::{FIELDS, Field, Kind, LABEL_COLUMNS_MAX, LabelColumns, histogram_fields},
    series::{DataChecksums, FileSeries, SeriesFile},
    writer::{FileSpec, FileStats, SeriesRows, TableWriter},
};
