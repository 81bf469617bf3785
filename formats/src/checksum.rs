//! Checksums: IEEE CRC-32 for everything of ours, Castagnoli where a foreign protocol wants it.

/// IEEE CRC-32 of `bytes`, the checksum of every frame, section and page of ours.
#[inline]
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// IEEE CRC-32 of `head` followed by `tail`, where `crc_of_head` is the checksum of `head`.
#[inline]
#[must_use]
pub fn crc32_append(crc_of_head: u32, tail: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc_of_head);
    hasher.update(tail);
    hasher.finalize()
}

/// CRC-32C (Castagnoli) of `bytes`, for protocols of others such as streamed remote read.
#[inline]
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32_append(crc32(b"1234"), b"56789"), 0xcbf4_3926);
        assert_eq!(crc32_append(crc32(b""), b"123456789"), 0xcbf4_3926);
    }
}
