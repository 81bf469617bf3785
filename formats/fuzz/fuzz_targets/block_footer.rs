//! The footer of a block file: any section table comes back, and one wrong byte is noticed.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::block::{
    footer::{decode, encode},
    section::{SectionEntry, SectionKind},
};

pub fn target(bytes: &[u8]) {
    if let Ok(sections) = decode(bytes) {
        visit(&sections, bytes.len());
    }
    let Some((&[damage, flip, data_len], table)) = bytes.split_first_chunk() else { return };
    let sections: Vec<SectionEntry> =
        table.as_chunks::<{ SectionEntry::BYTES }>().0.iter().take(100).map(entry).collect();
    let mut file = vec![0; usize::from(data_len)];
    file.extend(encode(&sections, u64::from(data_len)));
    visit(&sections, file.len());
    assert_eq!(decode(&file), Ok(sections));
    let damaged = file.len() - 1 - usize::from(damage) % (file.len() - usize::from(data_len));
    file[damaged] ^= flip.max(1);
    assert!(decode(&file).is_err(), "byte {damaged} is wrong");
}

fn entry(bytes: &[u8; SectionEntry::BYTES]) -> SectionEntry {
    let number =
        |from: usize, to: usize| bytes[from..to].iter().rfold(0, |n, byte| n << 8 | u64::from(*byte));
    SectionEntry {
        kind: SectionKind(number(0, 2) as u16),
        version: number(2, 4) as u16,
        crc: number(4, 8) as u32,
        offset: number(8, 16),
        len: number(16, 24),
    }
}

fn visit(sections: &[SectionEntry], file_len: usize) {
    for section in sections {
        assert!(!section.kind.name().is_empty());
        if let Ok(range) = section.range(file_len) {
            assert!(range.start <= range.end && range.end <= file_len);
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
