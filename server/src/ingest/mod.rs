//! From the bytes of a write request to rows.
//!
//! * `decode` - decompression, within limits
//! * `remote_write` - messages of remote write 1.0 and 2.0 into a batch
//! * `report` - what the sender is told about rows that were not stored

mod decode;
mod remote_write;
mod report;

pub(crate) use {
    decode::{BODY_BYTES_MAX, DecodeFailure, snappy},
    remote_write::{Version, fill},
    report::Report,
};
