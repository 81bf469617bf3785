//! Bounds-checked reading and writing of fixed-width and variable-width values.
//!
//! Everything of ours is little endian with explicit widths. Foreign formats that are big endian take bytes
//! with [`Reader::array`] and convert them in place.

use crate::{DecodeError, varint};

/// Reads values from the front of a byte slice.
///
/// A read that fails leaves the position where it was. Each read names what it reads, in the words of the
/// format, so that an error points at the field and not only at an offset.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Offset of the next byte from the start of the input.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The bytes that are left.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> &'a [u8] {
        // The position never passes the end, so that the default is never taken.
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// An error for `what` at the current position.
    #[must_use]
    pub const fn error(&self, what: &'static str) -> DecodeError {
        DecodeError::new(what, self.position)
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let taken = self.remaining().get(..length).ok_or(DecodeError::new(what, self.position))?;
        self.position += length;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let taken = *self.remaining().first_chunk::<N>().ok_or(DecodeError::new(what, self.position))?;
        self.position += N;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// When nothing is left.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    /// A `u16`.
    ///
    /// # Errors
    /// When fewer than 2 bytes are left.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// A `u32`.
    ///
    /// # Errors
    /// When fewer than 4 bytes are left.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// A `u64`.
    ///
    /// # Errors
    /// When fewer than 8 bytes are left.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A `u128`.
    ///
    /// # Errors
    /// When fewer than 16 bytes are left.
    #[inline]
    pub fn u128(&mut self, what: &'static str) -> Result<u128, DecodeError> {
        Ok(u128::from_le_bytes(self.array(what)?))
    }

    /// An `i64`.
    ///
    /// # Errors
    /// When fewer than 8 bytes are left.
    #[inline]
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// An `f64`, bit for bit.
    ///
    /// # Errors
    /// When fewer than 8 bytes are left.
    #[inline]
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.array(what)?))
    }

    /// An unsigned LEB128 integer.
    ///
    /// # Errors
    /// When the bytes end inside it, or it does not fit 64 bits.
    #[inline]
    pub fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match varint::read(self.remaining(), what) {
            Ok((value, length)) => {
                self.position += length;
                Ok(value)
            }
            Err(error) => Err(DecodeError::new(what, self.position + error.offset)),
        }
    }

    /// An unsigned LEB128 integer that must fit 32 bits.
    ///
    /// # Errors
    /// As [`Reader::varint`], and when the value is larger.
    #[inline]
    pub fn varint_u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let start = self.position;
        u32::try_from(self.varint(what)?).map_err(|_| {
            self.position = start;
            DecodeError::new(what, start)
        })
    }

    /// A length or count as LEB128, for use as an index on this machine.
    ///
    /// The value is only a claim: check it against [`Reader::remaining`] before allocating for it.
    ///
    /// # Errors
    /// As [`Reader::varint`], and when the value does not fit `usize`.
    #[inline]
    pub fn varint_usize(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let start = self.position;
        usize::try_from(self.varint(what)?).map_err(|_| {
            self.position = start;
            DecodeError::new(what, start)
        })
    }

    /// Passes over a LEB128 integer, which is not looked at: where one ends is found sooner than what it says.
    ///
    /// # Errors
    /// When it does not end.
    #[inline]
    pub fn skip_varint(&mut self, what: &'static str) -> Result<(), DecodeError> {
        let end = self.remaining().iter().take(varint::BYTES_MAX).position(|byte| *byte < 0x80);
        self.position += end.ok_or_else(|| self.error(what))? + 1;
        Ok(())
    }

    /// Two LEB128 integers of one byte each, if that is what comes next. Nothing is read otherwise: this is the short
    /// way to what is small nearly always.
    #[inline]
    pub fn two_small(&mut self) -> Option<(usize, usize)> {
        let [first @ 0..0x80, second @ 0..0x80, ..] = self.remaining() else { return None };
        self.position += 2;
        Some((usize::from(*first), usize::from(*second)))
    }

    /// A zig-zag LEB128 integer.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    #[inline]
    pub fn varint_i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.varint(what).map(varint::unzigzag)
    }

    /// A byte string behind its length as LEB128.
    ///
    /// # Errors
    /// As [`Reader::varint`], and when the string is longer than what is left.
    #[inline]
    pub fn prefixed(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let start = self.position;
        let length = self.varint_usize(what)?;
        self.take(length, what).inspect_err(|_| self.position = start)
    }

    /// Passes when everything was read.
    ///
    /// # Errors
    /// When bytes are left.
    pub const fn finish(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(DecodeError::new(what, self.position)) }
    }
}

