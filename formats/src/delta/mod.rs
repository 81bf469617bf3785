//! The log of a Delta table, as far as an append-mostly table of Parquet files needs it.
//!
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, reader version 1, writer version 2: no deletion
//! vectors, no column mapping, no features that older readers lack.
//!
//! * `action`: what a line of a commit says, and commits as JSON
//! * `checkpoint`: the state of a table as a Parquet file
//! * `name`: names of the log's files
//! * `schema`: the columns of a table, as the log describes them

mod action;
mod checkpoint;
mod name;
mod schema;

pub use {
    action::{
        Action, Add, CommitInfo, DeltaError, Format, LastCheckpoint, Metadata, Protocol, Remove, Txn,
        decode_commit, encode_commit,
    },
    checkpoint::{decode_checkpoint, encode_checkpoint},
    name::{LAST_CHECKPOINT, LogFile, checkpoint_name, commit_name, parse_name},
    schema::rollup_schema,
};
