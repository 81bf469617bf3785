//! The statistics of metrics survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::stats::{decode, encode};

pub fn target(bytes: &[u8]) {
    let Ok(metrics) = decode(bytes) else { return };
    let mut again = Vec::new();
    encode(&metrics, &mut again);
    assert_eq!(decode(&again), Ok(metrics));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
