//! Checkpoints of a table's log survive being written again.
#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use kymo_formats::delta::{Action, decode_checkpoint, encode_checkpoint};

pub fn target(bytes: &[u8]) {
    kymo_formats_fuzz::expect_panics_of_parquet();
    let Ok(mut actions) = decode_checkpoint(Bytes::copy_from_slice(bytes)) else { return };
    // Checkpoints have none; a foreign one may.
    actions.retain(|action| !matches!(action, Action::CommitInfo(_)));
    let again = encode_checkpoint(&actions).expect("memory takes it");
    assert_eq!(decode_checkpoint(Bytes::from(again)).expect("it was just written"), actions);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
