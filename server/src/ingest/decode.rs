//! Decompression, within limits.

use std::cell::RefCell;

/// Most bytes of a message after decompression: upstream's bound.
pub(crate) const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Most bytes of a body. Snappy adds a little to what it cannot compress.
pub(crate) const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / 6 + 32;

/// The most that one compressed byte can stand for: a copy of 64 bytes takes three.
const EXPANSION_MAX: usize = 22;

/// A body that cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeFailure {
    /// It is not snappy's block format, or is damaged.
    #[error("snappy: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: String,
    },
    /// It says that it is too large.
    #[error("snappy: decoded length {declared} exceeds limit {MESSAGE_BYTES_MAX}")]
    TooLarge {
        /// Its size as it declares it.
        declared: usize,
    },
}

/// The most bytes that a body of this length can decompress to, and may.
pub(crate) const fn message_bytes_max(body_bytes: usize) -> usize {
    let expanded = body_bytes.saturating_mul(EXPANSION_MAX);
    if expanded < MESSAGE_BYTES_MAX { expanded } else { MESSAGE_BYTES_MAX }
}

/// A buffer that grew beyond this is not kept for the next message.
const KEPT_BYTES_MAX: usize = 1 << 20;

thread_local! {
    /// Memory of the last message. New memory would have to be zeroed for each.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decompresses a body in snappy's block format, and returns what `read` makes of it. What it declares to be too
/// large, or larger than it can be, is refused before any memory is taken for it.
pub(crate) fn snappy<T>(body: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<T, DecodeFailure> {
    let corrupt = |error: snap::Error| DecodeFailure::Corrupt { reason: error.to_string() };
    let declared = snap::raw::decompress_len(body).map_err(corrupt)?;
    if declared > MESSAGE_BYTES_MAX {
        return Err(DecodeFailure::TooLarge { declared });
    }
    if declared > message_bytes_max(body.len()) {
        let reason = format!("declared length {declared} cannot come from {} bytes", body.len());
        return Err(DecodeFailure::Corrupt { reason });
    }
    let mut buffer = BUFFER.take();
    if buffer.len() < declared {
        buffer.resize(declared, 0);
    }
    let decompressed = snap::raw::Decoder::new().decompress(body, &mut buffer[..declared]);
    let read = decompressed.map(|len| read(&buffer[..len])).map_err(corrupt);
    if buffer.capacity() <= KEPT_BYTES_MAX {
        BUFFER.set(buffer);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back() {
        for message in [Vec::new(), vec![0; 1 << 20], (0..=255).cycle().take(100_000).collect()] {
            let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
            assert!(body.len() <= BODY_BYTES_MAX);
            assert_eq!(snappy(&body, <[u8]>::to_vec), Ok(message));
        }
    }

    #[test]
    fn lies_about_the_length_are_refused() {
        // A length of 2^32 - 1, and one that is allowed but not in proportion.
        assert!(matches!(snappy(b"\xff\xff\xff\xff\x0f", |_| ()), Err(DecodeFailure::TooLarge { .. })));
        assert!(matches!(snappy(b"\x80\x80\x80\x08abc", |_| ()), Err(DecodeFailure::Corrupt { .. })));
        for body in [&b""[..], b"\xff", b"\x05abc", b"\x03\xff\xff"] {
            assert!(matches!(snappy(body, |_| ()), Err(DecodeFailure::Corrupt { .. })), "{body:?}");
        }
    }
}
