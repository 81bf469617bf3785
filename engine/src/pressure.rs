//! What is done when memory gets short, in order: pure, the state of memory in, measures out.
//!
//! | used of the budget | measure, on top of those before |
//! | --- | --- |
//! | any | sealed chunks are spilled once half of the series have one |
//! | 3/4 | they are spilled early |
//! | 7/8 | series without samples for a short while are spilled and leave memory |
//! | 1 | open chunks are spilled as well; new series are refused, with the metric named |
//! | 5/4 | all writes are refused, and series that nobody can add to leave memory |

use crate::head::{DropIdle, Pressure};

/// Sealed chunks of less than this wait, however little else there is: each flush costs a file and syncs.
const SPILL_BYTES_MIN: u64 = 8 << 20;
/// Between two flushes for the sake of memory, in milliseconds: sealed early, chunks are small, and each flush writes
/// all open chunks to its checkpoint.
const SPILL_INTERVAL_MS: i64 = 60_000;
/// A fleet that was begun at once seals its chunks at one scrape. It is better spilled whole.
pub(crate) const SETTLE_MS: i64 = 30_000;
/// Series without samples for this part of `head.idle_ms` leave memory when it gets short.
const IDLE_PART: i64 = 12;

/// What is known of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemoryState {
    /// Bytes that the head and the log's buffer hold.
    pub(crate) used: u64,
    /// Bytes that they may.
    pub(crate) budget: u64,
    /// Bytes of `used` that are sealed chunks and late samples.
    pub(crate) waiting: u64,
    /// Bytes of `used` that are open chunks.
    pub(crate) open: u64,
    /// Bytes of `waiting` that are late samples.
    pub(crate) late: u64,
    /// Series.
    pub(crate) series: u64,
    /// Sealed chunks.
    pub(crate) sealed: u64,
    /// Milliseconds since the last flush.
    pub(crate) since_flush_ms: i64,
    /// Milliseconds since [`MemoryState::is_spill_worth_it`] became true; 0 when it is not.
    pub(crate) since_worth_ms: i64,
}

/// How short memory is: what is done about it, on top of what is done in the stages before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryStage {
    /// It is not.
    #[default]
    Calm,
    /// What is sealed goes early.
    SpillEarly,
    /// Idle series go early.
    EvictIdle,
    /// New series are refused.
    RefuseSeries,
    /// All writes are refused.
    RefuseWrites,
}

/// A flush for the sake of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spill {
    /// Of what is sealed or late, and of what series have that are idle; see [`idle_after_ms`].
    Sealed,
    /// Of everything.
    All,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measures {
    /// How short memory is.
    pub(crate) stage: MemoryStage,
    /// What is to be flushed now, if anything.
    pub(crate) spill: Option<Spill>,
    /// What is to be refused.
    pub(crate) refuse: Pressure,
}

impl MemoryState {
    /// Whether so much is sealed or late that it should not wait for the regular flush.
    pub(crate) const fn is_spill_worth_it(&self) -> bool {
        self.waiting >= SPILL_BYTES_MIN && (self.sealed >= self.series / 2 || self.late >= self.used / 8)
    }

    /// Whether nearly all chunks of a fleet that was begun at once are sealed.
    const fn is_fleet_sealed(&self) -> bool {
        self.sealed >= self.series / 8 * 7
    }

    const fn stage(&self) -> MemoryStage {
        let Self { used, budget, .. } = *self;
        if used >= budget.saturating_add(budget / 4) {
            MemoryStage::RefuseWrites
        } else if used >= budget {
            MemoryStage::RefuseSeries
        } else if used >= budget / 8 * 7 {
            MemoryStage::EvictIdle
        } else if used >= budget / 4 * 3 {
            MemoryStage::SpillEarly
        } else {
            MemoryStage::Calm
        }
    }

    /// The flush that is due. It must be worth it: series alone do not become fewer by a flush.
    fn spill(&self, stage: MemoryStage) -> Option<Spill> {
        let rested = self.since_flush_ms >= SPILL_INTERVAL_MS;
        match stage {
            MemoryStage::Calm => {
                let settled = self.since_worth_ms >= SETTLE_MS || self.is_fleet_sealed();
                (self.is_spill_worth_it() && rested && settled).then_some(Spill::Sealed)
            }
            MemoryStage::SpillEarly => (self.waiting >= self.used / 10).then_some(Spill::Sealed),
            MemoryStage::EvictIdle => (rested || self.waiting >= self.used / 10).then_some(Spill::Sealed),
            MemoryStage::RefuseSeries => {
                (rested && self.waiting + self.open >= self.used / 4).then_some(Spill::All)
            }
            // Also when there was one just now: nothing can be written until this one.
            MemoryStage::RefuseWrites => Some(Spill::All),
        }
    }
}

/// What is to be done about memory in this state.
pub(crate) fn measures(state: &MemoryState) -> Measures {
    let stage = state.stage();
    let refuse = match stage {
        MemoryStage::Calm | MemoryStage::SpillEarly | MemoryStage::EvictIdle => Pressure::None,
        MemoryStage::RefuseSeries => Pressure::NoNewSeries,
        MemoryStage::RefuseWrites => Pressure::NoWrites,
    };
    Measures { stage, spill: state.spill(stage), refuse }
}

