//! Native histograms with timestamps as chunks, bit for bit those of Prometheus's TSDB.
//!
//! Layout: number of histograms (u16, big endian), a byte whose two upper bits are the [`ResetHeader`], then a
//! stream of bits: the layout that all histograms share, then for each of them time, count, zero count, sum and
//! buckets. A histogram that does not fit the layout makes the chunk be rewritten with more buckets, or starts
//! another. A stale marker has a sum and nothing else, and only stale markers follow it.
//!
//! * `appender`: writes; `verdict`: decides what a chunk takes; `iter`: reads
//! * `columns`: the same histograms by column, for blocks of level 1 and above
//! * `form`: one trait for both forms; `integer`, `float`: how each codes its counts
//! * `layout`: the part stored once; `spans`: layouts against each other

mod appender;
pub mod columns;
mod float;
mod form;
mod integer;
mod iter;
mod layout;
mod spans;
#[cfg(test)]
mod tests;
mod verdict;

pub use appender::{Appended, Appender};
pub use form::Form;
pub use iter::HistogramIter;

use crate::DecodeError;
use crate::histogram::{FloatHistogram, Histogram};

/// A chunk of integer histograms that is being appended to.
pub type HistogramAppender = Appender<Histogram>;
/// A chunk of float histograms that is being appended to.
pub type FloatHistogramAppender = Appender<FloatHistogram>;

/// Bytes of count and flags in front of the stream.
pub const HEADER_BYTES: usize = 3;
/// The most histograms a chunk holds: the count has 16 bits.
pub const SAMPLES_MAX: usize = u16::MAX as usize;
/// Buckets, spans and custom bounds in all histograms of a chunk together, above which a new one is cut. Readers
/// refuse more (but for a single histogram), so that a small chunk cannot stand for gigabytes.
const WORDS_MAX: usize = 1 << 22;
const COUNT_BYTES: usize = 2;
const FLAGS_OFFSET: usize = 2;

/// What a chunk says about its first histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ResetHeader {
    /// Nothing is known: compare with what was before.
    Unknown = 0b0000_0000,
    /// The counts go on from the chunk that was before when this one was cut.
    NotReset = 0b0100_0000,
    /// The counts start anew.
    Reset = 0b1000_0000,
    /// All histograms are gauges.
    Gauge = 0b1100_0000,
}

impl ResetHeader {
    /// The header in the chunk's flags.
    const fn of(flags: u8) -> Self {
        match flags >> 6 {
            0 => Self::Unknown,
            1 => Self::NotReset,
            2 => Self::Reset,
            _ => Self::Gauge,
        }
    }
}

/// Appends the histograms of `chunk` with their times to `out`.
///
/// # Errors
/// When `chunk` does not decode; `out` is then as it was.
pub fn decode<H: Form>(chunk: &[u8], out: &mut Vec<(i64, H)>) -> Result<(), DecodeError> {
    let before = out.len();
    for sample in HistogramIter::new(chunk)? {
        match sample {
            Ok(sample) => out.push(sample),
            Err(error) => {
                out.truncate(before);
                return Err(error);
            }
        }
    }
    Ok(())
}
