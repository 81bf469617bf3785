//! The bytes of a write-ahead log segment: a header, then frames one behind the other.
//!
//! * `segment_header` - the first [`SEGMENT_HEADER_BYTES`] of every segment
//! * `frame` - one checksummed record
//!
//! A segment ends with a frame of kind [`KIND_SEAL`] when the log moved on to the next one, and anywhere after a
//! crash. What lies behind the last frame is zeros (a preallocated file), or what a former segment left in
//! the file (a recycled one): neither validates, because every frame's checksum covers the segment's number
//! and every frame names its own place.

mod frame;
mod segment_header;

pub use {
    frame::{
        FRAME_HEADER_BYTES, Frame, KIND_SEAL, PAYLOAD_BYTES_MAX, encode_frame, find_frame, lsn_at,
        payload_checksum,
    },
    segment_header::{SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader},
};
