//! Durations as Prometheus writes them: `1h30m`.

use kymo_engine::quote;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;

/// Units from the biggest to the smallest, the order in which they must stand.
const UNITS: [(&str, u64); 7] =
    [("y", YEAR), ("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLI)];

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("empty duration string")]
    Empty,
    /// Not numbers with units, in order.
    #[error("not a valid duration string: {}", quote(text.as_bytes()))]
    Syntax {
        /// The whole text.
        text: String,
    },
    /// A unit that does not exist.
    #[error("unknown unit {} in duration {}", quote(unit.as_bytes()), quote(text.as_bytes()))]
    Unit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// More than 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Nanoseconds of a duration such as `1h30m`. Years have 365 days; `0` needs no unit.
///
/// # Errors
/// When `text` is not a duration without sign, or too long for 64 bits.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(0),
        _ => {}
    }
    let syntax = || DurationError::Syntax { text: text.to_owned() };
    let (mut rest, mut units, mut nanos) = (text, &UNITS[..], 0_i64);
    while !rest.is_empty() {
        let (digits, tail) = split_while(rest, |byte| byte.is_ascii_digit());
        let count: u64 = digits.parse().map_err(|_| syntax())?;
        let (unit, tail) = split_while(tail, |byte| !byte.is_ascii_digit());
        rest = tail;
        if unit.is_empty() {
            return Err(syntax());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::Unit { unit: unit.to_owned(), text: text.to_owned() });
        }
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(syntax)?;
        let part = count.checked_mul(units[at].1).and_then(|part| i64::try_from(part).ok());
        nanos = part.and_then(|part| nanos.checked_add(part)).ok_or(DurationError::OutOfRange)?;
        units = &units[at + 1..];
    }
    Ok(nanos)
}

/// A duration of so many nanoseconds, in whole milliseconds as upstream prints it: `1h30m`, `-5s`, `0s`.
#[must_use]
pub fn format_duration(nanos: i64) -> String {
    let negative = nanos <= -1_000_000;
    let mut rest = nanos.unsigned_abs() / MILLI * MILLI;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (unit, length) in UNITS {
        // Years and weeks only when nothing remains: 90d reads better than 12w6d.
        let exact = length >= WEEK;
        let count = rest / length;
        if count == 0 || exact && !rest.is_multiple_of(length) {
            continue;
        }
        text.push_str(&count.to_string());
        text.push_str(unit);
        rest %= length;
    }
    text
}

fn split_while(text: &str, keep: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !keep(byte)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed() {
        for (text, millis) in
            [("324ms", 324), ("3s", 3_000), ("5m", 300_000), ("1h30m", 5_400_000), ("3w2d1h", 1_990_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(millis * 1_000_000), "{text}");
        }
        assert_eq!(format_duration(1_990_800_000_000_000), "23d1h");
        assert_eq!(format_duration(365 * 86_400 * 1_000_000_000), "1y");
        assert_eq!(format_duration(-90_061_001_000_000), "-1d1h1m1s1ms");
        assert_eq!(format_duration(999_999), "0s");
        assert_eq!(format_duration(-999_999), "0s");
        assert_eq!(format_duration(i64::MIN), "-106751d23h47m16s854ms");
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        for (text, error) in [
            ("", "empty duration string"),
            ("1", "not a valid duration string: \"1\""),
            ("1m1d", "not a valid duration string: \"1m1d\""),
            ("1s1s", "not a valid duration string: \"1s1s\""),
            ("-1m", "not a valid duration string: \"-1m\""),
            ("1x", "unknown unit \"x\" in duration \"1x\""),
            ("300y", "duration out of range"),
            ("99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""),
        ] {
            assert_eq!(
                parse_duration(text).map_err(|error| error.to_string()),
                Err(error.to_owned()),
                "{text}"
            );
        }
    }
}
