//! Frames of a checkpoint and of the log into the head.
//!
//! Several replayers can share the work: each reads all frames and fills shards of the head that no other one fills,
//! so that the order of rows within a shard is the log's, and the head is the same whatever their number.
//!
//! * `share` - which shards and frames are whose
//! * `definitions`, `dense` - the ids that frames speak of
//! * `rows` - the rows of a frame into shards
//! * `arrivals` - exemplars, whose order goes across shards

mod arrivals;
mod definitions;
mod dense;
mod rows;
mod share;

use std::collections::BTreeMap;

use kymo_formats::{
    DecodeError,
    wal::{KIND_CHECKPOINT_SERIES, KIND_METADATA, KIND_ROWS, metadata::MetadataRecord, rows::RowsFrame},
};
use tracing::warn;

use self::{
    definitions::{Definitions, Place, SeriesTable},
    rows::Rows,
};
use super::{Head, Metadata, append::FloatSample};
use crate::{
    model::{Fingerprint, Labels},
    wal::{Lsn, ReplayedFrame},
};

pub(crate) use self::{
    arrivals::{Arrivals, Arrived},
    share::Share,
};

/// Takes frames in, first those of a checkpoint, then those of the log, each in its order.
///
/// Frames of one shard name series by the ids that the shard had when they were written; the number of shards
/// may have changed since, so series are found anew by their labels.
#[derive(Debug)]
pub(crate) struct Replayer<'a> {
    head: &'a Head,
    share: Share,
    /// For each shard of the head and id: up to which LSN the checkpoint held the series; 0 = it did not.
    covered: Vec<Vec<u64>>,
    /// For each shard of the log: its series.
    series: BTreeMap<u16, SeriesTable>,
    arrived: Vec<Arrived>,
    floats: Vec<(u16, FloatSample)>,
    counts: ReplayCounts,
}

/// What a replayer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplayCounts {
    /// Rows that were taken in.
    pub(crate) rows: u64,
    /// Frames of the log that do not decode.
    pub(crate) undecodable_frames: u64,
}

impl<'a> Replayer<'a> {
    /// A replayer of the shards of `head` that `share` names.
    pub(crate) fn new(head: &'a Head, share: Share) -> Self {
        let covered = head.shards.iter().map(|_| Vec::new()).collect();
        Self {
            head,
            share,
            covered,
            series: BTreeMap::new(),
            arrived: Vec::new(),
            floats: Vec::new(),
            counts: ReplayCounts::default(),
        }
    }

    /// Takes all frames of a checkpoint in.
    ///
    /// # Errors
    /// When a payload does not decode; with it the place of its frame.
    pub(crate) fn restore(&mut self, frames: &[ReplayedFrame]) -> Result<(), (Lsn, DecodeError)> {
        let series = frames.iter().filter(|frame| frame.kind == KIND_CHECKPOINT_SERIES);
        let whole_shards = self.share.by_shard(series.map(|frame| frame.shard));
        for frame in frames {
            let restored = match frame.kind {
                KIND_CHECKPOINT_SERIES if whole_shards && !self.share.has(frame.shard) => Ok(()),
                KIND_CHECKPOINT_SERIES => self.restore_series(frame.payload()),
                // Exemplars. Each record describes its series itself, of whatever shard.
                KIND_ROWS => {
                    let mut series = self.series_table();
                    self.replay_rows(frame, false, &mut series.begin())
                }
                KIND_METADATA => self.replay_metadata(frame),
                _ => Err(DecodeError::new("checkpoint frame kind", 0)),
            };
            restored.map_err(|error| (frame.lsn, error))?;
        }
        Ok(())
    }

