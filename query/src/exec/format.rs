//! Numbers, label sets and times as Go prints them, for texts that must equal upstream's.

use kymo_engine::{Label, Labels, quote};

/// Shortest decimal that reads back as `value`, with an exponent where Go's `%g` and `%v` use one.
pub(crate) fn format_g(value: f64) -> String {
    shortest(value, 6)
}

/// Two significant digits, as Go's `%.2g`.
pub(crate) fn format_g2(value: f64) -> String {
    if !value.is_finite() {
        return special(value);
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    from_scientific(&format!("{value:.1e}"), 2)
}

/// Shortest decimal that reads back as `value`, never with an exponent: Go's `FormatFloat(v, 'f', -1, 64)`.
pub(crate) fn format_f(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { special(value) }
}

/// A label set as upstream prints it in errors: `{a="b", "c.d"="e"}`.
pub(crate) fn format_labels(labels: &Labels) -> String {
    let label = |label: Label<'_>| {
        let name = match std::str::from_utf8(label.name) {
            Ok(name) if is_plain_name(name) => name.to_owned(),
            _ => quote(label.name),
        };
        format!("{name}={}", quote(label.value))
    };
    let parts: Vec<String> = labels.iter().map(label).collect();
    format!("{{{}}}", parts.join(", "))
}

/// Whether a label of this name is printed without quotes.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Seconds since the Unix epoch as `2006-01-02T15:04:05Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// Year, month and day of a day counted from 1970-01-01, after Howard Hinnant's `civil_from_days`.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn special(value: f64) -> String {
    let text = match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (_, true) => "+Inf",
        (_, false) => "-Inf",
    };
    text.to_owned()
}

/// Go's shortest format, with an exponent when it is below -4 or at least `exponent_max`.
fn shortest(value: f64, exponent_max: i32) -> String {
    if !value.is_finite() {
        return special(value);
    }
    from_scientific(&format!("{value:e}"), exponent_max)
}

/// Rust's `d.ddde-7` in Go's `%g` style.
fn from_scientific(scientific: &str, exponent_max: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    if !(-4..exponent_max).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{mantissa}e{exponent}").parse::<f64>().map_or_else(|_| mantissa.to_owned(), |v| format!("{v}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_go() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(format_g(value), text);
        }
        assert_eq!(format_g2(0.012_345), "0.012");
        assert_eq!(format_g2(123.0), "1.2e+02");
        assert_eq!(format_f(1e21), "1000000000000000000000");
    }

    #[test]
    fn label_sets_quote_what_is_no_identifier() {
        let labels = Labels::from_pairs([("a.b", "1"), ("c", "x\"y")]);
        assert_eq!(format_labels(&labels), r#"{"a.b"="1", c="x\"y"}"#);
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }
}
