//! How many decimal places a column has, found out from some of its values.

use super::number::{Scale, Split};

/// The most decimal places: one more, and every number below one has too many digits.
const EXPONENT_MAX: u8 = 15;
/// Values that are looked at.
const SAMPLES: usize = 64;
/// Large and prime, for picking values without a period.
const STRIDE: usize = 7_919;
/// One in so many may need more decimal places: those become exceptions.
const ODD_ONES: usize = 50;

/// The exponent of `values`; `None` when they do not look decimal.
pub(super) fn of_column(values: &[f64]) -> Option<u8> {
    let step = values.len().div_ceil(SAMPLES).max(1);
    let mut with_exponent = [0_usize; EXPONENT_MAX as usize + 1];
    let (mut samples, mut strange, mut guess) = (0, 0, 0);
    for (number, stretch) in values.chunks(step).enumerate() {
        // Anywhere in the stretch, so that a column that alternates is not seen one-sided.
        let Some(&value) = stretch.get(number * STRIDE % stretch.len()) else { break };
        samples += 1;
        match of_value(value, guess) {
            Some(exponent) => {
                guess = exponent;
                if let Some(count) = with_exponent.get_mut(usize::from(exponent)) {
                    *count += 1;
                }
            }
            None => strange += 1,
        }
        // Full doubles are the slowest to look at, and soon known.
        if samples == SAMPLES / 4 && strange > SAMPLES / 8 {
            return None;
        }
    }
    if strange * 4 > samples {
        return None;
    }
    let mut odd = 0;
    for (exponent, count) in (0..=EXPONENT_MAX).zip(with_exponent).rev() {
        odd += count;
        if odd > samples / ODD_ONES {
            return Some(exponent);
        }
    }
    None
}

/// The least exponent that `value` is decimal with. `guess` is tried first; it is right for most values of a column.
fn of_value(value: f64, guess: u8) -> Option<u8> {
    if !is_decimal(value, guess) {
        return (0..=EXPONENT_MAX).find(|&exponent| is_decimal(value, exponent));
    }
    let fewer = (0..guess).rev().take_while(|&exponent| is_decimal(value, exponent));
    Some(fewer.last().unwrap_or(guess))
}

/// Whether `value` has that few digits by nature, and not only because there are so many decimal numbers that one
/// is always near: the shorter the number, the more of a correction is believed.
fn is_decimal(value: f64, exponent: u8) -> bool {
    Scale::new(exponent).split(value).is_some_and(|Split { integer, correction }| {
        let digits_end = match correction.unsigned_abs() {
            0 if exponent == 0 => 1 << 51,
            0 => 1 << 49,
            1..=4 => 1 << 42,
            _ => 1 << 36,
        };
        integer.unsigned_abs() < digits_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_most_values() {
        let cents: Vec<f64> = (0..200).map(|n| f64::from(n) / 100.0).collect();
        assert_eq!(of_column(&cents), Some(2));
        let tens: Vec<f64> = (0..200).map(|n| f64::from(n) / 10.0).collect();
        assert_eq!(of_column(&tens), Some(1));
        assert_eq!(of_column(&[5e9, 1e15, 0.0]), Some(0));
        assert_eq!(of_column(&[]), None);
        let alternating: Vec<f64> = (0..128).map(|n| f64::from(n) / 2.0).collect();
        assert_eq!(of_column(&alternating), Some(1));
    }

    #[test]
    fn one_odd_value_does_not_decide() {
        let mut values = vec![1.5; 64];
        values[7] = 0.123_456_789;
        assert_eq!(of_column(&values), Some(1));
        values[20] = 0.123_456_789;
        assert_eq!(of_column(&values), Some(9));
    }

    #[test]
    fn full_doubles_are_not_decimal() {
        let roots: Vec<f64> = (0..500).map(|n| f64::from(n * 2 + 3).sqrt()).collect();
        assert_eq!(of_column(&roots), None);
        assert_eq!(of_column(&[f64::NAN; 9]), None);
    }
}
