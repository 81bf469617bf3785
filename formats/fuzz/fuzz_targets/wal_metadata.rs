//! Metadata records survive being written again, within the bytes they announce.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wal::metadata::MetadataRecord;

pub fn target(bytes: &[u8]) {
    let Ok(records) = MetadataRecord::decode_all(bytes) else { return };
    let mut again = Vec::new();
    records.iter().for_each(|record| record.encode(&mut again));
    assert!(again.len() <= records.iter().map(MetadataRecord::bytes_max).sum());
    assert_eq!(MetadataRecord::decode_all(&again), Ok(records));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
