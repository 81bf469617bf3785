//! Integers of variable width, as histogram chunks have them: a unary class, then 0 to 64 bits.
//!
//! Eight classes (3, 6, 9, 12, 18, 25, 56 and 64 bits) behind a prefix of as many ones as the class has
//! predecessors; a single 0 is the value 0.

use super::xor::{fits, signed};
use crate::DecodeError;
use crate::bits::{BitReader, Bits, high_bits};

/// Bits of the value in each class below the last.
const WIDTHS: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];
/// The prefix of the last class is eight ones, with no zero behind them.
const LAST_PREFIX_BITS: u32 = 8;

/// The bits of an unsigned value.
pub(super) fn unsigned_bits(value: u64) -> Bits {
    if value == 0 {
        return Bits::low(0, 1);
    }
    classify(value, |width| value >> width == 0)
}

/// The bits of a signed value.
pub(super) fn signed_bits(value: i64) -> Bits {
    if value == 0 {
        return Bits::low(0, 1);
    }
    classify(value.cast_unsigned(), |width| fits(value, width))
}

fn classify(value: u64, fits: impl Fn(u32) -> bool) -> Bits {
    for (width, prefix_bits) in WIDTHS.into_iter().zip(2..) {
        if fits(width) {
            // Ones, closed by a zero.
            return Bits::low(u64::MAX << 1, prefix_bits).then(Bits::low(value, width));
        }
    }
    Bits::low(u64::MAX, LAST_PREFIX_BITS).then(Bits::low(value, 64))
}

/// Reads what [`unsigned_bits`] wrote.
#[inline]
pub(super) fn read_unsigned(reader: &mut BitReader<'_>, what: &'static str) -> Result<u64, DecodeError> {
    read(reader, what).map(|(bits, _)| bits)
}

/// Reads what [`signed_bits`] wrote.
#[inline]
pub(super) fn read_signed(reader: &mut BitReader<'_>, what: &'static str) -> Result<i64, DecodeError> {
    read(reader, what).map(|(bits, width)| match width {
        0 => 0,
        64 => bits.cast_signed(),
        _ => signed(bits, width),
    })
}

/// The bits of a value, and the width of its class.
#[inline]
fn read(reader: &mut BitReader<'_>, what: &'static str) -> Result<(u64, u32), DecodeError> {
    let word = reader.peek();
    let ones = word.leading_ones();
    let (prefix, width) = match ones {
        0 => (1, 0),
        1..=7 => (ones + 1, WIDTHS.get(ones as usize - 1).copied().unwrap_or_default()),
        _ => (LAST_PREFIX_BITS, 64),
    };
    let bits = if width <= 25 {
        reader.skip(prefix + width);
        high_bits(word << prefix, width)
    } else {
        reader.skip(prefix);
        reader.take(width)
    };
    reader.check(what).map(|()| (bits, width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bits::BitWriter;
    use crate::test_config::config;

    #[test]
    fn borders_of_the_classes() {
        for (value, bits) in [(0, 1), (4, 5), (-3, 5), (5, 9), (-4, 9), (32, 9), (33, 13), (i64::MIN, 72)] {
            assert_eq!(signed_bits(value).count, bits, "{value}");
        }
        for (value, bits) in [(0, 1), (7, 5), (8, 9), (63, 9), (1 << 56, 72), ((1 << 56) - 1, 64)] {
            assert_eq!(unsigned_bits(value).count, bits, "{value}");
        }
        assert_eq!(signed_bits(1), Bits { value: 0b10_001, count: 5 });
        assert_eq!(unsigned_bits(8), Bits { value: 0b110_001000, count: 9 });
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/varbit.txt")))]

        #[test]
        fn round_trips(value: u64, shift in 0_u32..64, lead in 0_u32..8) {
            for value in [value >> shift, !(value >> shift)] {
                let mut writer = BitWriter::default();
                writer.put(Bits::low(0, lead));
                writer.put(unsigned_bits(value));
                writer.put(signed_bits(value.cast_signed()));
                let mut reader = BitReader::new(writer.bytes(), 0);
                reader.skip(lead);
                prop_assert_eq!(read_unsigned(&mut reader, "u"), Ok(value));
                prop_assert_eq!(read_signed(&mut reader, "s"), Ok(value.cast_signed()));
                prop_assert_eq!(reader.remaining() < 8, true);
            }
        }
    }
}
