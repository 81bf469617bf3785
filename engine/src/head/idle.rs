//! Series that take no more samples, and the memory that open chunks leave behind: what leaves the head without a query
//! or a writer noticing.

use std::{ops::AddAssign, sync::atomic::Ordering, time::Duration};

use super::{
    Head,
    sealed::NO_CHUNK,
    shard::{GONE, Shard},
};

/// Series handled before writers get their turn.
const SERIES_PER_LOCK: u16 = 1_024;
/// How long the head waits to be alone; new batches wait as long.
const GATE_WAIT: Duration = Duration::from_millis(500);
/// A shard is made anew when this part of its series is idle: making it anew costs as much as the rest is worth.
const IDLE_PART: u32 = 8;

/// Whether a series took no sample for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idleness {
    /// It did.
    Active,
    /// It did not, and has samples in memory.
    Waiting,
    /// It did not, and has none in memory: it can be dropped.
    Gone,
}

/// How many series took no sample for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IdleCount {
    /// All series.
    pub(crate) series: u32,
    /// Idle ones with samples in memory, which a flush would free them of.
    pub(crate) waiting: u32,
    /// Idle ones that can be dropped.
    pub(crate) gone: u32,
}

impl IdleCount {
    /// Whether a flush would let go of so many series that it is worth it.
    pub(crate) const fn is_worth_a_flush(self) -> bool {
        self.waiting > 0 && self.waiting >= self.series / IDLE_PART
    }

    const fn is_worth_a_rebuild(self) -> bool {
        self.gone > 0 && self.gone >= self.series / IDLE_PART
    }
}

impl AddAssign for IdleCount {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.waiting += other.waiting;
        self.gone += other.gone;
    }
}

/// How many idle series are worth making a shard anew without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropIdle {
    /// A part of the shard's series.
    Many,
    /// A single one: memory is short.
    Any,
}

impl Shard {
    pub(super) fn idleness(&self, id: u32, before: i64) -> Idleness {
        if self.series[id].newest_ts >= before {
            Idleness::Active
        } else if self.is_in_memory(id) {
            Idleness::Waiting
        } else {
            Idleness::Gone
        }
    }

    /// Whether samples of a series are in memory, those aside that are set aside for a flush.
    pub(super) fn is_in_memory(&self, id: u32) -> bool {
        self.open_meta(id).is_some() || self.sealed_of(id) != NO_CHUNK || self.late.contains_key(&id)
    }
}

impl Head {
    /// Counts the series whose newest sample is older than `before`.
    pub(crate) fn count_idle(&self, before: i64) -> IdleCount {
        let _ids_stay = self.gate.read_recursive();
        let mut all = IdleCount::default();
        (0..self.shards.len()).for_each(|index| all += self.count_idle_of(index, before));
        all
    }

    fn count_idle_of(&self, index: usize, before: i64) -> IdleCount {
        let series = self.shards[index].read().series_len();
        let mut count = IdleCount { series, ..IdleCount::default() };
        for from in (0..series).step_by(usize::from(SERIES_PER_LOCK)) {
            let shard = self.shards[index].read();
            for id in from..shard.series_len().min(from + u32::from(SERIES_PER_LOCK)) {
                match shard.idleness(id, before) {
                    Idleness::Active => {}
                    Idleness::Waiting => count.waiting += 1,
                    Idleness::Gone => count.gone += 1,
                }
            }
        }
        count
    }

    /// Drops series without samples in memory whose newest sample is older than `before`, shard by shard, where they
    /// are enough to be worth it. Everybody waits while one shard is made anew, so it does without where others do
    /// not let it in soon. At most one shard is in memory twice.
    ///
    /// No flush may be under way. Where one failed, what it set aside names series by their ids, and all stay.
    pub(crate) fn drop_idle(&self, before: i64, enough: DropIdle) {
        for index in 0..self.shards.len() {
            let ids_stay = self.gate.read_recursive();
            let idle = self.count_idle_of(index, before);
            drop(ids_stay);
            if idle.is_worth_a_rebuild() || (enough == DropIdle::Any && idle.gone > 0) {
                let Some(_alone) = self.gate.try_write_for(GATE_WAIT) else { return };
                self.rebuild(index, before);
            }
        }
    }

    /// Who calls this is alone with the head.
    fn rebuild(&self, index: usize, before: i64) {
        let mut shard = self.shards[index].write();
        if !shard.pending.is_empty() {
            return;
        }
        let series = shard.series_len();
        let new_ids = shard.rebuild_without_idle(before);
        self.series.fetch_sub(u64::from(series - shard.series_len()), Ordering::Relaxed);
        drop(shard);
        // Senders go on as they did: nothing that stays has to be resolved again.
        self.raw.rename(|series| match self.split_place(series) {
            (shard, _) if shard != index => Some(series),
            (_, id) => {
                let new = new_ids.get(id as usize).copied().filter(|id| *id != GONE)?;
                Some(self.series_place(index, new))
            }
        });
        self.admission.lock().forget();
    }

    /// Moves open chunks together and gives pages back, in the shards where many slots are free.
    pub(crate) fn tighten(&self) {
        let _ids_stay = self.gate.read_recursive();
        for shard in &self.shards {
            if !shard.read().slab.is_loose() {
                continue;
            }
            shard.write().slab.begin_tightening();
            let len = shard.read().series_len();
            for from in (0..len).step_by(usize::from(SERIES_PER_LOCK)) {
                shard.write().tighten(from..from + u32::from(SERIES_PER_LOCK));
            }
            shard.write().slab.end_tightening();
        }
    }
}
