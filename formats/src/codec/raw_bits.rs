//! Floats as the integers that their bits are: for columns that are not decimal, such as sums of doubles.
//!
//! Neighbours of one sign and magnitude have bits that are near each other, and so small differences. The bits of
//! negative numbers are turned round, so that integers are in the order of the numbers.

use super::bitpack::RUN;
use super::integers::{self, Runs};
use crate::DecodeError;
use crate::cursor::Reader;

/// Appends the column of `values` to `out`.
pub fn encode(values: &[f64], out: &mut Vec<u8>) {
    let ordered: Vec<i64> = values.iter().map(|value| ordered(value.to_bits().cast_signed())).collect();
    integers::encode(&ordered, out);
}

/// Appends the `count` values of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let before = out.len();
    out.resize(before + count, 0.0);
    let slots = out.get_mut(before..).unwrap_or_default();
    fill(bytes, slots).inspect_err(|_| out.truncate(before))
}

fn fill(bytes: &[u8], out: &mut [f64]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    if !out.is_empty() {
        let mut runs = Runs::new(&mut reader)?;
        let mut run = [0; RUN];
        for slots in out.chunks_mut(RUN) {
            let integers = run.get_mut(..slots.len()).unwrap_or_default();
            runs.next(&mut reader, integers)?;
            for (slot, &integer) in slots.iter_mut().zip(&*integers) {
                *slot = f64::from_bits(ordered(integer).cast_unsigned());
            }
        }
    }
    reader.finish("end of raw values")
}

/// Turns the order of negative numbers round, and back.
#[inline]
const fn ordered(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_in_the_order_of_the_numbers() {
        let numbers = [f64::NEG_INFINITY, -2.0, -1.0, -f64::MIN_POSITIVE, -0.0, 0.0, 1.0, 1.5, f64::INFINITY];
        let integers = numbers.map(|number| ordered(number.to_bits().cast_signed()));
        assert!(integers.is_sorted(), "{integers:?}");
        assert_eq!(integers[4] + 1, integers[5]);
    }

    #[test]
    fn a_smooth_sum_takes_the_bits_of_its_steps() {
        let sums: Vec<f64> =
            (0..128).map(|n| 1e6 + f64::from(n * n % 97).sqrt() + f64::from(n) * 7.3).collect();
        let mut out = Vec::new();
        encode(&sums, &mut out);
        assert!(out.len() < 128 * 5, "{}", out.len());
        let mut decoded = Vec::new();
        decode(&out, 128, &mut decoded).unwrap();
        assert_eq!(decoded, sums);
    }
}
