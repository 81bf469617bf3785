//! The header of a manifest file, with the checksum it has and with the right one.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    checksum::crc32,
    manifest::{LOG_HEADER_BYTES, LogHeader},
};

pub fn target(bytes: &[u8]) {
    let _ = LogHeader::decode(bytes);
    let Some((covered, _)) = bytes.split_first_chunk::<{ LOG_HEADER_BYTES - 4 }>() else { return };
    let sealed = [&covered[..], &crc32(covered).to_le_bytes()].concat();
    if let Ok(header) = LogHeader::decode(&sealed) {
        assert_eq!(LogHeader::decode(&header.encode()), Ok(header));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
