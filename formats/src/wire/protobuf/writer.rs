//! Functions that append one field each to a message.
//!
//! Fields with the value zero are left out, as proto3 does. A double is zero only when all of its bits are,
//! so that `-0.0` arrives as it was.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

/// Appends a varint without a tag.
#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits, or below 128")]
pub(crate) fn put_varint(buf: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buf.push(value as u8 | 0x80);
        value >>= 7;
    }
    buf.push(value as u8);
}

/// Appends a `uint32`, `uint64` or enum.
pub(crate) fn put_unsigned(buf: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_tag(buf, number, VARINT);
        put_varint(buf, value);
    }
}

/// Appends an `int64`.
pub(crate) fn put_signed(buf: &mut Vec<u8>, number: u32, value: i64) {
    put_unsigned(buf, number, value.cast_unsigned());
}

/// Appends a `bool`.
pub(crate) fn put_bool(buf: &mut Vec<u8>, number: u32, value: bool) {
    put_unsigned(buf, number, u64::from(value));
}

/// Appends a `sint32` or `sint64`.
pub(crate) fn put_zigzag(buf: &mut Vec<u8>, number: u32, value: i64) {
    put_unsigned(buf, number, zigzag(value));
}

/// Appends a `double`.
pub(crate) fn put_double(buf: &mut Vec<u8>, number: u32, value: f64) {
    if value.to_bits() != 0 {
        put_tag(buf, number, FIXED64);
        buf.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a `string` or `bytes`.
pub(crate) fn put_bytes(buf: &mut Vec<u8>, number: u32, value: &[u8]) {
    if !value.is_empty() {
        put_repeated_bytes(buf, number, value);
    }
}

/// Appends one element of a repeated `string` or `bytes`; an empty one counts too.
pub(crate) fn put_repeated_bytes(buf: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_tag(buf, number, LENGTH_DELIMITED);
    put_varint(buf, value.len() as u64);
    buf.extend_from_slice(value);
}

/// Appends a message, or anything else whose length comes first, that `write` appends to the buffer.
///
/// The length is known only afterwards, so it is appended too and then rotated to the front.
pub(crate) fn put_message(buf: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_tag(buf, number, LENGTH_DELIMITED);
    let start = buf.len();
    write(buf);
    let len = buf.len() - start;
    put_varint(buf, len as u64);
    let prefix_len = buf.len() - start - len;
    if let Some(message) = buf.get_mut(start..) {
        message.rotate_right(prefix_len);
    }
}

/// ZigZag: small numbers of either sign become small.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn put_tag(buf: &mut Vec<u8>, number: u32, wire_type: u64) {
    put_varint(buf, u64::from(number) << 3 | wire_type);
}
