//! Integers of one width, one behind the other.
//!
//! A full run of at most 32 bits is laid out for SIMD, as `BitPacker4x` of the crate `bitpacking` has it: value `i`
//! goes to lane `i % 4`; each lane is a stream of 32-bit words, low bits first; the words of the lanes take turns.
//! Anything else is one stream of bytes, low bits first.

use bitpacking::{BitPacker, BitPacker4x};

use super::RUN;

/// The widest values of the lanes.
const LANE_WIDTH_MAX: u8 = 32;
/// The widest values that one load of 64 bits has whole, wherever in a byte they start.
const LOAD_WIDTH_MAX: u8 = 57;

const _: () = assert!(RUN == BitPacker4x::BLOCK_LEN);

/// Bytes of `count` values of `width` bits.
#[inline]
pub(super) const fn packed_bytes(count: usize, width: u8) -> usize {
    (count * width as usize).div_ceil(8)
}

/// The `width` low bits.
#[inline]
pub(super) const fn low_mask(width: u8) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Appends `values`, which have no bits above `width`.
pub(super) fn pack(values: &[u64], width: u8, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + packed_bytes(values.len(), width), 0);
    let packed = out.get_mut(start..).unwrap_or_default();
    if let Some(values) = full_run(values, width) {
        let mut lanes = [0_u32; RUN];
        lanes.iter_mut().zip(values).for_each(|(lane, &value)| *lane = lower_half(value));
        BitPacker4x::new().compress(&lanes, packed, width);
    } else {
        pack_stream(values, width, packed);
    }
}

/// Writes `base` plus each of the packed values to `out`; `packed` has exactly their bytes.
#[inline]
pub(super) fn unpack(packed: &[u8], width: u8, base: i64, out: &mut [i64]) {
    if width == 0 {
        out.fill(base);
    } else if width <= LANE_WIDTH_MAX && out.len() == RUN {
        let mut lanes = [0_u32; RUN];
        BitPacker4x::new().decompress(packed, &mut lanes, width);
        out.iter_mut().zip(&lanes).for_each(|(slot, &lane)| *slot = base.wrapping_add(i64::from(lane)));
    } else if width <= LOAD_WIDTH_MAX {
        unpack_stream(packed, width, base, out);
    } else {
        unpack_wide_stream(packed, width, base, out);
    }
}

fn full_run(values: &[u64], width: u8) -> Option<&[u64; RUN]> {
    values.as_array().filter(|_| width <= LANE_WIDTH_MAX)
}

fn pack_stream(values: &[u64], width: u8, packed: &mut [u8]) {
    let mut bytes = packed.iter_mut();
    let (mut pending, mut pending_bits) = (0_u128, 0);
    for &value in values {
        pending |= u128::from(value) << pending_bits;
        pending_bits += u32::from(width);
        while pending_bits >= 8 {
            put_byte(&mut bytes, pending);
            pending >>= 8;
            pending_bits -= 8;
        }
    }
    if pending_bits > 0 {
        put_byte(&mut bytes, pending);
    }
}

fn put_byte<'a>(bytes: &mut impl Iterator<Item = &'a mut u8>, pending: u128) {
    if let (Some(byte), [low, ..]) = (bytes.next(), pending.to_le_bytes()) {
        *byte = low;
    }
}

fn unpack_stream(packed: &[u8], width: u8, base: i64, out: &mut [i64]) {
    let mask = low_mask(width);
    let mut position = 0;
    for slot in out {
        let tail = packed.get(position / 8..).unwrap_or_default();
        let word = u64::from_le_bytes(first_bytes(tail)) >> (position % 8);
        *slot = base.wrapping_add((word & mask).cast_signed());
        position += usize::from(width);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is masked, the upper one belongs to others"
)]
fn unpack_wide_stream(packed: &[u8], width: u8, base: i64, out: &mut [i64]) {
    let mask = low_mask(width);
    let mut position = 0;
    for slot in out {
        let tail = packed.get(position / 8..).unwrap_or_default();
        let word = (u128::from_le_bytes(first_bytes(tail)) >> (position % 8)) as u64;
        *slot = base.wrapping_add((word & mask).cast_signed());
        position += usize::from(width);
    }
}

/// The first bytes of `tail`, with zeros behind its end.
#[inline]
fn first_bytes<const N: usize>(tail: &[u8]) -> [u8; N] {
    match tail.first_chunk() {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; N];
            bytes.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            bytes
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "called with values of at most 32 bits")]
const fn lower_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_begin_with_the_low_bits() {
        let mut out = vec![0xee];
        pack(&[1, 2, 3], 3, &mut out);
        assert_eq!(out, [0xee, 0b1101_0001, 0]);
    }

    #[test]
    fn lanes_take_turns() {
        let mut values = [0; RUN];
        (values[0], values[1], values[4], values[127]) = (1, 2, 3, 0xf);
        let mut out = Vec::new();
        pack(&values, 4, &mut out);
        assert_eq!(out.len(), 64);
        assert_eq!(out[..8], [0x31, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(out[63], 0xf0);
    }

    #[test]
    fn both_layouts_take_the_same_room() {
        for width in 0..=64 {
            assert_eq!(packed_bytes(RUN, width), 16 * usize::from(width));
        }
        assert_eq!(packed_bytes(3, 3), 2);
    }
}