    /// Takes all frames of a segment of the log in. What the checkpoint already held is left out, and so is what does
    /// not decode; what came before it in its frame is stored.
    pub(crate) fn replay(&mut self, frames: &[ReplayedFrame]) {
        let rows = frames.iter().filter(|frame| frame.kind == KIND_ROWS);
        let whole_shards = self.share.by_shard(rows.map(|frame| frame.shard));
        let mut tables = std::mem::take(&mut self.series);
        for frame in frames {
            tables.entry(frame.shard).or_insert_with(|| self.series_table());
        }
        let mut shards: BTreeMap<u16, _> =
            tables.iter_mut().map(|(shard, table)| (*shard, table.begin())).collect();
        for frame in frames {
            let replayed = match frame.kind {
                KIND_ROWS if whole_shards && !self.share.has(frame.shard) => Ok(()),
                KIND_ROWS => {
                    let definitions = shards.get_mut(&frame.shard).expect("each frame's shard has a table");
                    let replayed = self.replay_rows(frame, whole_shards, definitions);
                    if replayed.is_err() {
                        // Each float is relative to the one before it, so that what follows in the segment cannot be
                        // understood any more. Without the series' definitions it is an error, not a wrong value.
                        definitions.forget();
                    }
                    replayed
                }
                KIND_METADATA => self.replay_metadata(frame),
                _ => Err(DecodeError::new("log frame kind", 0)),
            };
            if let Err(error) = replayed
                && self.share.has(frame.shard)
            {
                self.counts.undecodable_frames += 1;
                warn!(lsn = %frame.lsn, %error, "log frame does not decode");
            }
        }
        self.series = tables;
    }

    fn series_table(&self) -> SeriesTable {
        SeriesTable::new(self.head.hasher.seed())
    }

    /// The exemplars of what was taken in since the last call, which the head does not have yet.
    pub(crate) fn take_arrived(&mut self) -> Vec<Arrived> {
        std::mem::take(&mut self.arrived)
    }

    /// What was done so far.
    pub(crate) const fn counts(&self) -> ReplayCounts {
        self.counts
    }

    fn restore_series(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let Self { head, share, covered, .. } = self;
        head.restore(
            payload,
            |shard| share.has(shard),
            |shard, id, lsn| {
                let covered = &mut covered[usize::from(shard)];
                let index = id as usize;
                covered.resize(covered.len().max(index + 1), 0);
                covered[index] = lsn;
            },
        )
    }

    /// There is one table of it, and one replayer fills it.
    fn replay_metadata(&self, frame: &ReplayedFrame) -> Result<(), DecodeError> {
        if !self.share.has(frame.shard) {
            return Ok(());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut table = self.head.metadata.write();
        for record in MetadataRecord::decode_all(frame.payload())? {
            let metadata =
                Metadata { kind: text(record.kind), help: text(record.help), unit: text(record.unit) };
            table.set(&text(record.family), metadata);
        }
        Ok(())
    }

    /// Takes the rows of a frame in: all, or, if not `all_ours`, those of series in our shards.
    fn replay_rows<'f>(
        &mut self,
        frame: &'f ReplayedFrame,
        all_ours: bool,
        definitions: &mut Definitions<'f, '_>,
    ) -> Result<(), DecodeError> {
        let head = self.head;
        let Self { share, covered, arrived, floats, counts, .. } = self;
        let sections = RowsFrame::parse(frame.payload())?;
        let mut rows = Rows::new(head, frame.lsn, arrived, floats);
        let known = definitions.learn(&sections, |labels| {
            let fingerprint = Fingerprint::of(labels);
            let shard = head.shard_number(fingerprint);
            if !all_ours && !share.has(shard) {
                return Place { shard, taken: false, id: 0, covered: 0 };
            }
            let id = rows.shard(shard).find_or_add(head, fingerprint, labels);
            let covered = covered[usize::from(shard)].get(id as usize).copied().unwrap_or(0);
            Place { shard, taken: true, id, covered }
        });
        let replayed = known.and_then(|()| rows.take(&sections, definitions));
        counts.rows += rows.count();
        replayed
    }
}

impl Head {
    /// Number of shards.
    pub(crate) const fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Adds exemplars, which must be in the order of their arrival.
    fn add_arrived(&self, arrived: Vec<Arrived>) {
        for Arrived { shard, id, exemplar, .. } in arrived {
            let shard = self.shards[usize::from(shard)].read();
            let fingerprint = shard.series[id].fingerprint;
            // One that is not news was in the checkpoint.
            drop(self.exemplars.lock().add(fingerprint, || shard.labels_of(id), exemplar));
        }
    }
}

impl super::shard::Shard {
    /// The series with these labels, made known if it is new, whatever the limits: it was accepted before.
    pub(super) fn find_or_add(&mut self, head: &Head, fingerprint: Fingerprint, labels: &Labels) -> u32 {
        self.find(fingerprint, labels).unwrap_or_else(|| {
            head.series.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.add(fingerprint, labels)
        })
    }
}
