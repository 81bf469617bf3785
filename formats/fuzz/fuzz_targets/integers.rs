//! Any bytes as a column of as many integers as the first two bytes say: parts of it are parts of the whole, and it
//! survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::integers::{decode, decode_range, encode};

pub fn target(bytes: &[u8]) {
    let Some((count, column)) = bytes.split_first_chunk() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    let (first, length) = (count / 3, count / 2);
    let mut part = Vec::new();
    let of_part = decode_range(column, count, first, length, &mut part);
    let mut integers = Vec::new();
    if decode(column, count, &mut integers).is_err() {
        assert!(integers.is_empty());
        return;
    }
    of_part.expect("a part of a good column is good");
    assert_eq!(part, integers[first..first + length]);
    let (mut encoded, mut again) = (Vec::new(), Vec::new());
    encode(&integers, &mut encoded);
    decode(&encoded, count, &mut again).expect("our own column decodes");
    assert_eq!(integers, again);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
