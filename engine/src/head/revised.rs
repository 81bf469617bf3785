//! Which windows that have been rolled up have to be rolled up again, because samples came for them since.

use super::{Head, shard::Shard};
use crate::model::WindowSet;

/// What a shard knows of rollups.
#[derive(Debug, Clone)]
pub(super) struct Revised {
    /// Samples at or before this time come too late for the first rollup of their window; `i64::MIN` = none does.
    rolled_to: i64,
    width_ms: i64,
    windows: WindowSet,
    /// Time of the oldest sample that came, `i64::MAX` before the first.
    oldest_ts: i64,
}

impl Default for Revised {
    fn default() -> Self {
        Self { rolled_to: i64::MIN, width_ms: 1, windows: WindowSet::default(), oldest_ts: i64::MAX }
    }
}

impl Revised {
    /// Takes note of a sample.
    #[inline]
    pub(super) fn see(&mut self, ts: i64) {
        self.see_old(ts);
        if ts <= self.rolled_to {
            self.mark(ts);
        }
    }

    /// Takes note of a sample that was there when its window was rolled up, or whose window is noted elsewhere.
    #[inline]
    pub(super) fn see_old(&mut self, ts: i64) {
        self.oldest_ts = self.oldest_ts.min(ts);
    }

    #[cold]
    fn mark(&mut self, ts: i64) {
        if !self.windows.contains(ts) {
            let end = kymo_formats::rollup::window_end(ts, self.width_ms);
            self.windows.insert(end.saturating_sub(self.width_ms), end);
        }
    }
}

impl Shard {
    /// What was noted of rollups goes along to the shard that takes this one's place.
    pub(super) fn take_revised(&mut self) -> Revised {
        std::mem::take(&mut self.revised)
    }
}

impl Head {
    /// From now on the windows of samples at or before `rolled_to` are noted. Called before they are read to be rolled
    /// up: what comes while that is done is noted, too.
    pub(crate) fn set_rolled_to(&self, rolled_to: i64, width_ms: i64) {
        for shard in &self.shards {
            let revised = &mut shard.write().revised;
            (revised.rolled_to, revised.width_ms) = (rolled_to, width_ms);
        }
    }

    /// The windows that were noted since the last call.
    pub(crate) fn take_revised(&self) -> WindowSet {
        let mut all = WindowSet::default();
        self.shards.iter().for_each(|shard| all.extend(&std::mem::take(&mut shard.write().revised.windows)));
        all
    }

    /// Time of the oldest sample that has come since the start, also when it has left for a block; none before the first.
    pub(crate) fn oldest_ts(&self) -> Option<i64> {
        self.shards.iter().map(|shard| shard.read().revised.oldest_ts).min().filter(|ts| *ts != i64::MAX)
    }

    /// The windows that were noted since [`Self::take_revised`].
    pub(crate) fn revised(&self) -> WindowSet {
        let mut all = WindowSet::default();
        self.shards.iter().for_each(|shard| all.extend(&shard.read().revised.windows));
        all
    }

    /// Notes windows, as if samples had come for them.
    pub(crate) fn note_revised(&self, windows: &WindowSet) {
        if let Some(shard) = self.shards.first() {
            shard.write().revised.windows.extend(windows);
        }
    }
}
