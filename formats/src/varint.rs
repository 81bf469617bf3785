//! Unsigned LEB128 and zig-zag integers, as in Protocol Buffers.

use crate::DecodeError;

/// The most bytes a 64-bit varint takes.
pub const BYTES_MAX: usize = 10;

/// Maps a signed integer to an unsigned one so that values near zero of either sign stay small.
#[inline]
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Bytes that `value` takes as a varint.
#[inline]
#[must_use]
pub const fn len(value: u64) -> usize {
    // 9 * bits / 64 rounds up to the number of 7-bit groups for every width from 1 to 64.
    (((64 - (value | 1).leading_zeros()) * 9 + 64) / 64) as usize
}

/// Appends `value` to `out`.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_group(value));
        value >>= 7;
    }
    out.push(low_bits(value));
}

/// Appends the zig-zag form of `value` to `out`.
#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

/// Reads one varint from the front of `bytes`: the value and the bytes it took.
///
/// # Errors
/// When `bytes` ends inside the varint, or the value does not fit 64 bits. The offset is relative to `bytes`.
#[inline]
pub fn read(bytes: &[u8], what: &'static str) -> Result<(u64, usize), DecodeError> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), 1)),
        _ => read_long(bytes, what),
    }
}

fn read_long(bytes: &[u8], what: &'static str) -> Result<(u64, usize), DecodeError> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        // The tenth byte holds the last bit; anything else there would be shifted out unseen.
        if index == BYTES_MAX - 1 && byte > 1 {
            return Err(DecodeError::new(what, index));
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(DecodeError::new(what, bytes.len().min(BYTES_MAX)))
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest seven bits are what is wanted")]
const fn low_group(value: u64) -> u8 {
    value as u8 | 0x80
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "called with values below 0x80")]
const fn low_bits(value: u64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    #[test]
    fn known_bytes() {
        for (value, expected) in [
            (0, &[0_u8][..]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, expected);
        }
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert_eq!(zigzag(i64::MIN), u64::MAX);
    }

    #[test]
    fn rejects_truncated_and_overlong() {
        assert_eq!(read(&[], "x"), Err(DecodeError::new("x", 0)));
        assert_eq!(read(&[0x80], "x"), Err(DecodeError::new("x", 1)));
        let mut wide = [0xff_u8; 10];
        wide[9] = 2;
        assert_eq!(read(&wide, "x"), Err(DecodeError::new("x", 9)));
        assert_eq!(read(&[0xff; 11], "x"), Err(DecodeError::new("x", 9)));
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/varint.txt")))]

        #[test]
        fn round_trips(value: u64, shift in 0_u32..64, tail: Vec<u8>) {
            let value = value >> shift;
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            let length = out.len();
            out.extend(tail);
            prop_assert_eq!(read(&out, "x"), Ok((value, length)));
        }

        #[test]
        fn zigzag_round_trips(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
