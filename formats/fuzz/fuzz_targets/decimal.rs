//! Any bytes as a column of decimal numbers of as many values as the first two bytes say.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::decimal::decode;

pub fn target(bytes: &[u8]) {
    let Some((count, column)) = bytes.split_first_chunk() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    let mut values = vec![1.0];
    let decoded = decode(column, count, &mut values);
    assert_eq!(values.len(), if decoded.is_ok() { 1 + count } else { 1 });
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
