//! Any bytes as the summary of a chunk: what is read is possible, survives being written again, and is passed over as it
//! was read.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    codec::{column_chunk, summary},
    cursor::Reader,
    index::chunk_directory::ChunkMeta,
};

pub fn target(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first_chunk() else { return };
    let count = u32::from(u16::from_le_bytes(*count));
    let meta = ChunkMeta { encoding: column_chunk::ColumnEncoding::Floats.as_u8(), count, min_ts: -500, max_ts: 70_000 };
    let (mut read, mut skipped) = (Reader::new(bytes), Reader::new(bytes));
    let decoded = summary::decode(&mut read, &meta);
    let passed = summary::skip(&mut skipped);
    let Ok(decoded) = decoded else { return };
    passed.expect("what can be read can be passed over");
    assert_eq!(read.position(), skipped.position());
    if let Some(summary) = &decoded {
        assert!(summary.count > 0 && summary.count <= count);
        assert!(summary.min <= summary.first && summary.last <= summary.max);
    }
    let mut again = Vec::new();
    summary::encode(decoded.as_ref(), &meta, &mut again);
    let again = summary::decode(&mut Reader::new(&again), &meta).expect("our own summary");
    match (&decoded, &again) {
        (Some(summary), Some(again)) => assert!(summary.is_same(again)),
        (None, None) => {}
        _ => panic!("{decoded:?} became {again:?}"),
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
