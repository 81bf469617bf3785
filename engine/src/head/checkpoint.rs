//! The head as records in a file, and back.

use kymo_formats::{
    DecodeError,
    codec::Encoding,
    index::chunk_directory::ChunkMeta,
    wal::{
        KIND_CHECKPOINT_SERIES, KIND_METADATA, KIND_ROWS,
        checkpoint::{CheckpointChunk, CheckpointEncoder, CheckpointPayload, CheckpointSeries},
        metadata::MetadataRecord,
        rows::RowsEncoder,
    },
};

use super::{Head, late::LateSamples, series::Kind, shard::Shard};
use crate::{
    model::{Fingerprint, Labels},
    wal::Lsn,
};

/// A record that has grown so long is ended: a frame has a bound, and writers wait while one is made.
const RECORD_BYTES: usize = 4 << 20;
/// Series copied before writers get their turn.
const SERIES_PER_RECORD: u32 = 512;

/// One record of a checkpoint.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) shard: u16,
    pub(crate) payload: Vec<u8>,
}

impl Head {
    /// Calls `write` with records that hold everything in memory that is not set aside for a flush. Writes go
    /// on meanwhile: each record says up to where it is complete.
    ///
    /// # Errors
    /// The first error of `write`, which is not called again then.
    pub(crate) fn checkpoint<E>(&self, mut write: impl FnMut(Record) -> Result<(), E>) -> Result<(), E> {
        let _ids_stay = self.gate.read_recursive();
        for (index, shard) in self.shards.iter().enumerate() {
            let number = u16::try_from(index).expect("there are at most 1024 shards");
            let mut from = 0;
            loop {
                let shard = shard.read();
                let (to, payload) = shard.checkpoint(from);
                let all = to >= shard.series_len();
                drop(shard);
                write(Record { kind: KIND_CHECKPOINT_SERIES, shard: number, payload })?;
                if all {
                    break;
                }
                from = to;
            }
        }
        self.checkpoint_exemplars(&mut write)?;
        self.metadata_payloads()
            .into_iter()
            .try_for_each(|payload| write(Record { kind: KIND_METADATA, shard: 0, payload }))
    }

    fn metadata_payloads(&self) -> Vec<Vec<u8>> {
        let mut payloads = vec![Vec::new()];
        for (family, metadata) in self.metadata.read().iter() {
            if payloads.last().is_none_or(|payload| payload.len() >= RECORD_BYTES) {
                payloads.push(Vec::new());
            }
            if let Some(payload) = payloads.last_mut() {
                metadata.record(family).encode(payload);
            }
        }
        payloads
    }

    /// Exemplars go as rows: each brings its series along.
    fn checkpoint_exemplars<E>(&self, write: &mut impl FnMut(Record) -> Result<(), E>) -> Result<(), E> {
        let exemplars: Vec<_> = self.exemplars.lock().iter().cloned().collect();
        for part in exemplars.chunks(1_024) {
            let mut rows = RowsEncoder::default();
            let mut labels = 0;
            for (id, exemplar) in (0_u32..).zip(part) {
                let mut packed = Vec::new();
                for label in &exemplar.series {
                    rows.label(labels, label.name, label.value);
                    kymo_formats::varint::put(&mut packed, u64::from(labels));
                    labels += 1;
                }
                rows.series(id, 0, &packed);
                let exemplar = &exemplar.exemplar;
                rows.exemplar(id, exemplar.ts, exemplar.value, exemplar.labels.canonical());
            }
            let mut payload = Vec::new();
            rows.finish(&mut payload);
            write(Record { kind: KIND_ROWS, shard: 0, payload })?;
        }
        Ok(())
    }

    /// Takes the series of one checkpoint record in, as far as they belong to shards for which `takes` holds. Tells
    /// `restored` where they are now, and up to which LSN they are complete.
    ///
    /// # Errors
    /// When the payload does not decode.
    pub(super) fn restore(
        &self,
        payload: &[u8],
        takes: impl Fn(u16) -> bool,
        mut restored: impl FnMut(u16, u32, u64),
    ) -> Result<(), DecodeError> {
        let payload = CheckpointPayload::new(payload)?;
        let applied_lsn = payload.applied_lsn();
        for series in payload {
            let series = series?;
            let labels =
                Labels::from_canonical(series.labels).ok_or(DecodeError::new("checkpoint labels", 0))?;
            let fingerprint = Fingerprint::of(&labels);
            let number = self.shard_number(fingerprint);
            if takes(number) {
                let mut shard = self.shards[usize::from(number)].write();
                let id = shard.find_or_add(self, fingerprint, &labels);
                shard.restore(id, &series)?;
                restored(number, id, applied_lsn);
            }
        }
        Ok(())
    }
}

