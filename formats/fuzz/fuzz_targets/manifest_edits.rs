//! Edits of the manifest survive being written again; those of a later release are told apart.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::manifest::{EditRecord, decode_edits, encode_edit};

pub fn target(bytes: &[u8]) {
    let Ok(mut edits) = decode_edits(bytes) else { return };
    edits.retain(|edit| !matches!(edit, EditRecord::Unknown { .. }));
    let mut again = Vec::new();
    edits.iter().for_each(|edit| encode_edit(edit, &mut again));
    assert_eq!(decode_edits(&again), Ok(edits));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
