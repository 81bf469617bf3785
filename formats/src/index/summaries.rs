//! The summaries of the chunks of each series, in the order of the chunk directory.
//!
//! A restart table; the entry of a series is `length: varint` and the summaries of its chunks, one after another, each
//! as [`crate::codec::summary`] writes it. What is said of a chunk in the directory is not said again, so a summary
//! is read together with the directory's entry.

use super::{
    RESTART_INTERVAL, TooLarge,
    chunk_directory::ChunkMeta,
    restarts::{RestartBuilder, Restarts},
};
use crate::{
    DecodeError,
    codec::summary::{self, ChunkSummary},
    cursor::{Reader, Writer},
};

const WHAT: &str = "chunk summaries";

/// Builds the section.
#[derive(Debug, Default)]
pub struct SummariesBuilder {
    restarts: RestartBuilder,
    /// The summaries of one series; kept for its memory.
    entry: Vec<u8>,
}

impl SummariesBuilder {
    /// Appends the summaries of the next series, in the order of its chunks.
    ///
    /// # Errors
    /// When the section would outgrow its offsets.
    pub fn push<'s>(
        &mut self,
        chunks: impl IntoIterator<Item = (&'s ChunkMeta, Option<&'s ChunkSummary>)>,
    ) -> Result<(), TooLarge> {
        self.entry.clear();
        chunks.into_iter().for_each(|(meta, chunk)| summary::encode(chunk, meta, &mut self.entry));
        self.restarts.start_entry(WHAT)?;
        Writer::new(&mut self.restarts.entries).prefixed(&self.entry);
        Ok(())
    }

    /// Appends the section's bytes to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.restarts.finish(out);
    }
}

/// The section in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Summaries<'a> {
    restarts: Restarts<'a>,
}

impl<'a> Summaries<'a> {
    /// The section in `bytes`.
    ///
    /// # Errors
    /// When the restart table does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { restarts: Restarts::parse(bytes, WHAT)? })
    }

    /// Number of series.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The summaries of the series `rank`.
    ///
    /// # Errors
    /// When there is no such series, or the section ends before it.
    pub fn series(&self, rank: u32) -> Result<SeriesSummaries<'a>, DecodeError> {
        if rank >= self.len() {
            return Err(DecodeError::new("series rank", 0));
        }
        let mut reader = self.restarts.group(rank / RESTART_INTERVAL, WHAT)?;
        for _ in 0..rank % RESTART_INTERVAL {
            reader.prefixed(WHAT)?;
        }
        Ok(SeriesSummaries { rest: Reader::new(reader.prefixed(WHAT)?) })
    }
}

/// The summaries of one series, read one after another.
#[derive(Debug, Clone)]
pub struct SeriesSummaries<'a> {
    rest: Reader<'a>,
}

impl SeriesSummaries<'_> {
    /// The summary of the next chunk, which `meta` describes; `None` when it has none.
    ///
    /// # Errors
    /// When there is no further chunk, or its summary does not decode.
    pub fn next(&mut self, meta: &ChunkMeta) -> Result<Option<ChunkSummary>, DecodeError> {
        summary::decode(&mut self.rest, meta)
    }

    /// Passes over the summary of the next chunk, whatever that is.
    ///
    /// # Errors
    /// When there is no further chunk, or its summary does not decode.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        summary::skip(&mut self.rest)
    }

    /// Fails unless all summaries have been read.
    ///
    /// # Errors
    /// When there are bytes left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        self.rest.finish("end of the summaries of a series")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn series() -> impl Strategy<Value = Vec<Vec<Vec<f64>>>> {
        let value = prop_oneof![6 => (-50_i32..50).prop_map(|n| f64::from(n) / 10.0), 1 => any::<f64>()];
        let chunks = prop::collection::vec(prop::collection::vec(value, 1..9), 0..4);
        prop::collection::vec(chunks, 0..50)
    }

    fn chunk(values: &[f64]) -> (ChunkMeta, Option<ChunkSummary>) {
        let ts: Vec<i64> = (0..values.len() as i64).collect();
        let count = u32::try_from(values.len()).unwrap();
        let meta = ChunkMeta { encoding: 7, count, min_ts: 0, max_ts: i64::from(count) - 1 };
        (meta, ChunkSummary::of(&ts, values))
    }

    fn build(series: &[Vec<(ChunkMeta, Option<ChunkSummary>)>]) -> Vec<u8> {
        let mut builder = SummariesBuilder::default();
        for chunks in series {
            builder.push(chunks.iter().map(|(meta, summary)| (meta, summary.as_ref()))).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out);
        out
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/summaries.txt")))]

        #[test]
        fn each_series_has_its_own(series in series()) {
            let series: Vec<Vec<_>> =
                series.iter().map(|chunks| chunks.iter().map(|values| chunk(values)).collect()).collect();
            let bytes = build(&series);
            let section = Summaries::parse(&bytes).unwrap();
            prop_assert_eq!(section.len() as usize, series.len());
            prop_assert!(section.series(section.len()).is_err());
            for (rank, chunks) in (0..).zip(&series).collect::<Vec<_>>().into_iter().rev() {
                let mut summaries = section.series(rank).unwrap();
                for (meta, expected) in chunks {
                    prop_assert_eq!(&summaries.next(meta).unwrap(), expected);
                }
                summaries.finish().unwrap();
                prop_assert!(summaries.next(&chunk(&[1.0]).0).is_err());
            }
        }

        #[test]
        fn damage_does_not_panic(series in series(), at: prop::sample::Index, byte: u8) {
            let series: Vec<Vec<_>> =
                series.iter().map(|chunks| chunks.iter().map(|values| chunk(values)).collect()).collect();
            let mut bytes = build(&series);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let Ok(section) = Summaries::parse(&bytes) else { return Ok(()) };
            for (rank, chunks) in (0..section.len()).zip(&series) {
                let Ok(mut summaries) = section.series(rank) else { continue };
                for (meta, _) in chunks {
                    let _ = summaries.next(meta);
                }
            }
        }
    }
}
