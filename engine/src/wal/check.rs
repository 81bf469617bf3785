//! The segments as they lie on disk, read without mending them: what the next replay will find.

use std::{
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};

use kymo_formats::wal::{Frame, KIND_SEAL, SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader};

use super::{
    WalError,
    replay::{Tail, gaps, goes_on, tail_of},
    segment,
};
use crate::env::Fs;

/// What is on disk of a log.
#[derive(Debug)]
pub(crate) struct LogCheck {
    pub(crate) segments: Vec<CheckedSegment>,
    /// Segments that should be there and are not.
    pub(crate) missing: Vec<RangeInclusive<u64>>,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct CheckedSegment {
    pub(crate) path: PathBuf,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Whole frames, without the seal.
    pub(crate) frames: u64,
    /// Bytes that hold them, the header included.
    pub(crate) used_bytes: u64,
    /// Whether the header is not this segment's. Frames are read all the same.
    pub(crate) header_damaged: bool,
    /// What was written and cannot be read: to the end of the segment, because what follows may depend on it.
    pub(crate) damaged: Option<Range<u64>>,
    /// Bytes that a write cut short by a crash left.
    pub(crate) torn_bytes: u64,
}

/// Reads the log in `dir` from a segment on, or from the first that is there; one segment is in memory at a time.
///
/// # Errors
/// I/O errors, and [`WalError::Version`] when a later release wrote the log.
pub(crate) fn check(fs: &dyn Fs, dir: &Path, from_segment: Option<u64>) -> Result<LogCheck, WalError> {
    let listing = segment::list(fs, dir)?;
    let from_segment = from_segment.or_else(|| listing.segments.first().copied()).unwrap_or(1);
    let missing = gaps(&listing, from_segment);
    let numbers: Vec<u64> = listing.segments.into_iter().filter(|number| *number >= from_segment).collect();
    let mut segments = Vec::with_capacity(numbers.len());
    for (i, number) in numbers.iter().enumerate() {
        segments.push(check_segment(fs, dir, *number, &numbers[i + 1..])?);
    }
    Ok(LogCheck { segments, missing })
}

fn check_segment(fs: &dyn Fs, dir: &Path, number: u64, later: &[u64]) -> Result<CheckedSegment, WalError> {
    let path = segment::path(dir, number);
    let bytes = fs.read(&path).map_err(WalError::io("read", &path))?;
    let header = SegmentHeader::decode(&bytes);
    if let Ok(SegmentHeader { version: found, .. }) = header
        && found > SEGMENT_VERSION
    {
        return Err(WalError::Version { path, found, known: SEGMENT_VERSION });
    }
    let mut checked = CheckedSegment {
        path,
        bytes: bytes.len() as u64,
        frames: 0,
        used_bytes: 0,
        header_damaged: !header.is_ok_and(|header| header.segment == number),
        damaged: None,
        torn_bytes: 0,
    };
    let mut offset = SEGMENT_HEADER_BYTES;
    let sealed = loop {
        match Frame::decode(&bytes, number, offset) {
            Ok(frame) if frame.kind == KIND_SEAL => break true,
            Ok(frame) => {
                checked.frames += 1;
                offset += frame.encoded_bytes();
            }
            Err(_) => break false,
        }
    };
    checked.used_bytes = offset.min(bytes.len()) as u64;
    let rest = checked.used_bytes..checked.bytes;
    if !sealed {
        match tail_of(&bytes, number, offset, || goes_on(fs, dir, later))? {
            Tail::Unused => {}
            Tail::Torn => checked.torn_bytes = rest.end - rest.start,
            Tail::Damaged => checked.damaged = Some(rest),
        }
    }
    Ok(checked)
}
