//! Remote read: a request that decodes, encodes to the same request; answers decode or are refused.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wire::remote_read::{ChunkedFrames, ReadRequest, ReadResponse};

pub fn target(bytes: &[u8]) {
    if let Ok(request) = ReadRequest::parse(bytes) {
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(ReadRequest::parse(&again), Ok(request));
    }
    drop(ReadResponse::parse(bytes));
    assert!(ChunkedFrames::new(bytes).count() <= bytes.len());
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
