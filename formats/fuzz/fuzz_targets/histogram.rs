//! Any bytes as a chunk of histograms: what decodes can be appended to, and what was in it stays.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::histogram::{Appended, Appender, decode};
use kymo_formats::histogram::Histogram;

pub fn target(chunk: &[u8]) {
    let mut samples = Vec::<(i64, Histogram)>::new();
    if decode(chunk, &mut samples).is_err() {
        assert!(samples.is_empty());
        return;
    }
    let Some((ts, last)) = samples.last() else { return };
    // The last histogram once more, behind whatever the chunk holds.
    let mut open = Appender::<Histogram>::resume(chunk.to_vec()).expect("what decodes can be resumed");
    if last.validate().is_err() && !last.is_stale() {
        return;
    }
    if let Appended::Cut(next) = open.append(ts.wrapping_add(1), last) {
        open = *next;
    }
    let mut again = Vec::<(i64, Histogram)>::new();
    decode(open.bytes(), &mut again).expect("our own chunk decodes");
    assert_eq!(again.last().map(|(ts, _)| *ts), Some(ts.wrapping_add(1)));
    assert_eq!(again.last().map(|(_, h)| h.sum.to_bits()), Some(last.sum.to_bits()));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
