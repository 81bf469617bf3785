//! One value as an integer and a correction, and back.

/// `1.5 * 2^52`. A float of this size has no fraction and, in its low bits, the integer that was added to it.
///
/// Rounding and converting with it are two instructions, and loops of them vectorise on every machine; the
/// conversions of the language do not on many.
const SHIFTER: f64 = 6_755_399_441_055_744.0;
/// Integers are less than this in magnitude, so that the shifter works.
const INTEGER_END: u64 = 1 << 51;
/// The greatest correction. More is no rounding noise of a decimal number but another number.
const CORRECTION_MAX: u64 = 127;
/// 10 to the power of each exponent, all exact.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A value as `integer / 10^exponent`, and how many representable numbers it is away from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) integer: i64,
    pub(super) correction: i64,
}

/// What leads from a column's integers to its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// 10 to the power of the exponent.
    power: f64,
    /// What integers are multiplied by.
    pub(super) factor: i64,
    /// What is added to them then.
    pub(super) offset: i64,
}

impl Scale {
    /// The scale of `exponent`, at most 15, with no factor.
    pub(super) fn new(exponent: u8) -> Self {
        let power = POWERS.get(usize::from(exponent)).copied().unwrap_or(1.0);
        Self { power, factor: 1, offset: 0 }
    }

    /// `value` as a decimal number of this scale, if it is one. Factor and offset are left alone.
    #[inline]
    pub(super) fn split(&self, value: f64) -> Option<Split> {
        // For numbers that are none, or too large, this is nonsense, which the next lines find out.
        let shifted = value * self.power + SHIFTER;
        let integer = shifted.to_bits().wrapping_sub(SHIFTER.to_bits()).cast_signed();
        let back = to_float(integer) / self.power;
        let correction = value.to_bits().wrapping_sub(back.to_bits()).cast_signed();
        let fits = integer.unsigned_abs() < INTEGER_END && correction.unsigned_abs() <= CORRECTION_MAX;
        fits.then_some(Split { integer, correction })
    }

    /// Appends the values of `integers` to `out`; the integers are lost.
    #[inline]
    pub(super) fn join(&self, integers: &mut [i64], out: &mut Vec<f64>) {
        if self.factor != 1 || self.offset != 0 {
            for integer in &mut *integers {
                *integer = integer.wrapping_mul(self.factor).wrapping_add(self.offset);
            }
        }
        // Division by one is exact, and as slow as any.
        if self.power == 1.0 {
            out.extend(integers.iter().map(|integer| to_float(*integer)));
        } else {
            out.extend(integers.iter().map(|integer| to_float(*integer) / self.power));
        }
    }
}

/// The float that is `by` representable numbers further from zero than `value`.
#[inline]
pub(super) const fn corrected(value: f64, by: i64) -> f64 {
    f64::from_bits(value.to_bits().wrapping_add_signed(by))
}

/// The integer as a float; any float for an integer that no encoder writes.
#[inline]
fn to_float(integer: i64) -> f64 {
    f64::from_bits(SHIFTER.to_bits().wrapping_add_signed(integer)) - SHIFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(value: f64, exponent: u8) -> Option<(i64, i64)> {
        Scale::new(exponent).split(value).map(|split| (split.integer, split.correction))
    }

    #[test]
    fn decimals_and_their_noise() {
        assert_eq!(split(0.3, 1), Some((3, 0)));
        assert_eq!(split(0.1 + 0.2, 1), Some((3, 1)));
        assert_eq!(split(-13.334000000000001, 3), Some((-13_334, 1)));
        assert_eq!(split(13.334, 2), None);
        assert_eq!(split(0.0, 15), Some((0, 0)));
        assert_eq!(split(2_251_799_813_685_247.0, 0), Some((2_251_799_813_685_247, 0)));
    }

    #[test]
    fn what_is_not_decimal() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let others =
            [-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, stale, 2_251_799_813_685_248.0, 1e300];
        for value in others {
            for exponent in 0..16 {
                assert_eq!(split(value, exponent), None, "{value}");
            }
        }
    }

    #[test]
    fn every_split_leads_back() {
        let mut bits = 1_u64;
        // Interpreted it would take an hour.
        for n in 0..if cfg!(miri) { 20 } else { 20_000_u64 } {
            bits = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(n);
            // Magnitudes from 2^-63 to 2^64.
            let value = f64::from_bits((bits & !(0x780 << 52)) | 0x3c0 << 52);
            for exponent in 0..16 {
                let scale = Scale::new(exponent);
                if let Some(Split { integer, correction }) = scale.split(value) {
                    let mut out = Vec::new();
                    scale.join(&mut [integer], &mut out);
                    assert_eq!(corrected(out[0], correction).to_bits(), value.to_bits());
                }
            }
        }
    }
}
