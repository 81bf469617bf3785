//! Any bytes as a column of start timestamps for as many samples as the first byte says.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::start_ts::{decode, encode};

pub fn target(bytes: &[u8]) {
    let Some((&count, column)) = bytes.split_first() else { return };
    let ts: Vec<i64> = (0..i64::from(count)).map(|n| n * 15_000).collect();
    let mut start_ts = Vec::new();
    if decode(column, &ts, &mut start_ts).is_err() {
        assert!(start_ts.is_empty());
        return;
    }
    let (mut encoded, mut again) = (Vec::new(), Vec::new());
    encode(&start_ts, &ts, &mut encoded);
    decode(&encoded, &ts, &mut again).expect("our own column decodes");
    assert_eq!(start_ts, again);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
