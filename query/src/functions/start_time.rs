//! What start timestamps tell about counters.

/// When a sample was taken and since when it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) ts: i64,
    /// 0 = unknown.
    pub(super) start_ts: i64,
}

impl Times {
    /// Whether the start says anything: known, and not after the sample. OpenTelemetry writes a start equal to
    /// the sample's own time for "unknown".
    const fn start_is_known(self) -> bool {
        self.start_ts != 0 && self.start_ts < self.ts
    }
}

/// Whether the counter started anew between two samples.
///
/// A start exactly at the previous sample is a reset in a series of deltas, but not in a cumulative one whose
/// start was unknown; which of the two it is shows in the start of the previous sample.
pub(super) const fn is_reset(previous: Times, current: Times) -> bool {
    current.start_is_known()
        && (current.start_ts > previous.ts || (current.start_ts == previous.ts && previous.start_is_known()))
}

/// Whether a sample claims to have started before the previous one ended, without being its continuation.
pub(super) const fn overlaps(previous: Times, current: Times) -> bool {
    current.start_ts != 0 && current.start_ts < previous.ts && current.start_ts != previous.start_ts
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn times(start_ts: i64, ts: i64) -> Times {
        Times { ts, start_ts }
    }

    #[test]
    fn a_start_after_the_previous_sample_is_a_reset() {
        assert!(is_reset(times(1, 10), times(11, 20)));
        assert!(is_reset(times(0, 10), times(11, 20)));
        assert!(!is_reset(times(1, 10), times(1, 20)));
        assert!(!is_reset(times(1, 10), times(0, 20)));
        assert!(!is_reset(times(1, 10), times(20, 20)));
        assert!(!is_reset(times(1, 10), times(21, 20)));
    }

    #[test]
    fn a_start_at_the_previous_sample_is_a_reset_of_deltas_only() {
        assert!(is_reset(times(1, 10), times(10, 20)));
        assert!(!is_reset(times(0, 10), times(10, 20)));
        assert!(!is_reset(times(10, 10), times(10, 20)));
        assert!(!is_reset(times(11, 10), times(10, 20)));
    }

    #[test]
    fn an_earlier_start_overlaps_unless_it_is_the_same() {
        assert!(overlaps(times(1, 10), times(5, 20)));
        assert!(!overlaps(times(5, 10), times(5, 20)));
        assert!(!overlaps(times(1, 10), times(10, 20)));
        assert!(!overlaps(times(1, 10), times(0, 20)));
    }
}
