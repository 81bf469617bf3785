//! Samples at timestamps that the block keeps once for all series of a scrape.
//!
//! All samples of one scrape have the same timestamp, so a block stores each distinct column of timestamps once
//! ([`crate::block::timestamps`]), and a chunk says which part of which column is its own. Such a chunk can be
//! decoded with its block only. Its bytes are, in this order:
//!
//! | field | form | meaning |
//! | --- | --- | --- |
//! | flags | u8 | bit 0: missed timestamps follow; bit 1: start timestamps follow. Others 0 |
//! | column | varint | which column of the block |
//! | first | varint | index of the chunk's first timestamp in it |
//! | missed | `count: varint`, then varints | with flag 0: timestamps of the column behind `first` that the chunk lacks, each as its distance to the one before (the first one to `first`), less one |
//! | starts | length as a varint, bytes | with flag 1: a column of [`super::start_ts`] |
//! | values | bytes to the end | a column of [`super::values`], or of [`super::histogram::columns`] |

use super::{ChunkHistogram, ChunkSamples, histogram, start_ts, values};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

/// What the values of a chunk are. The numbers continue those of [`super::Encoding`], whose chunks stand for
/// themselves; they are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnEncoding {
    /// Floats.
    Floats = 7,
    /// Native histograms of either form.
    Histograms = 8,
}

impl ColumnEncoding {
    /// The encoding with the number `byte`.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            7 => Some(Self::Floats),
            8 => Some(Self::Histograms),
            _ => None,
        }
    }

    /// The number of the encoding.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

const HAS_MISSED: u8 = 1;
const HAS_STARTS: u8 = 2;

/// Which timestamps of a block are those of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimestampRun {
    /// The column.
    pub column: u32,
    /// Index of the first timestamp in it.
    pub first: u32,
    /// Timestamps in between that are not the chunk's, as distances from `first`, ascending, none of them 0.
    pub missed: Vec<u32>,
}

impl TimestampRun {
    /// Appends the timestamps of `count` samples to `out`, given the whole column.
    ///
    /// # Errors
    /// When the column does not have them; `out` is then as it was.
    pub fn resolve(&self, count: usize, column: &[i64], out: &mut Vec<i64>) -> Result<(), DecodeError> {
        let error = || DecodeError::new("timestamps of a chunk", self.first as usize);
        let mut rest = column.get(self.first as usize..).ok_or_else(error)?;
        let span = count.checked_add(self.missed.len()).ok_or_else(error)?;
        rest = rest.get(..span).ok_or_else(error)?;
        let before = out.len();
        let mut position = 0;
        for missed in &self.missed {
            let present = (*missed as usize).checked_sub(position).and_then(|len| rest.get(..len));
            let Some(present) = present else {
                out.truncate(before);
                return Err(error());
            };
            out.extend_from_slice(present);
            rest = rest.get(present.len() + 1..).unwrap_or_default();
            position = *missed as usize + 1;
        }
        out.extend_from_slice(rest);
        if out.len() - before == count {
            return Ok(());
        }
        out.truncate(before);
        Err(error())
    }
}

/// A chunk in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnChunk<'a> {
    /// Its timestamps.
    pub times: TimestampRun,
    /// A column of start timestamps, if any is known.
    pub starts: Option<&'a [u8]>,
    /// A column of values or histograms, as the encoding says.
    pub values: &'a [u8],
}

