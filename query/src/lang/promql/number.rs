//! Numbers as Go's `strconv` reads and prints them.

/// The NaN that Go makes of a literal; it is stored and compared bit by bit.
const GO_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The value of a number in PromQL: an integer in any of Go's bases, or else a float.
///
/// The error is the text of the message; overflow is one, too.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    if let Some(integer) = parse_integer(text) {
        return Ok(integer as f64);
    }
    let invalid = || format!("strconv.ParseFloat: parsing \"{text}\": invalid syntax");
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let is_hex = matches!(text.as_bytes(), [b'0', b'x' | b'X', ..]);
    // Without an exponent, which the lexer does not know in hexadecimal, Go refuses such a float.
    if is_hex || !underscores_separate_digits(text, false) {
        return Err(invalid());
    }
    let value: f64 = digits.parse().map_err(|_| invalid())?;
    if value.is_nan() {
        return Ok(f64::from_bits(GO_NAN_BITS));
    }
    let is_written_infinite = digits.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    if value.is_infinite() && !is_written_infinite {
        return Err(format!("strconv.ParseFloat: parsing \"{text}\": value out of range"));
    }
    Ok(value)
}

/// Shortest decimal notation that reads back as `value`, never with an exponent: `1000000`, `+Inf`, `NaN`.
#[must_use]
pub fn format_float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

/// Shortest notation that reads back as `value`, as Go's `%v` prints it: with an exponent when that is below -4
/// or at least 6.
#[must_use]
pub(super) fn format_float_general(value: f64) -> String {
    if value.is_infinite() || value.is_nan() || value == 0.0 {
        return format_float(value);
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format_float(value);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A finite number as Go's JSON encoder prints it: with an exponent below 1e-6 and from 1e21 on.
#[must_use]
pub(super) fn format_float_json(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e21 {
        return format_float_general(value);
    }
    if magnitude != 0.0 && magnitude < 1e-6 { format!("{value:e}") } else { format_float(value) }
}

/// Conversion of a float to an integer as Go does it on common processors: what does not fit becomes the
/// smallest integer.
#[expect(clippy::cast_possible_truncation, reason = "values out of range are handled before")]
pub(super) fn to_integer(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

fn parse_integer(text: &str) -> Option<i64> {
    let (base, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    if !underscores_separate_digits(text, base == 16) {
        return None;
    }
    let digits: String = digits.chars().filter(|&c| c != '_').collect();
    // The standard library takes a sign, which the lexer never makes part of a number.
    i64::from_str_radix(&digits, base).ok()
}

/// Go's rule: an underscore stands between two digits, or between the prefix of the base and a digit.
fn underscores_separate_digits(text: &str, is_hex: bool) -> bool {
    let body = if is_hex { &text[2..] } else { text };
    let is_digit = |byte: u8| byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit();
    let mut before = if is_hex { b'0' } else { b'!' };
    for byte in body.bytes() {
        before = match byte {
            _ if is_digit(byte) => b'0',
            b'_' if before != b'0' => return false,
            b'_' => b'_',
            _ if before == b'_' => return false,
            _ => b'!',
        };
    }
    before != b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("0755", 493.0),
            ("08", 8.0),
            ("0x1F", 31.0),
            ("0x_1f", 31.0),
            ("1_000.5", 1000.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert_eq!(
            parse_number("1e400"),
            Err("strconv.ParseFloat: parsing \"1e400\": value out of range".to_owned())
        );
        assert_eq!(parse_number("0x"), Err("strconv.ParseFloat: parsing \"0x\": invalid syntax".to_owned()));
    }

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        assert_eq!(format_float(1e30), "1000000000000000000000000000000");
        assert_eq!(format_float(-0.0), "-0");
        assert_eq!(format_float_general(1e21), "1e+21");
        assert_eq!(format_float_general(42_100_000.0), "4.21e+07");
        assert_eq!(format_float_general(123_456.5), "123456.5");
        assert_eq!(format_float_general(1.5e-7), "1.5e-07");
        assert_eq!(format_float_general(0.0001), "0.0001");
        let json = [42_100_000.0, 1e21, -1.5e-7, 0.000_001, -0.0].map(format_float_json);
        assert_eq!(json, ["42100000", "1e+21", "-1.5e-7", "0.000001", "-0"]);
    }
}
