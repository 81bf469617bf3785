//! Tests on small blocks written by hand; `server/tests/it` reads blocks that Prometheus wrote.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    codec::{ChunkSamples, histogram::Appender, xor},
    cursor::Writer,
    histogram::{FloatHistogram, Histogram, HistogramValue},
};

fn with_checksum(mut bytes: Vec<u8>, start: usize) -> Vec<u8> {
    let checksum = crc32c(&bytes[start..]);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn symbols_section(symbols: &[&str]) -> Vec<u8> {
    let mut content = u32::try_from(symbols.len()).unwrap().to_be_bytes().to_vec();
    symbols.iter().for_each(|symbol| Writer::new(&mut content).prefixed(symbol.as_bytes()));
    let mut section = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    section.extend(content);
    with_checksum(section, 4)
}

fn series_entry(entry: &SeriesEntry) -> Vec<u8> {
    let mut content = Vec::new();
    let mut writer = Writer::new(&mut content);
    writer.varint_usize(entry.labels.len());
    for (name, value) in &entry.labels {
        writer.varint(*name);
        writer.varint(*value);
    }
    writer.varint_usize(entry.chunks.len());
    let mut previous: Option<&ChunkPlace> = None;
    let reference = |chunk: &ChunkPlace| u64::from(chunk.file) << 32 | u64::from(chunk.offset);
    for chunk in &entry.chunks {
        match previous {
            None => writer.varint_i64(chunk.min_ts),
            Some(previous) => writer.varint(chunk.min_ts.wrapping_sub(previous.max_ts).cast_unsigned()),
        }
        writer.varint(chunk.max_ts.wrapping_sub(chunk.min_ts).cast_unsigned());
        match previous {
            None => writer.varint(reference(chunk)),
            Some(previous) => {
                writer.varint_i64(reference(chunk).wrapping_sub(reference(previous)).cast_signed())
            }
        }
        previous = Some(chunk);
    }
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).varint_usize(content.len());
    let start = bytes.len();
    bytes.extend(content);
    with_checksum(bytes, start)
}

fn chunk_record(encoding: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).varint_usize(data.len());
    let start = bytes.len();
    bytes.push(encoding);
    bytes.extend_from_slice(data);
    with_checksum(bytes, start)
}

fn tombstones(ranges: &[DeletedRange]) -> Vec<u8> {
    let mut bytes = TOMBSTONES_HEADER.to_vec();
    for range in ranges {
        let mut writer = Writer::new(&mut bytes);
        writer.varint(range.series);
        writer.varint_i64(range.min_ts);
        writer.varint_i64(range.max_ts);
    }
    with_checksum(bytes, TOMBSTONES_HEADER.len())
}

const TOMBSTONES_HEADER: &[u8] = &[0x01, 0x30, 0xba, 0x30, 1];

fn toc(places: [u64; 6]) -> Vec<u8> {
    with_checksum(places.iter().flat_map(|place| place.to_be_bytes()).collect(), 0)
}

#[test]
fn headers_say_what_a_file_is() {
    assert_eq!(index_version(&[0xba, 0xaa, 0xd7, 0x00, 2]), Ok(IndexVersion::V2));
    assert_eq!(index_version(&[0xba, 0xaa, 0xd7, 0x00, 1]), Ok(IndexVersion::V1));
    assert_eq!(index_version(&[0xba, 0xaa, 0xd7, 0x00, 3]), Err(DecodeError::new("index version", 4)));
    assert_eq!(index_version(b"PAR1\x02"), Err(DecodeError::new("index magic", 0)));
    assert_eq!(check_chunk_file_header(&[0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0]), Ok(()));
    let later = check_chunk_file_header(&[0x85, 0xbd, 0x40, 0xdd, 2, 0, 0, 0]);
    assert_eq!(later, Err(DecodeError::new("chunks version", 4)));
    assert!(check_chunk_file_header(&[0x85, 0xbd, 0x40, 0xdd, 1, 0, 0]).is_err());
}

