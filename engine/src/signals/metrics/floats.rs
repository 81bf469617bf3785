//! Floats by column, which is how nearly all samples are merged.

use kymo_formats::codec::ChunkSamples;

/// Floats of one series, ascending in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Floats {
    ts: Vec<i64>,
    values: Vec<f64>,
    /// Start timestamps, 0 = unknown. Empty when none is known, else as long as `ts`.
    start_ts: Vec<i64>,
}

/// Some of them, as one chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) ts: &'a [i64],
    pub(super) values: &'a [f64],
    /// `None` when no start timestamp is known.
    pub(super) start_ts: Option<&'a [i64]>,
}

impl Floats {
    /// Takes the floats out of `samples`, which must have nothing else.
    pub(crate) fn take(samples: &mut ChunkSamples) -> Self {
        Self {
            ts: std::mem::take(&mut samples.ts),
            values: std::mem::take(&mut samples.values),
            start_ts: std::mem::take(&mut samples.start_ts),
        }
    }

    /// Gives the memory back to `samples`, emptied.
    pub(crate) fn give_back(mut self, samples: &mut ChunkSamples) {
        self.clear();
        (samples.ts, samples.values, samples.start_ts) = (self.ts, self.values, self.start_ts);
    }

    /// Timestamps, start timestamps and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64, f64)> {
        let starts = self.start_ts.iter().copied().chain(std::iter::repeat(0));
        self.ts.iter().zip(starts).zip(&self.values).map(|((ts, start_ts), value)| (*ts, start_ts, *value))
    }

    pub(super) fn push(&mut self, ts: i64, start_ts: i64, value: f64) {
        if start_ts != 0 || !self.start_ts.is_empty() {
            self.start_ts.resize(self.ts.len(), 0);
            self.start_ts.push(start_ts);
        }
        self.ts.push(ts);
        self.values.push(value);
    }

    pub(super) fn last_ts(&self) -> Option<i64> {
        self.ts.last().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.ts.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.ts.clear();
        self.values.clear();
        self.start_ts.clear();
    }

    /// All floats in parts of `len`; the last one may be shorter.
    pub(super) fn parts(&self, len: usize) -> impl Iterator<Item = Part<'_>> {
        let parts = self.ts.chunks(len).zip(self.values.chunks(len)).enumerate();
        parts.map(move |(i, (ts, values))| {
            let start_ts = self.start_ts.chunks(len).nth(i);
            Part { ts, values, start_ts: start_ts.filter(|start_ts| start_ts.iter().any(|ts| *ts != 0)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_timestamps_cost_nothing_until_one_is_known() {
        let mut floats = Floats::default();
        floats.push(1, 0, 1.0);
        assert!(floats.start_ts.is_empty());
        floats.push(2, 1, 2.0);
        floats.push(3, 0, 3.0);
        assert_eq!(floats.iter().collect::<Vec<_>>(), [(1, 0, 1.0), (2, 1, 2.0), (3, 0, 3.0)]);
        let starts: Vec<_> = floats.parts(1).map(|part| part.start_ts.is_some()).collect();
        assert_eq!(starts, [false, true, false]);
    }
}
