//! Streams of bits, most significant bit first, as Gorilla and Prometheus's chunks use them.
//!
//! The reader looks at 57 bits or more with one unaligned load; the writers place up to 120 bits at once. Both
//! keep a position in bits and no cache, so that a stream can be left and taken up again at any bit.

use crate::DecodeError;

/// Bits that [`BitReader::peek`] holds at least, when the stream has as many left.
pub const PEEK_BITS: u32 = 57;
/// The most bits that [`put_at`] places at once: 128 less the bits of the byte it starts in.
pub const PUT_BITS_MAX: u32 = 120;

/// Up to [`PUT_BITS_MAX`] bits on their way into a stream, in the low bits of `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bits {
    /// The bits; those above `count` are zero.
    pub value: u128,
    /// How many of them count.
    pub count: u32,
}

impl Bits {
    /// The low `count` bits of `value`, which may have others set.
    #[inline]
    #[must_use]
    pub const fn low(value: u64, count: u32) -> Self {
        let kept = if count >= 64 { value } else { value & ((1 << count) - 1) };
        Self { value: kept as u128, count }
    }

    /// These bits followed by `next`.
    #[inline]
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        Self { value: (self.value << next.count) | next.value, count: self.count + next.count }
    }
}

/// Writes `bits` at bit `position` of `buf`, and zeros to the end of the last byte.
///
/// What `buf` holds behind that byte is lost (up to 15 bytes): a store of a fixed width is several times
/// as fast as one of just the bytes needed, and streams are only ever written at their end.
///
/// # Panics
/// When `buf` is too short, or there are more than [`PUT_BITS_MAX`] bits: a chunk must not be left half written.
#[inline]
pub fn put_at(buf: &mut [u8], position: usize, bits: Bits) {
    let Bits { value, count } = bits;
    if count == 0 {
        return;
    }
    assert!(count <= PUT_BITS_MAX, "at most {PUT_BITS_MAX} bits are written at once");
    let taken = position % 8;
    let length = (taken + count as usize).div_ceil(8);
    let out = buf.get_mut(position / 8..).filter(|out| length <= out.len());
    let out = out.expect("the caller leaves room for the bits");
    // What is below the bits already written is padding, and not always zero in chunks of others.
    let before = out.first().map_or(0, |first| first & !(0xff >> taken));
    let word = (value << (128 - count)) >> taken | u128::from(before) << 120;
    let [upper @ .., _, _, _, _, _, _, _, _] = word.to_be_bytes();
    if length <= 8
        && let Some(out) = out.first_chunk_mut()
    {
        *out = upper;
    } else if let Some(out) = out.first_chunk_mut() {
        *out = word.to_be_bytes();
    } else {
        copy_prefix(out, &word.to_be_bytes());
    }
}

fn copy_prefix(out: &mut [u8], bytes: &[u8]) {
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
}

/// A growing stream of bits behind a header of whole bytes.
#[derive(Debug, Clone, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    position: usize,
}

impl BitWriter {
    /// A stream that begins behind the bytes of `header`.
    #[must_use]
    pub fn new(header: Vec<u8>) -> Self {
        Self { position: header.len() * 8, bytes: header }
    }

    /// A stream that goes on at bit `position` of `bytes`; what is behind it is dropped.
    #[must_use]
    pub fn resume(mut bytes: Vec<u8>, position: usize) -> Self {
        bytes.truncate(position.div_ceil(8));
        Self { position: position.min(bytes.len() * 8), bytes }
    }

    /// Appends `bits`.
    #[inline]
    pub fn put(&mut self, bits: Bits) {
        let end = self.position + bits.count as usize;
        // Room for the widest store; truncating keeps the capacity.
        self.bytes.resize(end.div_ceil(8) + 16, 0);
        put_at(&mut self.bytes, self.position, bits);
        self.bytes.truncate(end.div_ceil(8));
        self.position = end;
    }

