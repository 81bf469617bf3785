//! The rows of a frame into the shards of the head.

use kymo_formats::{
    DecodeError,
    wal::rows::{ExemplarRow, FloatRow, HistogramRow, LateRow, RowsFrame},
};
use parking_lot::RwLockWriteGuard;

use super::{
    super::{
        Exemplar, Head,
        append::{FloatSample, HistogramSample},
        shard::Shard,
    },
    arrivals::Arrived,
    definitions::{Definitions, Known},
};
use crate::{model::Labels, wal::Lsn};

/// The rows of one frame on their way.
pub(super) struct Rows<'a> {
    head: &'a Head,
    lsn: u64,
    /// The shard of the last row, locked as long as rows go to the same one.
    locked: Option<(u16, RwLockWriteGuard<'a, Shard>)>,
    arrived: &'a mut Vec<Arrived>,
    count: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(head: &'a Head, lsn: Lsn, arrived: &'a mut Vec<Arrived>) -> Self {
        Self { head, lsn: lsn.get(), locked: None, arrived, count: 0 }
    }

    /// Number of rows that were stored.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The shard, locked.
    #[inline]
    pub(super) fn shard(&mut self, number: u16) -> &mut Shard {
        if self.locked.as_ref().is_none_or(|(locked, _)| *locked != number) {
            // The other lock goes first: who fills another shard may want this one.
            self.locked = None;
        }
        let head = self.head;
        let lock = || (number, head.shards[usize::from(number)].write());
        &mut self.locked.get_or_insert_with(lock).1
    }

    /// Stores the rows, those aside that are not ours or not news.
    ///
    /// # Errors
    /// When a row does not decode, or its series was not described. The rows before it are stored.
    pub(super) fn take(
        &mut self,
        frame: &RowsFrame<'_>,
        definitions: &mut Definitions<'_>,
    ) -> Result<(), DecodeError> {
        let window_ms = self.head.window_ms;
        each(
            definitions,
            frame.floats(),
            |row| row.id,
            |known, row| {
                known.previous ^= row.xor;
                let FloatRow { ts, start_ts, .. } = row;
                let (id, value) = (known.id, f64::from_bits(known.previous));
                self.store(known, |shard| {
                    shard.replay_float(FloatSample { id, ts, start_ts, value }, window_ms)
                });
                Ok(())
            },
        )?;
        each(
            definitions,
            frame.late(),
            |row| row.id,
            |known, row| {
                let LateRow { ts, start_ts, value, .. } = row;
                let id = known.id;
                self.store(known, |shard| {
                    shard.replay_float(FloatSample { id, ts, start_ts, value }, window_ms)
                });
                Ok(())
            },
        )?;
        each(
            definitions,
            frame.histograms(),
            |row| row.id,
            |known, row| {
                let HistogramRow { ts, start_ts, value, .. } = row;
                let id = known.id;
                let sample = HistogramSample { id, ts, start_ts, value };
                self.store(known, |shard| shard.replay_histogram(sample, window_ms));
                Ok(())
            },
        )?;
        let mut rank = 0;
        each(
            definitions,
            frame.exemplars(),
            |row| row.id,
            |known, row| {
                rank += 1;
                self.keep_exemplar(known, rank, row)
            },
        )
    }

    #[inline]
    fn store(&mut self, known: &Known, store: impl FnOnce(&mut Shard)) {
        if known.taken && known.covered < self.lsn {
            store(self.shard(known.shard));
            self.count += 1;
        }
    }

    fn keep_exemplar(&mut self, known: &Known, rank: u32, row: ExemplarRow<'_>) -> Result<(), DecodeError> {
        let labels = Labels::from_canonical(row.labels).ok_or(DecodeError::new("exemplar labels", 0))?;
        if known.taken {
            let exemplar = Exemplar { labels, value: row.value, ts: row.ts };
            let (shard, id) = (known.shard, known.id);
            self.arrived.push(Arrived { place: (self.lsn, rank), shard, id, exemplar });
        }
        Ok(())
    }
}

/// Calls `take` with each of `rows`, and what is known of its series.
#[inline]
fn each<R>(
    definitions: &mut Definitions<'_>,
    rows: impl Iterator<Item = Result<R, DecodeError>>,
    series_of: impl Fn(&R) -> u32,
    mut take: impl FnMut(&mut Known, R) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for row in rows {
        let row = row?;
        take(definitions.known(series_of(&row))?, row)?;
    }
    Ok(())
}
