//! WAL frames into the head, after a checkpoint.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use kymo_formats::{
    DecodeError,
    wal::{
        KIND_CHECKPOINT_SERIES, KIND_METADATA, KIND_ROWS,
        metadata::MetadataRecord,
        rows::{FloatRow, RowsFrame},
    },
};

use super::{
    Exemplar, Head, Metadata,
    append::{FloatSample, HistogramSample},
};
use crate::model::Labels;

/// A frame of a checkpoint or of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFrame<'a> {
    pub(crate) kind: u8,
    /// The shard that it was written for.
    pub(crate) shard: u16,
    /// Its place in the log; without meaning in a checkpoint.
    pub(crate) lsn: u64,
    pub(crate) payload: &'a [u8],
}

/// Takes frames in, first those of a checkpoint, then those of the log, each in its order.
///
/// Frames of one shard name series by the ids that the shard had when they were written; the number of shards
/// may have changed since, so series are found anew by their labels.
#[derive(Debug)]
pub(crate) struct Replayer<'a> {
    head: &'a Head,
    /// The segment that the definitions below belong to.
    segment: u64,
    shards: BTreeMap<u16, Definitions>,
    /// For each shard of the head and id: up to which LSN the checkpoint held the series.
    covered: Vec<Vec<u64>>,
    rows: u64,
}

/// What a segment has described of one shard so far.
#[derive(Debug, Default)]
struct Definitions {
    labels: HashMap<u32, Label, DefaultHashBuilder>,
    series: HashMap<u32, Known, DefaultHashBuilder>,
}

/// A described label.
#[derive(Debug)]
struct Label {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// A described series.
#[derive(Debug, Clone, Copy)]
struct Known {
    shard: usize,
    id: u32,
    /// Bits of the newest in-order float.
    previous: u64,
}

impl<'a> Replayer<'a> {
    pub(crate) fn new(head: &'a Head) -> Self {
        let covered = head.shards.iter().map(|_| Vec::new()).collect();
        Self { head, segment: 0, shards: BTreeMap::new(), covered, rows: 0 }
    }

    /// Takes a frame of a checkpoint in.
    ///
    /// # Errors
    /// When the payload does not decode.
    pub(crate) fn restore(&mut self, frame: LogFrame<'_>) -> Result<(), DecodeError> {
        match frame.kind {
            KIND_CHECKPOINT_SERIES => {
                let covered = &mut self.covered;
                self.head.restore(frame.payload, |shard, id, lsn| {
                    let covered = &mut covered[shard];
                    let index = id as usize;
                    covered.resize(covered.len().max(index + 1), 0);
                    covered[index] = lsn;
                })
            }
            // Each record of exemplars describes its series itself.
            KIND_ROWS => {
                self.shards.clear();
                self.replay_rows(frame)
            }
            KIND_METADATA => self.replay_metadata(frame.payload),
            _ => Err(DecodeError::new("checkpoint frame kind", 0)),
        }
    }

    /// Takes a frame of the log in. What the checkpoint already held is left out.
    ///
    /// # Errors
    /// When the payload does not decode. What came before the error is stored.
    pub(crate) fn replay(&mut self, segment: u64, frame: LogFrame<'_>) -> Result<(), DecodeError> {
        if segment != self.segment {
            self.segment = segment;
            self.shards.clear();
        }
        let replayed = match frame.kind {
            KIND_ROWS => self.replay_rows(frame),
            KIND_METADATA => self.replay_metadata(frame.payload),
            _ => Err(DecodeError::new("log frame kind", 0)),
        };
        if replayed.is_err() {
            // Each float is relative to the one before it, so that what follows in the segment cannot be
            // understood any more. Without the series' definitions it is an error, not a wrong value.
            self.shards.remove(&frame.shard);
        }
        replayed
    }

    /// Rows that were taken in.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    fn replay_metadata(&self, payload: &[u8]) -> Result<(), DecodeError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut table = self.head.metadata.write();
        for record in MetadataRecord::decode_all(payload)? {
            let metadata =
                Metadata { kind: text(record.kind), help: text(record.help), unit: text(record.unit) };
            table.set(&text(record.family), metadata);
        }
        Ok(())
    }

    fn replay_rows(&mut self, frame: LogFrame<'_>) -> Result<(), DecodeError> {
        let rows = RowsFrame::parse(frame.payload)?;
        let definitions = self.shards.entry(frame.shard).or_default();
        definitions.learn(&rows, self.head)?;
        let (head, covered, lsn) = (self.head, &self.covered, frame.lsn);
        let news =
            |known: &Known| covered[known.shard].get(known.id as usize).is_none_or(|covered| *covered < lsn);
        for row in rows.floats() {
            let FloatRow { id, ts, start_ts, xor } = row?;
            let known = definitions.known(id)?;
            known.previous ^= xor;
            if news(known) {
                let value = f64::from_bits(known.previous);
                head.shards[known.shard]
                    .write()
                    .replay_float(FloatSample { id: known.id, ts, start_ts, value }, head.window_ms);
                self.rows += 1;
            }
        }
        for row in rows.late() {
            let row = row?;
            let known = definitions.known(row.id)?;
            if news(known) {
                let sample =
                    FloatSample { id: known.id, ts: row.ts, start_ts: row.start_ts, value: row.value };
                head.shards[known.shard].write().replay_float(sample, head.window_ms);
                self.rows += 1;
            }
        }
        for row in rows.histograms() {
            let row = row?;
            let known = definitions.known(row.id)?;
            if news(known) {
                let sample =
                    HistogramSample { id: known.id, ts: row.ts, start_ts: row.start_ts, value: row.value };
                head.shards[known.shard].write().replay_histogram(sample, head.window_ms);
                self.rows += 1;
            }
        }
        for row in rows.exemplars() {
            let row = row?;
            let known = definitions.known(row.id)?;
            let labels = Labels::from_canonical(row.labels).ok_or(DecodeError::new("exemplar labels", 0))?;
            let shard = head.shards[known.shard].read();
            let fingerprint = shard.series[known.id].fingerprint;
            let exemplar = Exemplar { labels, value: row.value, ts: row.ts };
            // One that is not news was in the checkpoint.
            drop(head.exemplars.lock().add(fingerprint, || shard.labels_of(known.id), exemplar));
        }
        Ok(())
    }
}

impl Definitions {
    fn learn(&mut self, rows: &RowsFrame<'_>, head: &Head) -> Result<(), DecodeError> {
        for label in rows.labels() {
            let label = label?;
            self.labels.insert(label.id, Label { name: label.name.into(), value: label.value.into() });
        }
        for series in rows.series() {
            let series = series?;
            let (id, previous) = (series.id, series.previous);
            let mut pairs = Vec::new();
            for label in series {
                let label = label?;
                pairs.push(self.labels.get(&label).ok_or(DecodeError::new("label id", 0))?);
            }
            let labels = Labels::from_pairs(pairs.into_iter().map(|label| (&label.name, &label.value)));
            let (shard, new_id) = head.find_or_add(&labels);
            self.series.insert(id, Known { shard, id: new_id, previous });
        }
        Ok(())
    }

    fn known(&mut self, id: u32) -> Result<&mut Known, DecodeError> {
        self.series.get_mut(&id).ok_or(DecodeError::new("series id", 0))
    }
}
