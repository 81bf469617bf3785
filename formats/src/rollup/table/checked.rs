//! Checksums of the parts of a file, so that a part can be checked that was read alone.

use std::io::{self, Write};

use crate::checksum::{crc32, crc32_append};

/// A part is so many bytes; the last one has what is left.
pub const PART_BYTES: usize = 64 << 10;

/// Passes on what is written, and keeps a checksum of each part.
#[derive(Debug)]
pub(super) struct Checked<W> {
    out: W,
    part: Vec<u8>,
    checksums: Vec<u32>,
    whole: u32,
    len: u64,
}

impl<W: Write> Checked<W> {
    pub(super) const fn new(out: W) -> Self {
        Self { out, part: Vec::new(), checksums: Vec::new(), whole: 0, len: 0 }
    }

    /// What was written to, the number of bytes, and the checksums of the parts.
    pub(super) fn finish(mut self) -> (W, u64, Vec<u32>) {
        if !self.part.is_empty() {
            self.checksums.push(crc32(&self.part));
        }
        (self.out, self.len, self.checksums)
    }

    /// What was written to, the number of bytes, and the checksum of them all.
    pub(super) fn finish_whole(self) -> (W, u64, u32) {
        (self.out, self.len, self.whole)
    }

    fn note(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.whole = crc32_append(self.whole, bytes);
        while !bytes.is_empty() {
            let room = PART_BYTES - self.part.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            if self.part.len() == PART_BYTES {
                self.checksums.push(crc32(&self.part));
                self.part.clear();
            }
            bytes = later;
        }
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.write_all(buf)?;
        self.note(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
