//! Times and durations as the Prometheus API takes them.

use super::params::{TIME_MAX, TIME_MIN};

/// Units of a duration in the order in which they must be written, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Bounds that clients send back to us, in years that no calendar format covers.
const TIME_MIN_TEXT: &str = "-292273086-05-16T16:47:06Z";
const TIME_MAX_TEXT: &str = "292277025-08-18T07:12:54.999999999Z";

/// Milliseconds of a time given as seconds (rounded to milliseconds) or as RFC 3339.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let error = || format!("cannot parse {text:?} to a valid timestamp");
    if let Ok(seconds) = text.parse::<f64>() {
        return millis_of(seconds).ok_or_else(error);
    }
    match text {
        TIME_MIN_TEXT => Ok(TIME_MIN),
        TIME_MAX_TEXT => Ok(TIME_MAX),
        _ => {
            let time: Option<jiff::Timestamp> = text.parse().ok().filter(|_| is_rfc3339(text));
            time.map(jiff::Timestamp::as_millisecond).ok_or_else(error)
        }
    }
}

/// Whether `text` has the form `2006-01-02T15:04:05.9Z`. Calendars' libraries take more: no seconds, a blank
/// instead of the `T`, the leap second.
fn is_rfc3339(text: &str) -> bool {
    let (time, offset) = match text.strip_suffix('Z') {
        Some(time) => (time, "+00:00"),
        None => text.split_at_checked(text.len().saturating_sub(6)).unwrap_or((text, "")),
    };
    let (whole, fraction) = time.split_once(['.', ',']).unwrap_or((time, "0"));
    has_form(whole, "0000-00-00T00:00:00")
        && !whole.ends_with("60")
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && (has_form(offset, "+00:00") || has_form(offset, "-00:00"))
}

/// Whether `text` is `form` with any digits where that has zeros.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == wanted,
        })
}

/// Nanoseconds of a duration given as seconds or as PromQL writes it (`1h30m`). Negative ones are let through:
/// each caller has its own words for them.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let nanos = seconds * 1e9;
        if nanos.is_nan() || nanos.abs() >= i64::MAX as f64 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked just above; the fraction is meant to go"
        )]
        return Ok(nanos as i64);
    }
    parse_units(text)
        .and_then(|millis| millis.checked_mul(1_000_000))
        .ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))
}

/// `None` for NaN, infinities, and what the API's widest range does not cover.
fn millis_of(seconds: f64) -> Option<i64> {
    let whole = seconds.trunc();
    let millis = whole * 1000.0 + ((seconds - whole) * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer, and far inside of i64 by the comparison"
    )]
    (millis.abs() <= TIME_MAX as f64).then_some(millis as i64)
}

/// Milliseconds of a sequence of numbers with units, largest unit first, each at most once.
fn parse_units(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_len = rest.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
        let (_, millis) = units.find(|(unit, _)| *unit == &rest[..unit_len])?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = &rest[unit_len..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc3339() {
        let cases = [
            ("0", 0),
            ("4", 4000),
            ("1435781451.781", 1_435_781_451_781),
            ("-1.5", -1500),
            ("0.9996", 1000),
            ("1e3", 1_000_000),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
            ("1970-01-01T00:00:00Z", 0),
            // Grafana's probe for exemplars sends milliseconds as seconds: the year 55,000.
            ("1690000000000", 1_690_000_000_000_000),
            (TIME_MIN_TEXT, TIME_MIN),
            (TIME_MAX_TEXT, TIME_MAX),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "x", "NaN", "inf", "-inf", "1e300", "9223372036854775807", "-9223372036854775808", "30s"]
        {
            assert_eq!(parse_time(text), Err(format!("cannot parse {text:?} to a valid timestamp")));
        }
        for text in [
            "2015-07-01 20:10:51Z",
            "2015-07-01t20:10:51z",
            "2015-07-01T20:10Z",
            "2016-12-31T23:59:60Z",
            "2015-07-01T20:10:51+0200",
            "2015-07-01T20:10:51+02",
            "2015-07-01T20:10:51",
            "2015-07-01T20:10:51.Z",
            "2015-02-30T20:10:51Z",
            "20150701T201051Z",
            "é",
        ] {
            assert_eq!(parse_time(text), Err(format!("cannot parse {text:?} to a valid timestamp")));
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        let cases = [
            ("15", 15_000_000_000),
            ("0.5", 500_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007_000_000),
            ("0", 0),
            ("-1", -1_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "x", "1m1h", "1m1m", "h", "999999999y", "1 m", "-1m"] {
            assert_eq!(
                parse_duration(text),
                Err(format!("cannot parse {text:?} to a valid duration")),
                "{text}"
            );
        }
        for text in ["NaN", "1e300", "-inf"] {
            assert!(parse_duration(text).unwrap_err().ends_with("It overflows int64"), "{text}");
        }
    }
}
