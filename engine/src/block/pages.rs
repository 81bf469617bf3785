//! Which pages of a block's chunk data have been verified.

use std::sync::atomic::{AtomicU64, Ordering};

use kymo_formats::{block::PAGE_BYTES, checksum::crc32};

/// A page that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DamagedPage {
    /// Where it starts, in bytes from the start of the chunk data.
    pub(super) offset: usize,
    pub(super) expected: u32,
    pub(super) found: u32,
}

/// One bit for each page: it has been verified and was whole. A damaged page is verified, and found damaged,
/// each time it is asked for.
#[derive(Debug)]
pub(super) struct VerifiedPages {
    bits: Vec<AtomicU64>,
}

impl VerifiedPages {
    pub(super) fn new(data_len: usize) -> Self {
        let words = data_len.div_ceil(PAGE_BYTES).div_ceil(64);
        Self { bits: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Verifies the pages of `data` that hold the bytes from `start` to `end`; `checksums` holds the CRC of
    /// each page as `u32`. The caller has checked that all three fit each other.
    pub(super) fn verify(
        &self,
        data: &[u8],
        checksums: &[u8],
        start: usize,
        end: usize,
    ) -> Result<(), DamagedPage> {
        for page in start / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let (word, bit) = (&self.bits[page / 64], 1_u64 << (page % 64));
            // Relaxed: the bit says something about bytes that never change, and guards nothing else.
            if word.load(Ordering::Relaxed) & bit == 0 {
                verify_page(data, checksums, page)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

fn verify_page(data: &[u8], checksums: &[u8], page: usize) -> Result<(), DamagedPage> {
    let offset = page * PAGE_BYTES;
    let bytes = &data[offset..data.len().min(offset + PAGE_BYTES)];
    let (checksums, _) = checksums.as_chunks();
    let (expected, found) = (u32::from_le_bytes(checksums[page]), crc32(bytes));
    if expected == found { Ok(()) } else { Err(DamagedPage { offset, expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_costs_its_page_only() {
        let mut data = vec![7; 3 * PAGE_BYTES + 5];
        let checksums: Vec<u8> = data.chunks(PAGE_BYTES).flat_map(|page| crc32(page).to_le_bytes()).collect();
        data[PAGE_BYTES] ^= 1;
        let pages = VerifiedPages::new(data.len());
        assert_eq!(pages.verify(&data, &checksums, 0, PAGE_BYTES), Ok(()));
        for _ in 0..2 {
            let damage = pages.verify(&data, &checksums, PAGE_BYTES - 1, PAGE_BYTES + 1).unwrap_err();
            assert_eq!(damage.offset, PAGE_BYTES);
        }
        assert_eq!(pages.verify(&data, &checksums, 2 * PAGE_BYTES, data.len()), Ok(()));
        assert_eq!(pages.verify(&data, &checksums, 0, 0), Ok(()));
    }
}