/// Appends values to a byte vector, in the forms [`Reader`] reads.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Length of the vector, with what it held before.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.out.len()
    }

    /// Appends `bytes` as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Appends a `u16`.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a `u32`.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a `u64`.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a `u128`.
    #[inline]
    pub fn u128(&mut self, value: u128) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends an `i64`.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends an `f64`, bit for bit.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends an unsigned LEB128 integer.
    #[inline]
    pub fn varint(&mut self, value: u64) {
        varint::put(self.out, value);
    }

    /// Appends a length or count as LEB128.
    #[inline]
    pub fn varint_usize(&mut self, value: usize) {
        // No target of Rust has a `usize` wider than 64 bits.
        varint::put(self.out, value as u64);
    }

    /// Appends a zig-zag LEB128 integer.
    #[inline]
    pub fn varint_i64(&mut self, value: i64) {
        varint::put_signed(self.out, value);
    }

    /// Appends a byte string behind its length as LEB128.
    #[inline]
    pub fn prefixed(&mut self, bytes: &[u8]) {
        self.varint_usize(bytes.len());
        self.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    #[test]
    fn a_failed_read_does_not_move() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u8("first"), Ok(1));
        assert_eq!(reader.u32("wide"), Err(DecodeError::new("wide", 1)));
        assert_eq!(reader.take(3, "tail"), Err(DecodeError::new("tail", 1)));
        assert_eq!(reader.take(usize::MAX, "tail"), Err(DecodeError::new("tail", 1)));
        assert_eq!(reader.finish("end"), Err(DecodeError::new("end", 1)));
        assert_eq!(reader.u16("rest"), Ok(0x0302));
        assert_eq!(reader.finish("end"), Ok(()));
    }

    #[test]
    fn a_lying_length_is_an_error() {
        let mut out = Vec::new();
        Writer::new(&mut out).varint(u64::MAX);
        assert_eq!(Reader::new(&out).prefixed("name"), Err(DecodeError::new("name", 10)));
        assert_eq!(Reader::new(&out).varint_u32("id"), Err(DecodeError::new("id", 0)));
    }

    #[test]
    fn values_are_little_endian() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.u16(0x0102);
        writer.u32(0x0304_0506);
        writer.i64(-2);
        assert_eq!(out, [2, 1, 6, 5, 4, 3, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/cursor.txt")))]

        #[test]
        fn round_trips(
            a: u8, b: u16, c: u32, d: u64, e: i64, f: u64, g: u64, h: i64, i: u128, bytes: Vec<u8>,
        ) {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            writer.u8(a);
            writer.u16(b);
            writer.u32(c);
            writer.u64(d);
            writer.i64(e);
            writer.f64(f64::from_bits(f));
            writer.varint(g);
            writer.varint_i64(h);
            writer.u128(i);
            writer.prefixed(&bytes);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u8("a"), Ok(a));
            prop_assert_eq!(reader.u16("b"), Ok(b));
            prop_assert_eq!(reader.u32("c"), Ok(c));
            prop_assert_eq!(reader.u64("d"), Ok(d));
            prop_assert_eq!(reader.i64("e"), Ok(e));
            prop_assert_eq!(reader.f64("f").map(f64::to_bits), Ok(f));
            prop_assert_eq!(reader.varint("g"), Ok(g));
            prop_assert_eq!(reader.varint_i64("h"), Ok(h));
            prop_assert_eq!(reader.u128("i"), Ok(i));
            prop_assert_eq!(reader.prefixed("bytes"), Ok(&bytes[..]));
            prop_assert_eq!(reader.finish("end"), Ok(()));
        }
    }
}