#[test]
fn the_table_of_contents_bounds_the_series() {
    let file = 1_000 + TOC_BYTES as u64;
    let found = Toc::decode(&toc([5, 100, 300, 700, 500, 800]), file);
    assert_eq!(found, Ok(Toc { symbols: 5, series: 100, series_end: 300 }));
    // Sections that a later release leaves out.
    let found = Toc::decode(&toc([5, 100, 0, 0, 500, 800]), file);
    assert_eq!(found, Ok(Toc { symbols: 5, series: 100, series_end: 500 }));
    assert!(Toc::decode(&toc([5, 2_000, 0, 0, 500, 800]), file).is_err());
    assert!(Toc::decode(&toc([0, 100, 300, 700, 500, 800]), file).is_err());
    let mut damaged = toc([5, 100, 300, 700, 500, 800]);
    damaged[3] ^= 1;
    assert_eq!(Toc::decode(&damaged, file), Err(DecodeError::new("table of contents checksum", 48)));
}

#[test]
fn symbols_are_found_by_number_or_by_place() {
    let section = symbols_section(&["", "__name__", "up"]);
    assert_eq!(Symbols::section_bytes(&section), Ok(section.len() as u64));
    let symbols = Symbols::decode(IndexVersion::V2, section.clone(), 5).unwrap();
    assert_eq!(symbols.get(1), Some(&b"__name__"[..]));
    assert_eq!((symbols.get(0), symbols.get(3)), (Some(&b""[..]), None));
    let symbols = Symbols::decode(IndexVersion::V1, section, 5).unwrap();
    // Five bytes of header, eight of the section's, the empty symbol.
    assert_eq!(symbols.get(5 + 8 + 1), Some(&b"__name__"[..]));
    assert_eq!((symbols.get(5), symbols.get(4), symbols.get(u64::MAX)), (None, None, None));
}

#[test]
fn chunks_of_all_three_kinds_decode() {
    let integer = Histogram { count: 3, zero_count: 3, sum: 1.5, ..Histogram::default() };
    let float = FloatHistogram { count: 2.5, zero_count: 2.5, ..FloatHistogram::default() };
    let mut samples = ChunkSamples::default();
    for record in [
        chunk_record(1, &xor::encode([(1_000, 0.5), (2_000, f64::NAN)])),
        chunk_record(2, &Appender::new(3_000, &integer).into_bytes()),
        chunk_record(3, &Appender::new(4_000, &float).into_bytes()),
    ] {
        assert_eq!(chunk_record_bytes(&record[..10.min(record.len())]), Ok(record.len()));
        ChunkRecord::decode(&record).unwrap().samples(&mut samples).unwrap();
    }
    assert_eq!(samples.ts, [1_000, 2_000]);
    let counts: Vec<f64> = samples.histograms.iter().map(|sample| sample.value.to_float().count).collect();
    assert_eq!(counts, [3.0, 2.5]);
    assert!(matches!(samples.histograms[0].value, HistogramValue::Integer(_)));
    for encoding in [0, 4, 255] {
        let record = chunk_record(encoding, &xor::encode([(1, 1.0)]));
        let read = ChunkRecord::decode(&record).unwrap().samples(&mut samples);
        assert_eq!(read, Err(DecodeError::new("chunk encoding", 1)));
    }
}

#[test]
fn what_was_deleted_is_sorted() {
    let range = |series, min_ts, max_ts| DeletedRange { series, min_ts, max_ts };
    let file = tombstones(&[range(7, -5, 9), range(3, 1, 2)]);
    assert_eq!(decode_tombstones(&file), Ok(vec![range(3, 1, 2), range(7, -5, 9)]));
    assert_eq!(decode_tombstones(&tombstones(&[])), Ok(vec![]));
}