/// After how many milliseconds without samples a series is idle, of `idle_ms` that are set. `None`: all are that have
/// nothing in memory.
pub(crate) const fn idle_after_ms(stage: MemoryStage, idle_ms: i64) -> Option<i64> {
    match stage {
        MemoryStage::Calm | MemoryStage::SpillEarly => Some(idle_ms),
        MemoryStage::EvictIdle | MemoryStage::RefuseSeries => Some(idle_ms / IDLE_PART),
        // Where all writes are refused, series that nobody can add to must not be what keeps memory full.
        MemoryStage::RefuseWrites => None,
    }
}

/// How many idle series are worth making a shard anew without them.
pub(crate) const fn enough_idle(stage: MemoryStage) -> DropIdle {
    match stage {
        MemoryStage::Calm | MemoryStage::SpillEarly => DropIdle::Many,
        MemoryStage::EvictIdle | MemoryStage::RefuseSeries | MemoryStage::RefuseWrites => DropIdle::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn state(used: u64) -> MemoryState {
        MemoryState {
            used,
            budget: 1_000 * MIB,
            waiting: used / 5,
            open: used / 5,
            since_flush_ms: 60_000,
            series: 1_000,
            ..MemoryState::default()
        }
    }

    #[test]
    fn measures_come_in_order_as_memory_gets_short() {
        let at = |used| {
            let Measures { stage, spill, refuse } = measures(&state(used * MIB));
            (stage, spill, refuse)
        };
        assert_eq!(at(749), (MemoryStage::Calm, None, Pressure::None));
        assert_eq!(at(750), (MemoryStage::SpillEarly, Some(Spill::Sealed), Pressure::None));
        assert_eq!(at(875), (MemoryStage::EvictIdle, Some(Spill::Sealed), Pressure::None));
        assert_eq!(at(1_000), (MemoryStage::RefuseSeries, Some(Spill::All), Pressure::NoNewSeries));
        assert_eq!(at(1_249), (MemoryStage::RefuseSeries, Some(Spill::All), Pressure::NoNewSeries));
        assert_eq!(at(1_250), (MemoryStage::RefuseWrites, Some(Spill::All), Pressure::NoWrites));
    }

    #[test]
    fn idle_series_go_sooner_as_memory_gets_short() {
        let stages = [
            MemoryStage::Calm,
            MemoryStage::SpillEarly,
            MemoryStage::EvictIdle,
            MemoryStage::RefuseSeries,
            MemoryStage::RefuseWrites,
        ];
        assert_eq!(
            stages.map(|stage| idle_after_ms(stage, 3_600_000)),
            [Some(3_600_000), Some(3_600_000), Some(300_000), Some(300_000), None]
        );
        assert_eq!(
            stages.map(enough_idle),
            [DropIdle::Many, DropIdle::Many, DropIdle::Any, DropIdle::Any, DropIdle::Any]
        );
    }

    #[test]
    fn what_is_sealed_does_not_wait_once_it_is_much() {
        let calm = |sealed, since_flush_ms, since_worth_ms| {
            let state =
                MemoryState { waiting: 8 * MIB, sealed, since_flush_ms, since_worth_ms, ..state(99 * MIB) };
            measures(&state).spill
        };
        assert_eq!(calm(499, 60_000, 30_000), None, "few series have a chunk to write");
        assert_eq!(calm(500, 60_000, 29_999), None, "the rest of the fleet may be about to seal its chunks");
        assert_eq!(calm(500, 60_000, 30_000), Some(Spill::Sealed));
        assert_eq!(calm(875, 60_000, 0), Some(Spill::Sealed), "it did");
        assert_eq!(calm(875, 59_999, 30_000), None, "the last flush was just now");
        let late = |waiting, late| {
            let state = MemoryState { waiting, late, since_worth_ms: 30_000, ..state(80 * MIB) };
            measures(&state).spill
        };
        assert_eq!(late(8 * MIB, 10 * MIB), Some(Spill::Sealed), "late samples wait as well");
        assert_eq!(late(8 * MIB, 10 * MIB - 1), None);
        assert_eq!(late(8 * MIB - 1, 10 * MIB), None, "too little for a file");
    }

    #[test]
    fn a_flush_that_would_gain_nothing_is_left_out() {
        let nothing = |used| MemoryState { waiting: 0, open: 0, ..state(used * MIB) };
        assert_eq!(measures(&nothing(800)).spill, None);
        assert_eq!(measures(&nothing(1_100)).spill, None);
        assert_eq!(measures(&MemoryState { since_flush_ms: 0, ..nothing(900) }).spill, None);
    }

    #[test]
    fn a_budget_without_a_bound_is_never_used_up() {
        let state = MemoryState { budget: u64::MAX, ..state(1 << 40) };
        assert_eq!(measures(&state).stage, MemoryStage::Calm);
    }
}
