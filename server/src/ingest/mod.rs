//! From the bytes of a write request to rows in the engine.
//!
//! * `decode` - decompression, within limits
//! * `remote_write` - messages of remote write 1.0 and 2.0
//! * `rows` - resolves series, collects rows, commits them
//! * `validate` - what a label set must be
//! * `report` - what the sender is told about rows that were not stored

mod decode;
mod remote_write;
mod report;
mod rows;
mod validate;

pub(crate) use {
    decode::{BODY_BYTES_MAX, DecodeFailure, message_bytes_max, snappy},
    remote_write::{IngestError, TypeAndUnit, Version, store},
    report::Report,
    rows::Stored,
};
