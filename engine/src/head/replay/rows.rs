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
    definitions::{Definitions, Known, Place},
};
use crate::{model::Labels, wal::Lsn};

/// The rows of one frame on their way.
pub(super) struct Rows<'a> {
    head: &'a Head,
    lsn: u64,
    /// The shard of the last row, locked as long as rows go to the same one.
    locked: Option<(u16, RwLockWriteGuard<'a, Shard>)>,
    arrived: &'a mut Vec<Arrived>,
    /// Floats of the last frame, with their shards; kept for their memory.
    floats: &'a mut Vec<(u16, FloatSample)>,
    count: u64,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(
        head: &'a Head,
        lsn: Lsn,
        arrived: &'a mut Vec<Arrived>,
        floats: &'a mut Vec<(u16, FloatSample)>,
    ) -> Self {
        Self { head, lsn: lsn.get(), locked: None, arrived, floats, count: 0 }
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
        definitions: &mut Definitions<'_, '_>,
    ) -> Result<(), DecodeError> {
        let window_ms = self.head.window_ms;
        self.take_floats(frame, definitions)?;
        each(
            definitions,
            frame.late(),
            |row| row.id,
            |known, row| {
                let LateRow { ts, start_ts, value, .. } = row;
                let id = known.place.id;
                self.store(known.place, |shard| {
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
                let id = known.place.id;
                let sample = HistogramSample { id, ts, start_ts, value };
                self.store(known.place, |shard| shard.replay_histogram(sample, window_ms));
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
                self.keep_exemplar(known.place, rank, row)
            },
        )
    }

    /// Stores the floats in order. All are decoded before the first one is stored, so that the series they go to can
    /// be looked at together.
    fn take_floats(
        &mut self,
        frame: &RowsFrame<'_>,
        definitions: &mut Definitions<'_, '_>,
    ) -> Result<(), DecodeError> {
        let lsn = self.lsn;
        let mut floats = std::mem::take(self.floats);
        floats.clear();
        let decoded = each(
            definitions,
            frame.floats(),
            |row| row.id,
            |known, FloatRow { ts, start_ts, xor, .. }| {
                known.previous ^= xor;
                if known.place.is_news(lsn) {
                    let value = f64::from_bits(known.previous);
                    floats.push((known.place.shard, FloatSample { id: known.place.id, ts, start_ts, value }));
                }
                Ok(())
            },
        );
        let window_ms = self.head.window_ms;
        for run in floats.chunk_by(|(shard, _), (next, _)| shard == next) {
            let Some((shard, _)) = run.first() else { continue };
            let shard = self.shard(*shard);
            shard.touch(run.iter().map(|(_, sample)| sample.id));
            run.iter().for_each(|(_, sample)| shard.replay_float(*sample, window_ms));
        }
        self.count += floats.len() as u64;
        *self.floats = floats;
        decoded
    }

    #[inline]
    fn store(&mut self, place: Place, store: impl FnOnce(&mut Shard)) {
        if place.is_news(self.lsn) {
            store(self.shard(place.shard));
            self.count += 1;
        }
    }

    fn keep_exemplar(&mut self, place: Place, rank: u32, row: ExemplarRow<'_>) -> Result<(), DecodeError> {
        let labels = Labels::from_canonical(row.labels).ok_or(DecodeError::new("exemplar labels", 0))?;
        if place.taken {
            let exemplar = Exemplar { labels, value: row.value, ts: row.ts };
            let Place { shard, id, .. } = place;
            self.arrived.push(Arrived { place: (self.lsn, rank), shard, id, exemplar });
        }
        Ok(())
    }
}

impl Place {
    /// Whether a row of the frame `lsn` is to be stored.
    const fn is_news(self, lsn: u64) -> bool {
        self.taken && self.covered < lsn
    }
}

/// Calls `take` with each of `rows`, and what is known of its series.
#[inline]
fn each<R>(
    definitions: &mut Definitions<'_, '_>,
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