impl<'a> ColumnChunk<'a> {
    /// Appends the bytes of the chunk to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        let missed = if self.times.missed.is_empty() { 0 } else { HAS_MISSED };
        writer.u8(missed | if self.starts.is_some() { HAS_STARTS } else { 0 });
        writer.varint(self.times.column.into());
        writer.varint(self.times.first.into());
        if missed != 0 {
            writer.varint_usize(self.times.missed.len());
            let mut previous = 0;
            for missed in &self.times.missed {
                writer.varint(u64::from(missed - previous - 1));
                previous = *missed;
            }
        }
        if let Some(starts) = self.starts {
            writer.prefixed(starts);
        }
        writer.bytes(self.values);
    }

    /// The chunk in `bytes`.
    ///
    /// # Errors
    /// When `bytes` are cut off or have flags that nobody knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8("chunk flags")?;
        if flags & !(HAS_MISSED | HAS_STARTS) != 0 {
            return Err(reader.error("chunk flags"));
        }
        let mut times = TimestampRun {
            column: reader.varint_u32("timestamp column")?,
            first: reader.varint_u32("first timestamp")?,
            missed: Vec::new(),
        };
        if flags & HAS_MISSED != 0 {
            let mut previous = 0_u32;
            for _ in 0..reader.varint("missed timestamps")? {
                let distance = reader.varint_u32("missed timestamp")?;
                let next = previous.checked_add(distance).and_then(|next| next.checked_add(1));
                previous = next.ok_or_else(|| reader.error("missed timestamp"))?;
                times.missed.push(previous);
            }
        }
        let starts = if flags & HAS_STARTS == 0 { None } else { Some(reader.prefixed("start timestamps")?) };
        Ok(Self { times, starts, values: reader.remaining() })
    }

    /// Appends the `count` samples of the chunk to `out`, given the whole column of timestamps.
    ///
    /// # Errors
    /// When the parts do not decode or do not fit each other; `out` is then as it was.
    pub fn decode(
        &self,
        encoding: ColumnEncoding,
        count: usize,
        column: &[i64],
        out: &mut ChunkSamples,
    ) -> Result<(), DecodeError> {
        let before = (out.ts.len(), out.start_ts.len(), out.histograms.len());
        let decoded = match encoding {
            ColumnEncoding::Floats => self.decode_floats(count, column, out),
            ColumnEncoding::Histograms => self.decode_histograms(count, column, &mut out.histograms),
        };
        decoded.inspect_err(|_| {
            out.ts.truncate(before.0);
            out.values.truncate(before.0);
            out.start_ts.truncate(before.1);
            out.histograms.truncate(before.2);
        })
    }

    fn decode_histograms(
        &self,
        count: usize,
        column: &[i64],
        out: &mut Vec<ChunkHistogram>,
    ) -> Result<(), DecodeError> {
        let (mut ts, mut start_ts) = (Vec::new(), Vec::new());
        self.times.resolve(count, column, &mut ts)?;
        if let Some(starts) = self.starts {
            start_ts::decode(starts, &ts, &mut start_ts)?;
        }
        out.reserve(count);
        let mut times = ts.into_iter().zip(start_ts.into_iter().chain(std::iter::repeat(0)));
        histogram::columns::decode(self.values, count, |value| {
            out.extend(times.next().map(|(ts, start_ts)| ChunkHistogram { ts, start_ts, value }));
        })
    }

    fn decode_floats(&self, count: usize, column: &[i64], out: &mut ChunkSamples) -> Result<(), DecodeError> {
        let before = out.ts.len();
        self.times.resolve(count, column, &mut out.ts)?;
        values::decode(self.values, count, &mut out.values)?;
        match self.starts {
            Some(starts) => {
                // Chunks before this one had none.
                out.start_ts.resize(before, 0);
                start_ts::decode(starts, out.ts.get(before..).unwrap_or_default(), &mut out.start_ts)
            }
            None => {
                if !out.start_ts.is_empty() {
                    out.start_ts.resize(out.ts.len(), 0);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{codec::values::Density, test_config::config};

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/column_chunk.txt")))]

        #[test]
        fn what_is_written_is_read(
            column in vec(any::<i64>(), 3..200),
            first in 0_u32..2,
            miss in vec(any::<bool>(), 200),
            with_starts: bool,
        ) {
            let run = &column[first as usize..];
            let is_missed = |at: usize| at != 0 && at + 1 != run.len() && miss[at];
            let missed: Vec<u32> = (0..).zip(run).map(|(at, _)| at).filter(|at| is_missed(*at as usize)).collect();
            let ts: Vec<i64> = (0..run.len()).filter(|at| !is_missed(*at)).map(|at| run[at]).collect();
            let floats: Vec<f64> = ts.iter().map(|ts| *ts as f64).collect();
            let start_ts: Vec<i64> = ts.iter().map(|ts| ts / 2).collect();
            let (mut starts, mut values) = (Vec::new(), Vec::new());
            start_ts::encode(&start_ts, &ts, &mut starts);
            values::encode(&floats, Density::Fast, &mut values);
            let chunk = ColumnChunk {
                times: TimestampRun { column: 3, first, missed },
                starts: with_starts.then_some(&starts[..]),
                values: &values,
            };
            let mut bytes = Vec::new();
            chunk.encode(&mut bytes);
            let parsed = ColumnChunk::parse(&bytes).unwrap();
            prop_assert_eq!(&parsed, &chunk);
            let mut out = ChunkSamples { ts: vec![5], values: vec![5.0], ..ChunkSamples::default() };
            parsed.decode(ColumnEncoding::Floats, ts.len(), &column, &mut out).unwrap();
            prop_assert_eq!(&out.ts[1..], &ts[..]);
            prop_assert_eq!(&out.values[1..], &floats[..]);
            let expected = if with_starts { [&[0], &start_ts[..]].concat() } else { Vec::new() };
            prop_assert_eq!(&out.start_ts, &expected);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..60), count in 0_usize..300, histograms: bool) {
            let column: Vec<i64> = (0..200).collect();
            let mut out = ChunkSamples { ts: vec![1], values: vec![2.0], ..ChunkSamples::default() };
            let before = out.clone();
            let encoding = if histograms { ColumnEncoding::Histograms } else { ColumnEncoding::Floats };
            if let Ok(chunk) = ColumnChunk::parse(&bytes)
                && chunk.decode(encoding, count, &column, &mut out).is_err()
            {
                prop_assert_eq!(out, before);
            }
        }
    }

    #[test]
    fn timestamps_that_are_not_there_are_an_error() {
        let column = [1, 2, 3, 4];
        let run = |first, missed| TimestampRun { column: 0, first, missed };
        let mut out = vec![9];
        run(1, vec![1]).resolve(2, &column, &mut out).unwrap();
        assert_eq!(out, [9, 2, 4]);
        for (bad, count) in [(run(5, Vec::new()), 0), (run(1, Vec::new()), 4), (run(0, vec![3, 7]), 2)] {
            assert!(bad.resolve(count, &column, &mut out).is_err(), "{bad:?}");
            assert_eq!(out, [9, 2, 4]);
        }
    }
}
