//! Parts of Prometheus's blocks: each decodes or is refused, also when its checksum is right.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    checksum::crc32c,
    codec::ChunkSamples,
    wire::tsdb::{ChunkRecord, IndexVersion, SeriesEntry, Symbols, Toc, decode_tombstones},
};

pub fn target(bytes: &[u8]) {
    // Where what a checksum covers begins: in a table of contents, behind a length, in symbols, in tombstones.
    for start in [0, 1, 2, 4, 5] {
        let Some(covered) = bytes.get(start..) else { continue };
        let mut part = bytes.to_vec();
        part.extend(crc32c(covered).to_be_bytes());
        decode(&part);
    }
}

fn decode(part: &[u8]) {
    let mut samples = ChunkSamples::default();
    if let Ok(record) = ChunkRecord::decode(part)
        && let Err(error) = record.samples(&mut samples)
    {
        assert!(error.offset <= part.len());
    }
    if let Ok(entry) = SeriesEntry::decode(part) {
        assert!(entry.labels.len() + entry.chunks.len() <= part.len());
    }
    if let Ok(ranges) = decode_tombstones(part) {
        assert!(ranges.is_sorted());
    }
    for version in [IndexVersion::V1, IndexVersion::V2] {
        if let Ok(symbols) = Symbols::decode(version, part.to_vec(), 5) {
            assert!(
                (0..100).filter_map(|number| symbols.get(number)).all(|symbol| symbol.len() <= part.len())
            );
        }
    }
    if let Ok(toc) = Toc::decode(part, 1 << 20) {
        assert!(toc.symbols < toc.series && toc.series <= toc.series_end);
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
