//! The table of levels: windows, chunk sizes, when a window closes.

use std::ops::Range;

use kymo_formats::codec::values::Density;

use crate::{model::Millis, signals::metrics::FloatForm};

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// One level of compaction. Its blocks lie within windows of `window_ms`, aligned to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Its number, from 1; 0 are the blocks flushed from the head, which have no window.
    pub level: u8,
    /// Length of a window; a multiple of that of the level below, so that windows nest.
    pub window_ms: i64,
    /// Samples per chunk to aim at.
    pub chunk_samples: u32,
    /// How floats are stored.
    pub floats: FloatForm,
    /// How far the newest data must be past the end of a window before the window counts as closed: what
    /// arrives a little late then needs no second compaction.
    pub grace_ms: i64,
}

impl Level {
    /// The window of this level that `ts` lies in. At the ends of time windows are cut short.
    #[must_use]
    pub fn window(&self, ts: i64) -> Range<i64> {
        let start = ts.div_euclid(self.window_ms).saturating_mul(self.window_ms);
        start..start.saturating_add(self.window_ms)
    }

    /// Whether all of `range` lies in one window.
    #[must_use]
    pub fn holds(&self, range: &Range<i64>) -> bool {
        range.end <= self.window(range.start).end
    }
}

/// The levels above 0, ascending; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    levels: Vec<Level>,
}

/// Two hours: what most queries look at, and what one flush after another fills.
const L1: Level = Level {
    level: 1,
    window_ms: 2 * HOUR_MS,
    chunk_samples: 480,
    floats: FloatForm::Columns(Density::Fast),
    grace_ms: 10 * MINUTE_MS,
};
/// A day, and chunks of up to a day: what a chunk costs beside its values is paid once.
const L2: Level = Level {
    level: 2,
    window_ms: DAY_MS,
    chunk_samples: 8192,
    floats: FloatForm::Columns(Density::Fast),
    grace_ms: HOUR_MS,
};
/// What is read seldom is stored as densely as can be.
const L3_FLOATS: FloatForm = FloatForm::Columns(Density::Dense);
/// The longest window of level 3, in days.
const L3_DAYS_MAX: i64 = 8;

impl Levels {
    /// The levels for data that is kept for `retention`, or for ever.
    ///
    /// Blocks go as a whole, so the longest window is what may be kept too long: a tenth of the retention at
    /// level 3 (whole days, none when that is less than two), half of it at level 2.
    #[must_use]
    pub fn for_retention(retention: Option<Millis>) -> Self {
        let retention_ms = retention.map_or(i64::MAX, |retention| retention.0);
        let mut levels = vec![L1];
        if L2.window_ms <= retention_ms / 2 {
            levels.push(L2);
        }
        let days = (retention_ms / 10 / DAY_MS).min(L3_DAYS_MAX);
        if days >= 2 {
            levels.push(Level { level: 3, window_ms: days * DAY_MS, floats: L3_FLOATS, ..L2 });
        }
        Self { levels }
    }

    /// Only level 1.
    #[must_use]
    pub fn two_hours() -> Self {
        Self { levels: vec![L1] }
    }

    /// The levels, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Level> {
        self.levels.iter()
    }

    /// The highest level.
    #[must_use]
    pub fn top(&self) -> &Level {
        self.levels.last().expect("there is always level 1")
    }

    /// The lowest level with a window.
    #[must_use]
    pub fn bottom(&self) -> &Level {
        self.levels.first().expect("there is always level 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(retention_days: i64) -> Vec<i64> {
        let levels = Levels::for_retention(Some(Millis(retention_days * DAY_MS)));
        levels.iter().map(|level| level.window_ms / HOUR_MS).collect()
    }

    #[test]
    fn windows_follow_the_retention() {
        assert_eq!(windows(1), [2]);
        assert_eq!(windows(15), [2, 24]);
        assert_eq!(windows(30), [2, 24, 3 * 24]);
        assert_eq!(windows(3650), [2, 24, 8 * 24]);
        assert_eq!(Levels::for_retention(None).top().window_ms, 8 * DAY_MS);
    }

    #[test]
    fn windows_nest() {
        for days in 1..200 {
            let windows = windows(days);
            assert!(windows.windows(2).all(|pair| pair[1] % pair[0] == 0));
        }
    }

    #[test]
    fn windows_are_aligned_to_utc_also_before_1970() {
        assert_eq!(L1.window(0), 0..2 * HOUR_MS);
        assert_eq!(L1.window(-1), -2 * HOUR_MS..0);
        assert!(L1.holds(&(0..2 * HOUR_MS)) && !L1.holds(&(0..2 * HOUR_MS + 1)));
        for ts in [i64::MIN, i64::MAX] {
            let window = L1.window(ts);
            assert!(window.start <= ts && ts <= window.end);
        }
    }
}
