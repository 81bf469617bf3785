//! Checkpoint records: what the head holds of some series of one shard that no block holds yet.
//!
//! A checkpoint is a segment file of its own whose frames carry these payloads. With it, a log needs to be
//! kept only from the segment on that was begun when the checkpoint was begun. Writes go on meanwhile, so each
//! payload tells up to which LSN its series already contain what the log says of them.

use crate::{DecodeError, cursor::Reader, varint};

/// A chunk of a series in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointChunk<'a> {
    /// The chunk's encoding, as in [`crate::codec::Encoding`].
    pub encoding: u8,
    /// Number of samples.
    pub count: u32,
    /// Time of the first sample, milliseconds.
    pub min_ts: i64,
    /// Time of the last sample, milliseconds.
    pub max_ts: i64,
    /// The chunk.
    pub bytes: &'a [u8],
}

/// One series in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSeries<'a> {
    /// Canonical label bytes, not checked here.
    pub labels: &'a [u8],
    /// Time of the newest sample, milliseconds; `i64::MIN` when there was none.
    pub newest_ts: i64,
    /// Bits of the newest in-order float.
    pub newest_value: u64,
    /// What the newest sample is: 0 nothing, 1 a float, 2 a histogram.
    pub newest_kind: u8,
    /// Whether the last chunk still takes samples.
    pub open: bool,
    /// Chunks, ascending in time.
    pub chunks: Vec<CheckpointChunk<'a>>,
    /// Late samples as a rows payload in which the series has the id 0.
    pub late: &'a [u8],
}

/// Builds the payload of one checkpoint frame.
#[derive(Debug)]
pub struct CheckpointEncoder {
    payload: Vec<u8>,
}

impl CheckpointEncoder {
    /// A payload without series, which already contain what the log says up to `applied_lsn`.
    #[must_use]
    pub fn new(applied_lsn: u64) -> Self {
        Self { payload: applied_lsn.to_le_bytes().to_vec() }
    }

    /// Begins a series; [`CheckpointEncoder::chunk`] for each chunk and [`CheckpointEncoder::end_series`] follow.
    pub fn begin_series(&mut self, labels: &[u8], newest_ts: i64, newest_value: u64, newest_kind: u8) {
        self.bytes(labels);
        self.payload.extend_from_slice(&newest_ts.to_le_bytes());
        self.payload.extend_from_slice(&newest_value.to_le_bytes());
        self.payload.push(newest_kind);
    }

    /// Adds a chunk to the series.
    pub fn chunk(&mut self, chunk: &CheckpointChunk<'_>) {
        self.payload.push(chunk.encoding);
        varint::put(&mut self.payload, u64::from(chunk.count));
        varint::put_signed(&mut self.payload, chunk.min_ts);
        varint::put_signed(&mut self.payload, chunk.max_ts);
        self.bytes(chunk.bytes);
    }

    /// Ends the series.
    pub fn end_series(&mut self, open: bool, late: &[u8]) {
        // No encoding has the number 0, so it ends the list of chunks.
        self.payload.push(0);
        self.payload.push(u8::from(open));
        self.bytes(late);
    }

    /// Length of the payload so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    /// Whether the payload has no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload.len() <= size_of::<u64>()
    }

    /// The payload.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.payload
    }

    fn bytes(&mut self, bytes: &[u8]) {
        varint::put(&mut self.payload, bytes.len() as u64);
        self.payload.extend_from_slice(bytes);
    }
}

/// Reads the payload of one checkpoint frame.
#[derive(Debug)]
pub struct CheckpointPayload<'a> {
    applied_lsn: u64,
    reader: Reader<'a>,
}

impl<'a> CheckpointPayload<'a> {
    /// Starts to read.
    ///
    /// # Errors
    /// When the payload is too short.
    pub fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        Ok(Self { applied_lsn: reader.u64("checkpoint lsn")?, reader })
    }

    /// The LSN up to which the series contain what the log says of them.
    #[must_use]
    pub const fn applied_lsn(&self) -> u64 {
        self.applied_lsn
    }

    fn series(&mut self) -> Result<CheckpointSeries<'a>, DecodeError> {
        let reader = &mut self.reader;
        let labels = reader.prefixed("checkpoint labels")?;
        let newest_ts = reader.i64("checkpoint time")?;
        let newest_value = reader.u64("checkpoint value")?;
        let newest_kind = reader.u8("checkpoint kind")?;
        let mut chunks = Vec::new();
        loop {
            let encoding = reader.u8("checkpoint encoding")?;
            if encoding == 0 {
                break;
            }
            chunks.push(CheckpointChunk {
                encoding,
                count: reader.varint_u32("checkpoint count")?,
                min_ts: reader.varint_i64("checkpoint time")?,
                max_ts: reader.varint_i64("checkpoint time")?,
                bytes: reader.prefixed("checkpoint chunk")?,
            });
        }
        let open = reader.u8("checkpoint flag")? != 0;
        let late = reader.prefixed("checkpoint late samples")?;
        Ok(CheckpointSeries { labels, newest_ts, newest_value, newest_kind, open, chunks, late })
    }
}

impl<'a> Iterator for CheckpointPayload<'a> {
    type Item = Result<CheckpointSeries<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let series = self.series();
        if series.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        let mut encoder = CheckpointEncoder::new(77);
        encoder.begin_series(b"\x01a\x01b", -5, 9, 1);
        encoder.chunk(&CheckpointChunk { encoding: 1, count: 3, min_ts: -9, max_ts: -5, bytes: b"abc" });
        encoder.end_series(true, b"late");
        encoder.begin_series(b"", i64::MIN, 0, 0);
        encoder.end_series(false, b"");
        encoder.finish()
    }

    #[test]
    fn series_come_back() {
        let payload = payload();
        let read = CheckpointPayload::new(&payload).unwrap();
        assert_eq!(read.applied_lsn(), 77);
        let series: Vec<_> = read.collect::<Result<_, _>>().unwrap();
        assert_eq!(series.len(), 2);
        assert_eq!((series[0].labels, series[0].newest_ts, series[0].open), (&b"\x01a\x01b"[..], -5, true));
        assert_eq!(series[0].chunks[0].bytes, b"abc");
        assert_eq!(series[0].late, b"late");
        assert_eq!((series[1].newest_ts, series[1].chunks.len()), (i64::MIN, 0));
    }

    #[test]
    fn a_payload_cut_anywhere_is_an_error_or_fewer_series() {
        let payload = payload();
        for len in 0..payload.len() {
            let series =
                CheckpointPayload::new(&payload[..len]).map(|read| read.collect::<Result<Vec<_>, _>>());
            assert!(
                series.is_err() || series.is_ok_and(|all| all.is_err() || all.is_ok_and(|all| all.len() < 2))
            );
        }
    }
}
