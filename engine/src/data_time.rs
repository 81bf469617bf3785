//! What time it is by the data.
//!
//! Whether a series still takes samples, and whether a window is over, can only be judged beside other samples: by the
//! wall clock, all series of a day that is loaded in minutes, or late after an outage, are long gone. The newest sample
//! tells as little, for it may be one of few that are not like the others, such as the store's own metrics. So it is the
//! median of what arrived last.

use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;

/// Without new samples for so long it is the wall clock that tells the time: the senders are gone.
const QUIET_MS: i64 = 60 * 60 * 1_000;

/// Minutes that are told apart; samples of others are not counted.
const MINUTES_MAX: usize = 1_024;

/// How many samples arrived, by their time in minutes.
#[derive(Debug, Default)]
pub(crate) struct ArrivalTimes(BTreeMap<i64, u64>);

impl ArrivalTimes {
    /// Counts samples at about `ts`, milliseconds.
    pub(crate) fn add(&mut self, ts: i64, samples: u64) {
        self.add_minute(ts.div_euclid(MINUTE_MS), samples);
    }

    /// Counts what another counted, too.
    pub(crate) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(minute, samples)| self.add_minute(minute, samples));
    }

    fn add_minute(&mut self, minute: i64, samples: u64) {
        if self.0.len() < MINUTES_MAX || self.0.contains_key(&minute) {
            let count = self.0.entry(minute).or_default();
            *count = count.saturating_add(samples);
        }
    }

    /// Half of the samples are older; milliseconds.
    fn median(&self) -> Option<i64> {
        let all = self.0.values().fold(0_u64, |sum, samples| sum.saturating_add(*samples));
        let mut before = 0_u64;
        let median = self.0.iter().find(|(_, samples)| {
            before = before.saturating_add(**samples);
            before > all / 2
        });
        median.map(|(minute, _)| minute.saturating_mul(MINUTE_MS))
    }
}

/// The time of the samples that arrived last, going on from then by the wall clock, and becoming that after a while: where
/// no samples come any more, time does not stand still.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DataTime {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    ts: i64,
    /// When they arrived, milliseconds of the wall clock.
    at_ms: i64,
}

impl DataTime {
    /// Takes note of what arrived until the wall clock's `now_ms`.
    pub(crate) fn see(&mut self, arrived: &ArrivalTimes, now_ms: i64) {
        if let Some(ts) = arrived.median() {
            self.last = Some(Last { ts, at_ms: now_ms });
        }
    }

    /// The time by the data at the wall clock's `now_ms`, milliseconds. As long as nothing has arrived, it starts with
    /// the newest sample that there is, at `newest_ts`, and without any (`i64::MIN`) is the wall clock's.
    pub(crate) fn at(&mut self, now_ms: i64, newest_ts: i64) -> i64 {
        if newest_ts == i64::MIN {
            return now_ms;
        }
        let Last { ts, at_ms } = *self.last.get_or_insert(Last { ts: newest_ts, at_ms: now_ms });
        let quiet_ms = now_ms.saturating_sub(at_ms).max(0);
        let data_ts = ts.saturating_add(quiet_ms);
        if quiet_ms < QUIET_MS { data_ts } else { data_ts.max(now_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(samples: &[(i64, u64)]) -> ArrivalTimes {
        let mut arrived = ArrivalTimes::default();
        samples.iter().for_each(|(minute, samples)| arrived.add(minute * MINUTE_MS + 7, *samples));
        arrived
    }

    #[test]
    fn time_goes_on_from_what_arrived_last() {
        let mut time = DataTime::default();
        assert_eq!(time.at(1_000, i64::MIN), 1_000);
        assert_eq!(time.at(2_000, 50), 50);
        assert_eq!(time.at(2_500, 60), 550);
        time.see(&arrived(&[(10, 5)]), 3_000);
        assert_eq!(time.at(3_100, 99), 10 * MINUTE_MS + 100);
        time.see(&arrived(&[]), 4_000);
        assert_eq!(time.at(4_000, 99), 10 * MINUTE_MS + 1_000);
        // A clock that is put back takes nothing away.
        assert_eq!(time.at(100, 99), 10 * MINUTE_MS);
        assert_eq!(time.at(3_000 + QUIET_MS, 99), 10 * MINUTE_MS + QUIET_MS);
        time.see(&arrived(&[(3, 1)]), 0);
        assert_eq!(time.at(QUIET_MS - 1, 99), 3 * MINUTE_MS + QUIET_MS - 1);
        time.see(&arrived(&[(3, 1)]), 100 * QUIET_MS);
        assert_eq!(time.at(101 * QUIET_MS, 99), 101 * QUIET_MS, "the wall clock's");
        assert_eq!(time.at(i64::MAX, 99), i64::MAX);
    }

    #[test]
    fn few_samples_do_not_tell_the_time() {
        assert_eq!(arrived(&[(5, 100), (6, 100), (7, 100), (99_999, 20)]).median(), Some(6 * MINUTE_MS));
        assert_eq!(arrived(&[(-5, 1)]).median(), Some(-5 * MINUTE_MS));
        let mut both = arrived(&[(1, 3)]);
        both.merge(arrived(&[(1, 1), (2, 3)]));
        assert_eq!(both.median(), Some(MINUTE_MS));
    }

    #[test]
    fn memory_is_bounded() {
        let mut times = ArrivalTimes::default();
        (0..100_000).for_each(|minute| times.add(minute * MINUTE_MS, u64::MAX));
        assert_eq!(times.0.len(), MINUTES_MAX);
        assert!(times.median().is_some());
    }
}