impl Shard {
    /// A record of the series from `from` on, and the first series that is not in it.
    fn checkpoint(&self, from: u32) -> (u32, Vec<u8>) {
        let mut encoder = CheckpointEncoder::new(self.applied.map_or(0, Lsn::get));
        let mut to = from;
        for id in from..self.series_len().min(from.saturating_add(SERIES_PER_RECORD)) {
            if encoder.len() >= RECORD_BYTES {
                break;
            }
            to = id + 1;
            let series = &self.series[id];
            let kind = match series.newest_kind {
                Kind::Nothing => 0,
                Kind::Float => 1,
                Kind::Histogram => 2,
            };
            let labels = self.labels_of(id);
            encoder.begin_series(labels.canonical(), series.newest_ts, series.newest_value, kind);
            let newest_first: Vec<_> = self.sealed.of_series(self.sealed_of(id)).collect();
            newest_first.into_iter().rev().for_each(|(meta, bytes)| encoder.chunk(&chunk(meta, bytes)));
            let open = self.open_chunk(id);
            if let Some((meta, bytes)) = &open {
                encoder.chunk(&chunk(*meta, bytes));
            }
            encoder
                .end_series(open.is_some(), &self.late.get(&id).map_or_else(Vec::new, LateSamples::encode));
        }
        (to, encoder.finish())
    }

    fn restore(&mut self, id: u32, saved: &CheckpointSeries<'_>) -> Result<(), DecodeError> {
        let (sealed, open) = match (saved.chunks.split_last(), saved.open) {
            (Some((open, sealed)), true) => (sealed, Some(open)),
            _ => (&saved.chunks[..], None),
        };
        for chunk in sealed {
            let CheckpointChunk { encoding, count, min_ts, max_ts, bytes } = *chunk;
            self.keep_sealed(id, ChunkMeta { encoding, count, min_ts, max_ts }, bytes);
        }
        if let Some(open) = open {
            self.reopen(id, encoding(open.encoding)?, open.min_ts, open.bytes)?;
        }
        saved.chunks.iter().for_each(|chunk| self.revised.see_old(chunk.min_ts));
        let late = LateSamples::decode(saved.late)?;
        late.first_ts().into_iter().for_each(|ts| self.revised.see_old(ts));
        if late.len() > 0 {
            self.late_len += late.len();
            self.late.insert(id, late);
        }
        let series = &mut self.series[id];
        series.newest_ts = saved.newest_ts;
        series.newest_value = saved.newest_value;
        series.newest_kind = match saved.newest_kind {
            0 => Kind::Nothing,
            // It may have been deleted since, and then whoever writes it again repeats nothing. If it was not, it
            // still wins when both are read.
            1 if saved.chunks.is_empty() && saved.late.is_empty() => Kind::Nothing,
            1 => Kind::Float,
            2 => Kind::Histogram,
            _ => return Err(DecodeError::new("checkpoint kind", 0)),
        };
        self.newest_ts = self.newest_ts.max(saved.newest_ts);
        Ok(())
    }
}

fn encoding(byte: u8) -> Result<Encoding, DecodeError> {
    Encoding::from_u8(byte).ok_or(DecodeError::new("checkpoint encoding", 0))
}

fn chunk(meta: ChunkMeta, bytes: &[u8]) -> CheckpointChunk<'_> {
    CheckpointChunk {
        encoding: meta.encoding,
        count: meta.count,
        min_ts: meta.min_ts,
        max_ts: meta.max_ts,
        bytes,
    }
}

impl super::Metadata {
    /// The metadata as a log record.
    pub(super) fn record<'a>(&'a self, family: &'a str) -> MetadataRecord<'a> {
        MetadataRecord {
            family: family.as_bytes(),
            kind: self.kind.as_bytes(),
            help: self.help.as_bytes(),
            unit: self.unit.as_bytes(),
        }
    }
}
