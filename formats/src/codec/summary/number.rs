//! A float as a decimal integer: `value = integer / 10^exponent`, or a few representable numbers away from that.
//!
//! As in [`crate::codec::decimal`], but for the few floats of a summary, which need no search over a column.

/// Powers of ten that a float holds exactly, and more decimal places than anybody prints.
const POWERS: [f64; Exponent::MAX as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];
/// Integers below this, 2^53, are floats, too.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
/// Corrections beyond this are no rounding errors.
const CORRECTION_MAX: u64 = 63;

/// A number of decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exponent(u8);

/// A float as an integer, and what arithmetic left in the last bits, in representable numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) integer: i64,
    pub(super) correction: i64,
}

impl Exponent {
    pub(super) const MAX: u8 = 14;

    pub(super) const fn new(exponent: u8) -> Option<Self> {
        if exponent <= Self::MAX { Some(Self(exponent)) } else { None }
    }

    pub(super) const fn as_u8(self) -> u8 {
        self.0
    }

    /// The least exponent with which all of `values` are integers; corrections are allowed only if `corrected`.
    pub(super) fn of(values: &[f64], corrected: bool) -> Option<Self> {
        let mut from = 0;
        for value in values {
            let fits = |number: Number| corrected || number.correction == 0;
            from = (from..=Self::MAX).find(|exponent| Self(*exponent).split(*value).is_some_and(fits))?;
        }
        let found = Self(from);
        // A later value may have asked for more places than an earlier one still has room for.
        let fits = |number: Number| corrected || number.correction == 0;
        values.iter().all(|value| found.split(*value).is_some_and(fits)).then_some(found)
    }

    /// The number that [`Self::join`] makes `value` of.
    pub(super) fn split(self, value: f64) -> Option<Number> {
        let scaled = (value * self.power()).round();
        if scaled.abs() > INTEGER_MAX || scaled.is_nan() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let integer = scaled as i64;
        // Of the same sign, so that the distance of the bits is that of the numbers.
        let near = integer as f64 / self.power();
        let correction = value.to_bits().cast_signed().wrapping_sub(near.to_bits().cast_signed());
        let number = Number { integer, correction };
        (correction.unsigned_abs() <= CORRECTION_MAX && self.join(number).to_bits() == value.to_bits())
            .then_some(number)
    }

    /// The float that stands for `number`.
    pub(super) fn join(self, number: Number) -> f64 {
        let near = number.integer as f64 / self.power();
        f64::from_bits(near.to_bits().wrapping_add_signed(number.correction))
    }

    fn power(self) -> f64 {
        POWERS.get(usize::from(self.0)).copied().unwrap_or(1.0)
    }
}
