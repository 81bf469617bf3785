//! Any bytes as a column of as many values as the first two bytes say: what decodes survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::values::{Density, decode, encode};

pub fn target(bytes: &[u8]) {
    let Some((count, column)) = bytes.split_first_chunk() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    let mut values = Vec::new();
    if decode(column, count, &mut values).is_err() {
        assert!(values.is_empty());
        return;
    }
    assert_eq!(values.len(), count);
    // The dense form tries hard, which would make the run slow.
    let density = if count < 2_000 { Density::Dense } else { Density::Fast };
    let (mut encoded, mut again) = (Vec::new(), Vec::new());
    encode(&values, density, &mut encoded);
    decode(&encoded, count, &mut again).expect("our own column decodes");
    assert!(values.iter().map(|v| v.to_bits()).eq(again.iter().map(|v| v.to_bits())));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
