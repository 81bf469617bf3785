//! The bytes of the manifest: a log of edits, each batch in a frame of the write-ahead log's form.
//!
//! * `log_header` - the first bytes of every file
//! * `edit` - the edits in a frame's payload
//!
//! A file begins with its header and frames that make up a snapshot; the header says where those end. Behind
//! them each frame is one batch, applied as a whole. Frames are those of [`crate::wal`], with the file's number
//! in place of a segment's.

mod edit;
mod log_header;

pub use {
    edit::{
        BlockRecord, ColdRecord, ColdState, EditRecord, MatcherOp, MatcherRecord, RollupRecord,
        TombstoneRecord, decode_edits, encode_edit,
    },
    log_header::{LOG_HEADER_BYTES, LOG_VERSION, LogHeader},
};
