//! The end of a block file: the section table, and behind it a tail of fixed length that leads to it.
//!
//! The tail is `count: u32` (sections), `crc: u32` (of the table, then `count` and `file_len`),
//! `file_len: u64` and [`MAGIC`]. A file that was cut, or had bytes appended, has no footer where it belongs.

use super::section::SectionEntry;
use crate::{
    DecodeError,
    checksum::{crc32, crc32_append},
    cursor::{Reader, Writer},
};

/// The last bytes of every block file.
pub const MAGIC: [u8; 8] = *b"KYMOEND\n";
/// Length of the tail behind the section table.
pub const TAIL_BYTES: usize = 24;
/// More sections than any version has; bounds what a damaged count can cost.
const SECTIONS_MAX: u32 = 1024;

/// The footer for `sections`, to be written at `offset`, the end of the file so far.
#[must_use]
pub fn encode(sections: &[SectionEntry], offset: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(sections.len() * SectionEntry::BYTES + TAIL_BYTES);
    for section in sections {
        section.encode(&mut out);
    }
    let count = u32::try_from(sections.len()).ok().filter(|count| *count <= SECTIONS_MAX);
    let count = count.expect("a block has a handful of sections");
    let file_len = offset + (out.len() + TAIL_BYTES) as u64;
    let crc = checksum(&out, count, file_len);
    let mut writer = Writer::new(&mut out);
    writer.u32(count);
    writer.u32(crc);
    writer.u64(file_len);
    writer.bytes(&MAGIC);
    out
}

/// The section table at the end of `file`.
///
/// # Errors
/// When the file does not end in a footer, or the footer is damaged.
pub fn decode(file: &[u8]) -> Result<Vec<SectionEntry>, DecodeError> {
    decode_end(file, file.len() as u64)
}

/// As [`decode`], of a file of `len` bytes of which only the `end` is there.
///
/// # Errors
/// As there, and when the footer begins before `end` does.
pub fn decode_end(end: &[u8], len: u64) -> Result<Vec<SectionEntry>, DecodeError> {
    let error = |what| DecodeError::new(what, usize::try_from(len).unwrap_or(usize::MAX));
    let (body, tail) = end.split_last_chunk::<TAIL_BYTES>().ok_or(error("block footer"))?;
    let mut tail = Reader::new(tail);
    let count = tail.u32("block footer")?;
    let crc = tail.u32("block footer")?;
    let file_len = tail.u64("block footer")?;
    if tail.array("block footer")? != MAGIC || file_len != len || count > SECTIONS_MAX {
        return Err(error("block footer"));
    }
    let table_len = count as usize * SectionEntry::BYTES;
    let start = body.len().checked_sub(table_len).ok_or(error("block footer"))?;
    let table = body.get(start..).unwrap_or_default();
    if checksum(table, count, file_len) != crc {
        return Err(error("block footer checksum"));
    }
    let mut reader = Reader::new(table);
    (0..count).map(|_| SectionEntry::decode(&mut reader)).collect()
}

fn checksum(table: &[u8], count: u32, file_len: u64) -> u32 {
    crc32_append(crc32_append(crc32(table), &count.to_le_bytes()), &file_len.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::section::SectionKind;

    fn file() -> (Vec<SectionEntry>, Vec<u8>) {
        let section =
            |kind, offset| SectionEntry { kind: SectionKind(kind), version: 1, crc: 5, offset, len: 3 };
        let sections = vec![section(1, 64), section(77, 128)];
        let mut file = vec![0; 100];
        file.extend(encode(&sections, 100));
        (sections, file)
    }

    #[test]
    fn round_trips_and_notices_every_flipped_bit() {
        let (sections, file) = file();
        assert_eq!(decode(&file), Ok(sections));
        for bit in 100 * 8..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_file_of_another_length_has_no_footer() {
        let (_, file) = file();
        for len in 0..file.len() {
            assert!(decode(&file[..len]).is_err());
        }
        assert!(decode(&[&file[..], &[0]].concat()).is_err());
        assert!(decode(&[&[0], &file[..]].concat()).is_err());
    }

    #[test]
    fn the_end_of_a_file_is_enough() {
        let (sections, file) = file();
        let len = file.len() as u64;
        assert_eq!(decode_end(&file[100..], len), Ok(sections));
        assert!(decode_end(&file[101..], len).is_err());
        assert!(decode_end(&file, len + 1).is_err());
    }

    #[test]
    fn a_section_outside_the_file_is_an_error() {
        let entry = |offset, len| SectionEntry { kind: SectionKind::META, version: 1, crc: 0, offset, len };
        assert_eq!(entry(64, 36).range(100), Ok(64..100));
        assert!(entry(64, 37).range(100).is_err());
        assert!(entry(u64::MAX, 2).range(100).is_err());
    }
}
