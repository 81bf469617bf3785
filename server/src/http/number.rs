//! Floats and times as Go prints them, for answers that must equal upstream's byte for byte: the fewest digits that read
//! back as the value, of those the closest to it, of two that are as close the even one.

use std::fmt::Write as _;

/// Appends a sample value: shortest decimal, with an exponent below 1e-6 and from 1e21 on.
pub(crate) fn push_value(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if value.is_finite() && magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        push_scientific(out, value);
    } else {
        push_plain(out, value);
    }
}

/// Appends a value that never has an exponent, as upstream prints scalars.
pub(crate) fn push_plain(out: &mut String, value: f64) {
    if let Some(integer) = whole(value) {
        push_integer(out, integer);
    } else if value.is_finite() {
        push_fraction(out, value);
    } else {
        out.push_str(special(value));
    }
}

/// Appends a finite value without an exponent: nearly all have none as it is.
fn push_fraction(out: &mut String, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let Some((mantissa, exponent)) = text.split_once('e') else {
        out.push_str(text.strip_suffix(".0").unwrap_or(text));
        return;
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    // Digits in front of the point.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    out.push_str(sign);
    match usize::try_from(point) {
        Ok(point @ 1..) if point >= digits.len() => push(out, format_args!("{digits:0<point$}")),
        Ok(point @ 1..) => push(out, format_args!("{}.{}", &digits[..point], &digits[point..])),
        _ => push(out, format_args!("0.{:0<1$}{digits}", "", point.unsigned_abs() as usize)),
    }
}

/// Appends a time in milliseconds as seconds: the fraction has three digits, or is left out when it is zero.
pub(crate) fn push_seconds(out: &mut String, ts: i64) {
    if ts < 0 {
        out.push('-');
    }
    let (seconds, millis) = (ts.unsigned_abs() / 1000, ts.unsigned_abs() % 1000);
    push_integer(out, seconds);
    if millis != 0 {
        push(out, format_args!(".{millis:03}"));
    }
}

/// Appends a time in milliseconds as seconds the way Go's encoder prints a float: no trailing zeros.
pub(crate) fn push_json_seconds(out: &mut String, ts: i64) {
    push_json_float(out, ts as f64 / 1000.0);
}

/// Appends a finite number as Go's JSON encoder does: like a sample value, but `1e-7`, not `1e-07`.
pub(crate) fn push_json_float(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if magnitude != 0.0 && magnitude < 1e-6 {
        out.push_str(zmij::Buffer::new().format_finite(value));
    } else {
        push_value(out, value);
    }
}

/// The usual `1e-7` with Go's sign and at least two digits in the exponent: `1e-07`.
fn push_scientific(out: &mut String, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    push(out, format_args!("{mantissa}e{exponent:+03}"));
}

fn special(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "+Inf",
        (false, false) => "-Inf",
    }
}

/// The value, if it is a whole number that is written with all its digits: most values are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by casting back")]
fn whole(value: f64) -> Option<u64> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let integer = value as u64;
    (value < WHOLE_MAX && (integer as f64).to_bits() == value.to_bits()).then_some(integer)
}

/// Appends an integer.
fn push_integer(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _: std::fmt::Result = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::FileFailurePersistence};

    use super::*;

    fn with(push: impl Fn(&mut String, f64), value: f64) -> String {
        let mut out = String::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn sample_values_switch_to_an_exponent_as_upstream() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e-6, "0.000001"),
            (9.9e-7, "9.9e-07"),
            (7.0, "7"),
            (10.0, "10"),
            (-7.0, "-7"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-2.5e300, "-2.5e+300"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (5e-324, "5e-324"),
            // As upstream prints them: both neighbours are as close.
            (1e15 + 0.25, "1000000000000000.2"),
            (-31_879_677_110_515.0 - 0.5625, "-31879677110515.562"),
        ];
        for (value, text) in cases {
            assert_eq!(with(push_value, value), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../proptest-regressions/server/number.txt"
            )))),
            cases: 20_000,
            ..ProptestConfig::default()
        })]

        #[test]
        fn values_read_back_with_as_many_digits_as_the_formatter_takes(
            bits in any::<u64>(), digits in -9_999_999_999_i64..9_999_999_999, power in -12..12_i32,
        ) {
            for value in [f64::from_bits(bits), digits as f64 / 10_f64.powi(power)] {
                for push in [push_plain, push_value, push_json_float] {
                    let text = with(push, value);
                    if value.is_finite() {
                        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
                    }
                }
                if value.is_finite() {
                    // The formatter rounds ties up.
                    prop_assert_eq!(with(push_plain, value).len(), value.to_string().len());
                }
            }
        }
    }

    #[test]
    fn scalars_never_have_an_exponent() {
        assert_eq!(with(push_plain, 1e21), "1000000000000000000000");
        assert_eq!(with(push_plain, 1e-7), "0.0000001");
        assert_eq!(with(push_json_float, 1.5e-7), "1.5e-7");
    }

    #[test]
    fn times_are_seconds_with_three_digits_or_none() {
        let print = |ts| {
            let mut out = String::new();
            push_seconds(&mut out, ts);
            out
        };
        assert_eq!(print(1_435_781_451_781), "1435781451.781");
        assert_eq!(print(1_435_781_451_000), "1435781451");
        assert_eq!(print(1_435_781_451_050), "1435781451.050");
        assert_eq!(print(-1), "-0.001");
        assert_eq!(print(i64::MIN), "-9223372036854775.808");
        let mut out = String::new();
        push_json_seconds(&mut out, 1_435_781_451_780);
        assert_eq!(out, "1435781451.78");
    }
}
