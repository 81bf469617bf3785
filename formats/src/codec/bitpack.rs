//! A run of up to 128 integers as their distances from a base, in as few bits each as pays, with patches for those
//! that need more (as in PFOR: Zukowski et al., ICDE 2006).
//!
//! * `plan`: which base and width cost least
//! * `pack`: integers of one width, one behind the other
//!
//! Layout: width (6 bits would do for none but 64; bit 7 says that patches follow), base as a signed varint, the low
//! bits of all distances, then for the patches their count, a position each, and as a signed varint each what is
//! above the low bits. A patch may lie below the base: its upper part is negative then.

mod pack;
mod plan;

use crate::DecodeError;
use crate::cursor::{Reader, Writer};

use pack::{low_mask, pack, packed_bytes, unpack};
use plan::Plan;
pub(crate) use plan::estimate;

/// The most integers of a run.
pub const RUN: usize = 128;
/// Flag in the width's byte: patches follow.
const PATCHED: u8 = 0x80;

/// Appends the run of `values`, at most [`RUN`].
///
/// # Panics
/// When there are more: their positions would not fit.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    assert!(values.len() <= RUN, "a run has at most {RUN} values");
    let Plan { base, width } = Plan::of(values);
    let mut low = [0_u64; RUN];
    let mut patches: [(u8, i64); RUN] = [(0, 0); RUN];
    let mut patch_count = 0_u8;
    let slots = low.iter_mut().zip(values).zip(0_u8..);
    for ((slot, &value), position) in slots {
        let distance = value.wrapping_sub(base);
        *slot = distance.cast_unsigned() & low_mask(width);
        if !plan::fits(distance, width)
            && let Some(patch) = patches.get_mut(usize::from(patch_count))
        {
            *patch = (position, distance >> width);
            patch_count += 1;
        }
    }
    let mut writer = Writer::new(out);
    writer.u8(width | if patch_count > 0 { PATCHED } else { 0 });
    writer.varint_i64(base);
    pack(low.get(..values.len()).unwrap_or_default(), width, out);
    if patch_count > 0 {
        let patches = patches.get(..usize::from(patch_count)).unwrap_or_default();
        let mut writer = Writer::new(out);
        writer.u8(patch_count);
        patches.iter().for_each(|&(position, _)| writer.u8(position));
        patches.iter().for_each(|&(_, upper)| writer.varint_i64(upper));
    }
}

/// Reads a run into `out`, which has one slot, at most [`RUN`], for each of its integers.
///
/// # Errors
/// When the bytes are no run of that many; what is in `out` is then undefined.
#[inline]
pub fn decode(reader: &mut Reader<'_>, out: &mut [i64]) -> Result<(), DecodeError> {
    let header = reader.u8("run width")?;
    let width = header & !PATCHED;
    if width > 64 || out.len() > RUN {
        return Err(reader.error("run width"));
    }
    let base = reader.varint_i64("run base")?;
    let packed = reader.take(packed_bytes(out.len(), width), "run values")?;
    unpack(packed, width, base, out);
    if header & PATCHED != 0 { patch(reader, width, out) } else { Ok(()) }
}

/// Passes over a run of `count` integers, at most [`RUN`].
///
/// # Errors
/// When the bytes are no run of that many.
pub(crate) fn skip(reader: &mut Reader<'_>, count: usize) -> Result<(), DecodeError> {
    let header = reader.u8("run width")?;
    reader.varint_i64("run base")?;
    reader.take(packed_bytes(count, header & !PATCHED), "run values")?;
    if header & PATCHED != 0 {
        let patches = reader.u8("patch count")?;
        reader.take(usize::from(patches), "patch positions")?;
        for _ in 0..patches {
            reader.varint_i64("patch")?;
        }
    }
    Ok(())
}

/// Adds the upper parts to the patched values.
fn patch(reader: &mut Reader<'_>, width: u8, out: &mut [i64]) -> Result<(), DecodeError> {
    let count = usize::from(reader.u8("patch count")?);
    let positions = reader.take(count, "patch positions")?;
    for &position in positions {
        let upper = reader.varint_i64("patch")?;
        let slot = out.get_mut(usize::from(position)).ok_or(reader.error("patch position"))?;
        // Nothing is above 64 bits, so such a patch is none.
        let upper = upper.checked_shl(u32::from(width)).ok_or(reader.error("patch"))?;
        *slot = slot.wrapping_add(upper);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn encoded(values: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values, &mut out);
        out
    }

    fn decoded(bytes: &[u8], count: usize) -> Result<Vec<i64>, DecodeError> {
        let mut out = vec![0; count];
        let mut reader = Reader::new(bytes);
        decode(&mut reader, &mut out)?;
        reader.finish("end of run").map(|()| out)
    }

    #[test]
    fn equal_values_take_no_bits() {
        assert_eq!(encoded(&[7; 128]), [0, 14]);
        assert_eq!(decoded(&[0, 14], 128), Ok(vec![7; 128]));
        assert_eq!(encoded(&[]), [0, 0]);
    }

    #[test]
    fn outliers_on_both_sides_are_patched() {
        let mut values: Vec<i64> = (0..128).map(|n| 1_000 + n % 8).collect();
        values[3] = i64::MAX;
        values[70] = i64::MIN;
        values[90] = -5_000_000;
        let bytes = encoded(&values);
        assert_eq!(bytes[0], 3 | PATCHED);
        assert_eq!(bytes.len(), 1 + 2 + 3 * 16 + 1 + 3 + 9 + 9 + 3);
        assert_eq!(decoded(&bytes, 128), Ok(values));
    }

    #[test]
    fn damage_is_an_error() {
        assert_eq!(decoded(&[], 1), Err(DecodeError::new("run width", 0)));
        assert_eq!(decoded(&[65, 0], 0), Err(DecodeError::new("run width", 1)));
        assert_eq!(decoded(&[3, 0], 1), Err(DecodeError::new("run values", 2)));
        let patched = |position| [PATCHED, 0, 1, position, 2];
        assert_eq!(decoded(&patched(0), 1), Ok(vec![1]));
        assert_eq!(decoded(&patched(1), 1), Err(DecodeError::new("patch position", 5)));
        let wide = [&[64 | PATCHED, 0][..], &[0; 8], &[1, 0, 2]].concat();
        assert_eq!(decoded(&wide, 1), Err(DecodeError::new("patch", 13)));
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/bitpack.txt")))]

        #[test]
        fn round_trips(
            values in vec(any::<i64>(), 0..=RUN), shift in 0_u32..64, base: i64, outliers in vec((0..RUN, any::<i64>()), 0..6),
        ) {
            let mut values: Vec<i64> = values.iter().map(|value| base.wrapping_add(value >> shift)).collect();
            for (position, value) in outliers {
                if let Some(slot) = values.get_mut(position) {
                    *slot = value;
                }
            }
            prop_assert_eq!(decoded(&encoded(&values), values.len()), Ok(values));
        }

        #[test]
        fn full_runs_of_every_width_round_trip(values in vec(any::<u64>(), RUN), width in 0_u32..=64) {
            let values: Vec<i64> =
                values.iter().map(|value| value.checked_shr(64 - width).unwrap_or(0).cast_signed()).collect();
            let bytes = encoded(&values);
            // Never more than the values in their width, the header, and the base.
            prop_assert!(bytes.len() <= 16 * width as usize + 11);
            prop_assert_eq!(decoded(&bytes, RUN), Ok(values));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), count in 0..=RUN) {
            if let Ok(values) = decoded(&bytes, count) {
                prop_assert_eq!(values.len(), count);
            }
        }
    }
}
