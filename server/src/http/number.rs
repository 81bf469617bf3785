//! Floats and times as Go prints them, for answers that must equal upstream's byte for byte.

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
        push(out, format_args!("{value}"));
    } else {
        out.push_str(special(value));
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
        push(out, format_args!("{value:e}"));
    } else {
        push_value(out, value);
    }
}

/// Rust's `1e-7` with Go's sign and at least two digits in the exponent: `1e-07`.
fn push_scientific(out: &mut String, value: f64) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    push(out, format_args!("{mantissa}e{sign}{digits:0>2}"));
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

/// Appends an integer: a fraction of the time that formatting with options takes.
fn push_integer(out: &mut String, mut value: u64) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _: std::fmt::Result = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
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
        ];
        for (value, text) in cases {
            assert_eq!(with(push_value, value), text);
        }
    }

    #[test]
    fn scalars_never_have_an_exponent() {
        assert_eq!(with(push_plain, 1e21), "1000000000000000000000");
        assert_eq!(with(push_plain, 1e-7), "0.0000001");
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