    /// The bytes so far; unused bits of the last one are zero.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes so far, to patch a header in.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The stream's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads bits from the front of a byte slice.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at byte `offset` of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, position: offset * 8 }
    }

    /// Offset of the next bit from the start of the input.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bits that are left.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.position)
    }

    /// An error for `what` at the current position.
    #[cold]
    #[must_use]
    pub const fn error(&self, what: &'static str) -> DecodeError {
        DecodeError::new(what, self.position / 8)
    }

    /// The next bits, from the top of the word down: at least [`PEEK_BITS`] of them, with zeros behind the end.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> u64 {
        let tail = self.bytes.get(self.position / 8..).unwrap_or_default();
        let word = match tail.first_chunk::<8>() {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => short_word(tail),
        };
        word << (self.position % 8)
    }

    /// Moves on by `count` bits, which may lie behind the end: [`BitReader::check`] tells.
    #[inline]
    pub const fn skip(&mut self, count: u32) {
        self.position += count as usize;
    }

    /// Passes when everything skipped so far was there.
    ///
    /// # Errors
    /// When the position is behind the end.
    #[inline]
    pub const fn check(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.position <= self.bytes.len() * 8 {
            Ok(())
        } else {
            Err(DecodeError::new(what, self.bytes.len()))
        }
    }

    /// The next `count` bits, at most 64, in the low bits of the answer; zeros behind the end.
    #[inline]
    pub fn take(&mut self, count: u32) -> u64 {
        if count <= PEEK_BITS {
            let bits = high_bits(self.peek(), count);
            self.skip(count);
            return bits;
        }
        let high = self.take(32);
        (high << (count - 32)) | self.take(count - 32)
    }

    /// The next `count` bits, at most 64.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn read(&mut self, count: u32, what: &'static str) -> Result<u64, DecodeError> {
        let bits = self.take(count);
        self.check(what).map(|()| bits)
    }

    /// An unsigned LEB128 integer that starts at any bit.
    ///
    /// # Errors
    /// When the bits end inside it, or it does not fit 64 bits.
    pub fn read_varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let byte = self.read(8, what)?;
            if index == 9 && byte > 1 {
                break;
            }
            value |= (byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(what))
    }
}

/// The `count` highest bits of `word`, at most 63 or none.
#[inline]
#[must_use]
pub const fn high_bits(word: u64, count: u32) -> u64 {
    // Two shifts, since a shift by 64 is not defined.
    (word >> 1) >> (63 - count)
}

#[cold]
fn short_word(tail: &[u8]) -> u64 {
    let mut bytes = [0_u8; 8];
    copy_prefix(&mut bytes, tail);
    u64::from_be_bytes(bytes)
}

/// The bits of `value` as an unsigned LEB128 integer.
#[must_use]
pub fn varint_bits(mut value: u64) -> Bits {
    let mut bits = Bits::default();
    while value >= 0x80 {
        bits = bits.then(Bits::low(value | 0x80, 8));
        value >>= 7;
    }
    bits.then(Bits::low(value, 8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    #[test]
    fn most_significant_bit_comes_first() {
        let mut writer = BitWriter::new(vec![0xaa]);
        writer.put(Bits::low(1, 1));
        writer.put(Bits::low(0b01, 2));
        writer.put(Bits::low(0xff, 8));
        assert_eq!(writer.bytes(), [0xaa, 0b1011_1111, 0b1110_0000]);
    }

    #[test]
    fn padding_of_others_is_overwritten() {
        let mut buf = [0xff, 0xff];
        put_at(&mut buf, 4, Bits::low(0, 2));
        assert_eq!(buf[0], 0xf0);
    }

    #[test]
    fn the_end_is_an_error_and_reads_as_zeros() {
        let mut reader = BitReader::new(&[0xff], 0);
        assert_eq!(reader.peek(), 0xff << 56);
        assert_eq!(reader.read(5, "x"), Ok(0x1f));
        assert_eq!(reader.read(4, "x"), Err(DecodeError::new("x", 1)));
        assert_eq!(BitReader::new(&[], 7).peek(), 0);
        assert_eq!(BitReader::new(&[0xff; 20], 0).read_varint("x"), Err(DecodeError::new("x", 10)));
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/bits.txt")))]

        #[test]
        fn round_trips(parts in proptest::collection::vec((any::<u64>(), 0_u32..=64), 0..40)) {
            let mut writer = BitWriter::new(Vec::new());
            let mut total = 0;
            for &(value, count) in &parts {
                writer.put(Bits::low(value, count));
                total += count as usize;
            }
            prop_assert_eq!(writer.bytes().len(), total.div_ceil(8));
            let mut reader = BitReader::new(writer.bytes(), 0);
            for &(value, count) in &parts {
                let expected = Bits::low(value, count).value;
                prop_assert_eq!(reader.read(count, "part").map(u128::from), Ok(expected));
            }
            prop_assert_eq!(reader.position(), total);
        }

        #[test]
        fn varints_round_trip(value: u64, shift in 0_u32..64, lead in 0_u32..8) {
            let value = value >> shift;
            let mut writer = BitWriter::new(Vec::new());
            writer.put(Bits::low(0, lead));
            writer.put(varint_bits(value));
            let mut reader = BitReader::new(writer.bytes(), 0);
            reader.skip(lead);
            prop_assert_eq!(reader.read_varint("v"), Ok(value));
        }

        #[test]
        fn a_stream_can_be_taken_up_again(first: u64, a in 0_u32..=64, second: u64, b in 0_u32..=64) {
            let mut whole = BitWriter::new(vec![1]);
            whole.put(Bits::low(first, a));
            let mut resumed = BitWriter::resume(whole.bytes().to_vec(), 8 + a as usize);
            whole.put(Bits::low(second, b));
            resumed.put(Bits::low(second, b));
            prop_assert_eq!(whole.bytes(), resumed.bytes());
        }
    }
}
