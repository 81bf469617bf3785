//! The section that describes a block as a whole.

use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "meta section";

/// What a block amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockSummary {
    /// Level of compaction: 0 = flushed from the head.
    pub level: u8,
    /// Age of the oldest data in it: for a block flushed from the head its id, for one made by compaction the
    /// least of its inputs' sequences. Of samples with the same time the one in the block with the lower
    /// sequence (then the lower id) was written first, and counts.
    pub sequence: u64,
    /// Earliest timestamp, milliseconds.
    pub min_ts: i64,
    /// One more than the latest timestamp: the range is half-open.
    pub end_ts: i64,
    /// Number of series.
    pub series: u32,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of samples.
    pub samples: u64,
    /// Bytes of chunk data.
    pub chunk_bytes: u64,
}

impl BlockSummary {
    /// Appends the section to `out`: the fields in the order of the type, with fixed widths.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(self.level);
        writer.u64(self.sequence);
        writer.i64(self.min_ts);
        writer.i64(self.end_ts);
        writer.u32(self.series);
        writer.u64(self.chunks);
        writer.u64(self.samples);
        writer.u64(self.chunk_bytes);
    }

    /// The section in `bytes`.
    ///
    /// # Errors
    /// When it is not exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let meta = Self {
            level: reader.u8(WHAT)?,
            sequence: reader.u64(WHAT)?,
            min_ts: reader.i64(WHAT)?,
            end_ts: reader.i64(WHAT)?,
            series: reader.u32(WHAT)?,
            chunks: reader.u64(WHAT)?,
            samples: reader.u64(WHAT)?,
            chunk_bytes: reader.u64(WHAT)?,
        };
        reader.finish(WHAT)?;
        Ok(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let meta = BlockSummary {
            level: 2,
            sequence: 9,
            min_ts: i64::MIN,
            end_ts: i64::MAX,
            series: 3,
            chunks: 4,
            samples: 5,
            chunk_bytes: 6,
        };
        let mut bytes = Vec::new();
        meta.encode(&mut bytes);
        assert_eq!(BlockSummary::decode(&bytes), Ok(meta));
        bytes.push(0);
        assert!(BlockSummary::decode(&bytes).is_err());
    }
}
