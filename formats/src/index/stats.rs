//! Series, chunks, samples and bytes of each metric of a block.
//!
//! `count: varint`, then for each metric in the order of its series: `name` as a length-prefixed string
//! (empty for series without a metric name), and `series`, `chunks`, `samples` and `chunk_bytes` as varints.

use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

const WHAT: &str = "metric statistics";

/// What one metric amounts to in a block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricStats {
    /// The metric name; empty for series without one.
    pub name: Vec<u8>,
    /// Number of series.
    pub series: u64,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of samples.
    pub samples: u64,
    /// Bytes of chunk data.
    pub chunk_bytes: u64,
}

/// Appends the section to `out`.
pub fn encode(metrics: &[MetricStats], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.varint_usize(metrics.len());
    for metric in metrics {
        writer.prefixed(&metric.name);
        for number in [metric.series, metric.chunks, metric.samples, metric.chunk_bytes] {
            writer.varint(number);
        }
    }
}

/// The metrics in `bytes`.
///
/// # Errors
/// When they do not decode.
pub fn decode(bytes: &[u8]) -> Result<Vec<MetricStats>, DecodeError> {
    let mut reader = Reader::new(bytes);
    // The count is not trusted with an allocation: the bytes end before a lie does harm.
    let mut metrics = Vec::new();
    for _ in 0..reader.varint(WHAT)? {
        metrics.push(MetricStats {
            name: reader.prefixed(WHAT)?.to_vec(),
            series: reader.varint(WHAT)?,
            chunks: reader.varint(WHAT)?,
            samples: reader.varint(WHAT)?,
            chunk_bytes: reader.varint(WHAT)?,
        });
    }
    reader.finish(WHAT)?;
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let metrics = [
            MetricStats::default(),
            MetricStats { name: b"up".to_vec(), series: 1, chunks: 2, samples: u64::MAX, chunk_bytes: 300 },
        ];
        let mut bytes = Vec::new();
        encode(&metrics, &mut bytes);
        assert_eq!(decode(&bytes).unwrap(), metrics);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err());
        }
    }
}
