//! The bytes of a write-ahead log segment: a header, then frames one behind the other.
//!
//! * `segment_header` - the first [`SEGMENT_HEADER_BYTES`] of every segment
//! * `frame` - one checksummed record
//! * `rows`, `metadata` - payloads of the log
//! * `checkpoint` - payloads of a checkpoint, which is a segment file of its own
//!
//! A segment ends with a frame of kind [`KIND_SEAL`] when the log moved on to the next one, and anywhere after a
//! crash. What lies behind the last frame is zeros (a preallocated file), or what a former segment left in
//! the file (a recycled one): neither validates, because every frame's checksum covers the segment's number
//! and every frame names its own place.

pub mod checkpoint;
mod frame;
pub mod metadata;
pub mod rows;
mod segment_header;

pub use {
    frame::{
        FRAME_HEADER_BYTES, Frame, KIND_SEAL, PAYLOAD_BYTES_MAX, encode_frame, find_former_frame, find_frame,
        lsn_at, payload_checksum, place_at,
    },
    segment_header::{SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader},
};

/// Kind of the frames whose payload is read by [`rows::RowsFrame`].
pub const KIND_ROWS: u8 = 1;
/// Kind of the frames whose payload is read by [`metadata::MetadataRecord`].
pub const KIND_METADATA: u8 = 2;
/// Kind of the frames whose payload is read by [`checkpoint::CheckpointPayload`].
pub const KIND_CHECKPOINT_SERIES: u8 = 3;
