//! Durations and numbers on the command line and in reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds of a duration such as `500ms`, `15s`, `10m`, `2h` or `1d`.
pub(crate) fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        Some("d") => 86_400_000,
        _ => return Err(format!("{text:?} has no unit of ms, s, m, h or d")),
    };
    let number: i64 = digits.parse().map_err(|_| format!("{text:?} does not start with a whole number"))?;
    number.checked_mul(unit).filter(|ms| *ms >= 0).ok_or_else(|| format!("{text:?} is out of range"))
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// A number with commas between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value below which the share `share` of the ascending `sorted` lies; zero without values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the product lies between zero and the length"
)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration_ms("500ms"), Ok(500));
        assert_eq!(parse_duration_ms("15s"), Ok(15_000));
        assert_eq!(parse_duration_ms("2h"), Ok(7_200_000));
        for wrong in ["", "15", "s", "-1s", "1.5h", "9223372036854775807d"] {
            assert!(parse_duration_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_quantile_is_a_value_that_occurred() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!([0.0, 0.5, 0.99].map(|share| quantile(&sorted, share)), [1.0, 2.0, 4.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
