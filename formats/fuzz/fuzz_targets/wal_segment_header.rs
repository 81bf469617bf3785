//! The header of a log segment, with the checksum it has and with the right one.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    checksum::crc32,
    wal::{SEGMENT_HEADER_BYTES, SegmentHeader},
};

pub fn target(bytes: &[u8]) {
    let _ = SegmentHeader::decode(bytes);
    let Some((covered, _)) = bytes.split_first_chunk::<{ SEGMENT_HEADER_BYTES - 4 }>() else { return };
    let sealed = [&covered[..], &crc32(covered).to_le_bytes()].concat();
    if let Ok(header) = SegmentHeader::decode(&sealed) {
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
