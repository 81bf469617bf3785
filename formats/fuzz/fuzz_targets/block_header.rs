//! The header of a block file, with the checksum it has and with the right one.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    block::header::{HEADER_BYTES, Header},
    checksum::crc32,
};

/// What the checksum covers; it follows.
const COVERED_BYTES: usize = 24;

pub fn target(bytes: &[u8]) {
    let _ = Header::decode(bytes);
    let Some((covered, _)) = bytes.split_first_chunk::<COVERED_BYTES>() else { return };
    let mut sealed = [&covered[..], &crc32(covered).to_le_bytes()].concat();
    sealed.resize(HEADER_BYTES, 0);
    if let Ok(header) = Header::decode(&sealed) {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
