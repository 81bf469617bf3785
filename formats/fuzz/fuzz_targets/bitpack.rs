//! Any bytes as a run of as many integers as the first byte says: what decodes survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    codec::bitpack::{RUN, decode, encode},
    cursor::Reader,
};

pub fn target(bytes: &[u8]) {
    let Some((&count, run)) = bytes.split_first() else { return };
    let mut values = vec![0; usize::from(count) % (RUN + 1)];
    if decode(&mut Reader::new(run), &mut values).is_err() {
        return;
    }
    let (mut encoded, mut again) = (Vec::new(), vec![0; values.len()]);
    encode(&values, &mut encoded);
    let mut reader = Reader::new(&encoded);
    decode(&mut reader, &mut again).expect("our own run decodes");
    assert_eq!(values, again);
    reader.finish("end of run").expect("it is read to its end");
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
