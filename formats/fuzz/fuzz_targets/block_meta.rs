//! The summary of a block survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::block::meta::BlockSummary;

pub fn target(bytes: &[u8]) {
    let Ok(summary) = BlockSummary::decode(bytes) else { return };
    let mut again = Vec::new();
    summary.encode(&mut again);
    assert_eq!(again, bytes);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
