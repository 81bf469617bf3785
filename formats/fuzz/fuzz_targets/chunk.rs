//! Any bytes as a chunk of the encoding that the first byte names.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::codec::{ChunkSamples, Encoding, decode_chunk};

pub fn target(bytes: &[u8]) {
    let Some((&number, chunk)) = bytes.split_first() else { return };
    let Some(encoding) = Encoding::from_u8(1 + number % 6) else { return };
    let mut out = ChunkSamples::default();
    if decode_chunk(encoding, chunk, &mut out).is_err() {
        assert_eq!(out, ChunkSamples::default());
    }
    assert_eq!(out.ts.len(), out.values.len());
    assert!(out.start_ts.is_empty() || out.start_ts.len() == out.ts.len());
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