#[test]
fn lengths_that_cannot_be_are_refused_before_memory_is_taken() {
    assert_eq!(series_entry_bytes(&[0, 1, 2]), Ok(None));
    assert_eq!(series_entry_bytes(&[0xff; 10]), Err(DecodeError::new("series entry length", 9)));
    assert!(series_entry_bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    assert!(chunk_record_bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    // A count of labels, or of chunks, that the bytes cannot hold.
    for content in [&[0xff, 0xff, 0xff, 0x7f][..], &[0, 0xff, 0xff, 0xff, 0x7f]] {
        let mut bytes = vec![u8::try_from(content.len()).unwrap()];
        bytes.extend_from_slice(content);
        assert!(SeriesEntry::decode(&with_checksum(bytes, 1)).is_err());
    }
}

fn any_entry() -> impl Strategy<Value = SeriesEntry> {
    let chunk = (any::<i64>(), any::<i64>(), any::<u32>(), any::<u32>())
        .prop_map(|(min_ts, max_ts, file, offset)| ChunkPlace { min_ts, max_ts, file, offset });
    (vec((any::<u64>(), any::<u64>()), 0..6), vec(chunk, 0..6))
        .prop_map(|(labels, chunks)| SeriesEntry { labels, chunks })
}

/// What decoding any of it gives; that it ends is what counts.
fn decode_all(bytes: &[u8]) -> [bool; 6] {
    let mut samples = ChunkSamples::default();
    [
        SeriesEntry::decode(bytes).is_ok(),
        ChunkRecord::decode(bytes).is_ok_and(|record| record.samples(&mut samples).is_ok()),
        decode_tombstones(bytes).is_ok(),
        Symbols::decode(IndexVersion::V1, bytes.to_vec(), 5).is_ok_and(|symbols| symbols.get(20).is_some()),
        Symbols::decode(IndexVersion::V2, bytes.to_vec(), 5).is_ok_and(|symbols| symbols.get(1).is_some()),
        Toc::decode(bytes, 10_000).is_ok(),
    ]
}

proptest! {
    #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-tsdb.txt")))]

    #[test]
    fn series_come_back(entry in any_entry()) {
        let bytes = series_entry(&entry);
        prop_assert_eq!(series_entry_bytes(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(SeriesEntry::decode(&bytes), Ok(entry));
    }

    #[test]
    fn whatever_is_cut_or_flipped_is_refused(entry in any_entry(), at: prop::sample::Index, bit in 0..8_u8) {
        let data = xor::encode([(5, 1.0), (10, 2.0)]);
        let range = DeletedRange { series: 1, min_ts: 2, max_ts: 300 };
        let places = toc([5, 100, 300, 700, 500, 800]);
        let pieces: [(usize, Vec<u8>); 5] = [
            (0, series_entry(&entry)),
            (1, chunk_record(1, &data)),
            (2, tombstones(&[range])),
            (4, symbols_section(&["", "b"])),
            (5, places),
        ];
        for (decoder, whole) in pieces {
            prop_assert!(decode_all(&whole)[decoder]);
            let at = at.index(whole.len());
            prop_assert!(!decode_all(&whole[..at])[decoder]);
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(!decode_all(&flipped)[decoder], "byte {} of {:?}", at, flipped);
        }
    }

    #[test]
    fn any_bytes_end_in_values_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
        // With a checksum that is right, so that it is not the only thing that refuses.
        for start in [0, 1, 4, 5] {
            if bytes.len() > start {
                decode_all(&with_checksum(bytes.clone(), start));
            }
        }
        if let Ok(Some(len)) = series_entry_bytes(&bytes) {
            prop_assert!(len <= SERIES_ENTRY_BYTES_MAX + 15);
        }
        if let Ok(len) = chunk_record_bytes(&bytes) {
            prop_assert!(len <= CHUNK_RECORD_BYTES_MAX + 15);
        }
    }
}
