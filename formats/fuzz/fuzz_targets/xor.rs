//! Any bytes as a Gorilla chunk: the two readers agree, and what they read survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::xor::{XorAppender, XorIter, decode, encode};

pub fn target(chunk: &[u8]) {
    let (mut ts, mut values) = (Vec::new(), Vec::new());
    let decoded = decode(chunk, &mut ts, &mut values);
    let one_by_one: Result<Vec<_>, _> = XorIter::new(chunk).and_then(Iterator::collect);
    assert_eq!(decoded.is_ok(), one_by_one.is_ok());
    assert_eq!(decoded.is_ok(), XorAppender::resume(chunk).is_ok());
    let Ok(samples) = one_by_one else {
        assert!(ts.is_empty() && values.is_empty());
        return;
    };
    let (mut ts_again, mut values_again) = (Vec::new(), Vec::new());
    decode(&encode(samples), &mut ts_again, &mut values_again).expect("our own chunk decodes");
    assert_eq!(ts, ts_again);
    assert!(values.iter().map(|v| v.to_bits()).eq(values_again.iter().map(|v| v.to_bits())));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
