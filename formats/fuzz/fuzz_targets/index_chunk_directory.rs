//! A chunk directory: every look-up ends; chunks that decode survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::chunk_directory::{ChunkDirectory, ChunkDirectoryBuilder};

pub fn target(bytes: &[u8]) {
    let Ok(directory) = ChunkDirectory::parse(bytes) else { return };
    let (mut cursor, mut series) = (directory.cursor(), Vec::new());
    for rank in 0..directory.len() {
        let mut chunks = Vec::new();
        if cursor.get(rank, &mut chunks).is_err() {
            break;
        }
        assert!(chunks.iter().all(|chunk| chunk.meta.min_ts <= chunk.meta.max_ts));
        assert!(chunks.is_sorted_by_key(|chunk| chunk.offset));
        series.push(chunks.iter().map(|chunk| (chunk.meta, chunk.len)).collect::<Vec<_>>());
    }
    assert!(directory.cursor().get(directory.len(), &mut Vec::new()).is_err());

    let mut builder = ChunkDirectoryBuilder::default();
    series.iter().for_each(|chunks| builder.push(chunks).expect("it is small"));
    let mut again = Vec::new();
    builder.finish(&mut again);
    let again = ChunkDirectory::parse(&again).expect("our own directory");
    let (mut cursor, mut offset) = (again.cursor(), 0);
    for (rank, expected) in (0..).zip(series) {
        let mut chunks = Vec::new();
        cursor.get(rank, &mut chunks).expect("our own directory");
        for chunk in &chunks {
            assert_eq!(chunk.offset, offset, "chunks lie without gaps");
            offset += u64::from(chunk.len);
        }
        assert_eq!(chunks.iter().map(|chunk| (chunk.meta, chunk.len)).collect::<Vec<_>>(), expected);
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
