//! Dates of times given in seconds, in UTC.

use crate::exec::format::civil;

const SECONDS_PER_DAY: i64 = 86_400;
/// 1970-01-01 was a Thursday.
const EPOCH_WEEKDAY: i64 = 4;

/// `time()`
pub(super) fn time(time: i64, _args: &[f64]) -> f64 {
    time as f64 / 1000.0
}

/// `minute(v)`
pub(super) fn minute(value: f64) -> f64 {
    (second_of_day(value) / 60 % 60) as f64
}

/// `hour(v)`
pub(super) fn hour(value: f64) -> f64 {
    (second_of_day(value) / 3600) as f64
}

/// `day_of_week(v)`: 0 is Sunday.
pub(super) fn day_of_week(value: f64) -> f64 {
    (day(value) + EPOCH_WEEKDAY).rem_euclid(7) as f64
}

/// `day_of_month(v)`
pub(super) fn day_of_month(value: f64) -> f64 {
    civil(day(value)).2 as f64
}

/// `day_of_year(v)`: from 1.
pub(super) fn day_of_year(value: f64) -> f64 {
    let day = day(value);
    let (year, ..) = civil(day);
    let mut of_year = 1;
    while civil(day - of_year).0 == year {
        of_year += 1;
    }
    of_year as f64
}

/// `days_in_month(v)`
pub(super) fn days_in_month(value: f64) -> f64 {
    let (year, month, _) = civil(day(value));
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    f64::from(days)
}

/// `month(v)`: from 1.
pub(super) fn month(value: f64) -> f64 {
    civil(day(value)).1 as f64
}

/// `year(v)`
pub(super) fn year(value: f64) -> f64 {
    civil(day(value)).0 as f64
}

/// Days since the epoch.
fn day(value: f64) -> i64 {
    seconds(value).div_euclid(SECONDS_PER_DAY)
}

fn second_of_day(value: f64) -> i64 {
    seconds(value).rem_euclid(SECONDS_PER_DAY)
}

/// Whole seconds, cut off towards zero. What is no time at all reads as the end of time, as upstream.
#[expect(clippy::cast_possible_truncation, reason = "cutting off is what is asked for")]
fn seconds(value: f64) -> i64 {
    if value >= i64::MIN as f64 && value < i64::MAX as f64 { value as i64 } else { i64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_date() {
        // 2000-02-29T12:34:56Z, a Tuesday.
        let leap_day = 951_827_696.9;
        assert_eq!((year(leap_day), month(leap_day), day_of_month(leap_day)), (2000.0, 2.0, 29.0));
        assert_eq!((hour(leap_day), minute(leap_day), day_of_week(leap_day)), (12.0, 34.0, 2.0));
        assert_eq!((day_of_year(leap_day), days_in_month(leap_day)), (60.0, 29.0));
    }

    #[test]
    fn before_the_epoch() {
        assert_eq!((year(-1.0), month(-1.0), day_of_month(-1.0)), (1969.0, 12.0, 31.0));
        assert_eq!((hour(-1.0), minute(-1.0), day_of_week(-1.0)), (23.0, 59.0, 3.0));
        assert_eq!((day_of_year(-1.0), days_in_month(-1.0)), (365.0, 31.0));
        assert_eq!(year(-0.5), 1970.0);
    }

    #[test]
    fn no_time_at_all_is_the_end_of_time() {
        for value in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            assert_eq!((year(value), month(value), day_of_month(value)), (292_277_026_596.0, 12.0, 4.0));
            assert_eq!((hour(value), minute(value), day_of_week(value)), (15.0, 30.0, 0.0));
            assert_eq!((day_of_year(value), days_in_month(value)), (339.0, 31.0));
        }
    }

    #[test]
    fn lengths_of_february() {
        let february = |year: f64| days_in_month((year - 1970.0) * 31_556_952.0 + 45.0 * 86_400.0);
        assert_eq!(
            [february(1900.0), february(2000.0), february(2023.0), february(2024.0)],
            [28.0, 29.0, 28.0, 29.0]
        );
    }
}
