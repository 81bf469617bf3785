//! Chunks of any encoding.

use super::{histogram, start_ts, xor};
use crate::DecodeError;
use crate::cursor::{Reader, Writer};
use crate::histogram::{FloatHistogram, Histogram, HistogramValue};

/// How the samples of a chunk are stored. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Encoding {
    /// Floats, see [`xor`].
    Xor = 1,
    /// Histograms with integer counts, see [`histogram`].
    Histogram = 2,
    /// Histograms with float counts, see [`histogram`].
    FloatHistogram = 3,
    /// As [`Encoding::Xor`], with start timestamps.
    XorStart = 4,
    /// As [`Encoding::Histogram`], with start timestamps.
    HistogramStart = 5,
    /// As [`Encoding::FloatHistogram`], with start timestamps.
    FloatHistogramStart = 6,
}

impl Encoding {
    /// The encoding with the number `byte`.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Xor,
            2 => Self::Histogram,
            3 => Self::FloatHistogram,
            4 => Self::XorStart,
            5 => Self::HistogramStart,
            6 => Self::FloatHistogramStart,
            _ => return None,
        })
    }

    /// The number of the encoding.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The encoding of the chunk without its start timestamps.
    #[must_use]
    pub const fn base(self) -> Self {
        match self {
            Self::Xor | Self::XorStart => Self::Xor,
            Self::Histogram | Self::HistogramStart => Self::Histogram,
            Self::FloatHistogram | Self::FloatHistogramStart => Self::FloatHistogram,
        }
    }

    /// The encoding of the chunk with start timestamps.
    #[must_use]
    pub const fn with_start_ts(self) -> Self {
        match self.base() {
            Self::Xor | Self::XorStart => Self::XorStart,
            Self::Histogram | Self::HistogramStart => Self::HistogramStart,
            Self::FloatHistogram | Self::FloatHistogramStart => Self::FloatHistogramStart,
        }
    }

    /// Whether chunks have start timestamps.
    #[must_use]
    pub const fn has_start_ts(self) -> bool {
        matches!(self, Self::XorStart | Self::HistogramStart | Self::FloatHistogramStart)
    }

    /// Whether samples are histograms.
    #[must_use]
    pub const fn is_histogram(self) -> bool {
        !matches!(self.base(), Self::Xor)
    }
}

/// A histogram of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkHistogram {
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    /// When the counts began, in milliseconds; 0 = unknown.
    pub start_ts: i64,
    /// The histogram, with the reset hint that the chunk tells.
    pub value: HistogramValue,
}

/// Decoded samples of chunks, floats by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChunkSamples {
    /// Times of the float samples, milliseconds.
    pub ts: Vec<i64>,
    /// Values of the float samples.
    pub values: Vec<f64>,
    /// Start timestamps of the float samples, 0 = unknown. Empty when none is known, else as long as `ts`.
    pub start_ts: Vec<i64>,
    /// Native histograms.
    pub histograms: Vec<ChunkHistogram>,
}

impl ChunkSamples {
    /// Empties all columns, keeping their memory.
    pub fn clear(&mut self) {
        self.ts.clear();
        self.values.clear();
        self.start_ts.clear();
        self.histograms.clear();
    }
}

/// Appends the samples of `chunk` to `out`. Its memory is bounded by the chunk's length, not by what the chunk
/// claims.
///
/// # Errors
/// When `chunk` does not decode; `out` is then as it was.
pub fn decode_chunk(encoding: Encoding, chunk: &[u8], out: &mut ChunkSamples) -> Result<(), DecodeError> {
    let (base, starts) = split(encoding, chunk)?;
    match encoding.base() {
        Encoding::Histogram | Encoding::HistogramStart => {
            decode_histograms::<Histogram>(base, starts, HistogramValue::Integer, out)
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramStart => {
            decode_histograms::<FloatHistogram>(base, starts, HistogramValue::Float, out)
        }
        Encoding::Xor | Encoding::XorStart => decode_floats(base, starts, out),
    }
}

/// The part of `chunk` that is a chunk of [`Encoding::base`].
///
/// # Errors
/// When `chunk` is cut off.
pub fn base_chunk(encoding: Encoding, chunk: &[u8]) -> Result<&[u8], DecodeError> {
    split(encoding, chunk).map(|(base, _)| base)
}

/// Number of samples that `chunk` claims to hold.
///
/// # Errors
/// When `chunk` is cut off.
pub fn sample_count(encoding: Encoding, chunk: &[u8]) -> Result<u16, DecodeError> {
    // All base chunks begin with it.
    base_chunk(encoding, chunk).and_then(xor::count)
}

/// The chunk of [`Encoding::with_start_ts`] with the samples of `base` at `ts` and their start timestamps.
///
/// # Panics
/// When `start_ts` and `ts` differ in length.
#[must_use]
pub fn with_start_ts(base: &[u8], ts: &[i64], start_ts: &[i64]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(base.len() + 16);
    Writer::new(&mut chunk).prefixed(base);
    start_ts::encode(start_ts, ts, &mut chunk);
    chunk
}

/// The base chunk and the column of start timestamps.
fn split(encoding: Encoding, chunk: &[u8]) -> Result<(&[u8], Option<&[u8]>), DecodeError> {
    if !encoding.has_start_ts() {
        return Ok((chunk, None));
    }
    let mut reader = Reader::new(chunk);
    let base = reader.prefixed("base chunk")?;
    Ok((base, Some(reader.remaining())))
}

fn decode_floats(base: &[u8], starts: Option<&[u8]>, out: &mut ChunkSamples) -> Result<(), DecodeError> {
    let before = out.ts.len();
    xor::decode(base, &mut out.ts, &mut out.values)?;
    let Some(starts) = starts else {
        if !out.start_ts.is_empty() {
            out.start_ts.resize(out.ts.len(), 0);
        }
        return Ok(());
    };
    let starts_before = out.start_ts.len();
    // Chunks before this one had none.
    out.start_ts.resize(before, 0);
    let ts = out.ts.get(before..).unwrap_or_default();
    start_ts::decode(starts, ts, &mut out.start_ts).inspect_err(|_| {
        out.ts.truncate(before);
        out.values.truncate(before);
        out.start_ts.truncate(starts_before);
    })
}

fn decode_histograms<H: histogram::Form>(
    base: &[u8],
    starts: Option<&[u8]>,
    value: fn(H) -> HistogramValue,
    out: &mut ChunkSamples,
) -> Result<(), DecodeError> {
    let mut samples = Vec::new();
    histogram::decode::<H>(base, &mut samples)?;
    let mut start_column = Vec::new();
    if let Some(starts) = starts {
        let ts: Vec<i64> = samples.iter().map(|(ts, _)| *ts).collect();
        start_ts::decode(starts, &ts, &mut start_column)?;
    }
    let starts = start_column.into_iter().chain(std::iter::repeat(0));
    out.histograms.extend(
        samples.into_iter().zip(starts).map(|((ts, histogram), start_ts)| ChunkHistogram {
            ts,
            start_ts,
            value: value(histogram),
        }),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::codec::histogram::{FloatHistogramAppender, HistogramAppender};
    use crate::test_config::config;

    const ALL: [Encoding; 6] = [
        Encoding::Xor,
        Encoding::Histogram,
        Encoding::FloatHistogram,
        Encoding::XorStart,
        Encoding::HistogramStart,
        Encoding::FloatHistogramStart,
    ];

    #[test]
    fn numbers_are_those_on_disk() {
        assert_eq!(ALL.map(Encoding::as_u8), [1, 2, 3, 4, 5, 6]);
        for encoding in ALL {
            assert_eq!(Encoding::from_u8(encoding.as_u8()), Some(encoding));
            assert_eq!(encoding.with_start_ts().base(), encoding.base());
            assert!(encoding.with_start_ts().has_start_ts() && !encoding.base().has_start_ts());
        }
        assert_eq!([0, 7, 255].map(Encoding::from_u8), [None; 3]);
    }

    #[test]
    fn floats_with_and_without_start_timestamps_follow_each_other() {
        let plain = xor::encode([(1, 1.0), (2, 2.0)]);
        let started = with_start_ts(&xor::encode([(3, 3.0), (4, 4.0)]), &[3, 4], &[2, 3]);
        let mut out = ChunkSamples::default();
        decode_chunk(Encoding::Xor, &plain, &mut out).unwrap();
        assert_eq!(out.start_ts, [0_i64; 0]);
        decode_chunk(Encoding::XorStart, &started, &mut out).unwrap();
        decode_chunk(Encoding::Xor, &plain, &mut out).unwrap();
        assert_eq!(out.ts, [1, 2, 3, 4, 1, 2]);
        assert_eq!(out.values, [1.0, 2.0, 3.0, 4.0, 1.0, 2.0]);
        assert_eq!(out.start_ts, [0, 0, 2, 3, 0, 0]);
        let before = out.clone();
        assert!(decode_chunk(Encoding::XorStart, &started[..started.len() - 1], &mut out).is_err());
        assert_eq!(out, before);
    }

    #[test]
    fn histograms_have_start_timestamps_too() {
        let integer = Histogram { count: 1, zero_count: 1, ..Histogram::default() };
        let chunks = [
            (Encoding::HistogramStart, HistogramAppender::new(9, &integer).into_bytes()),
            (Encoding::FloatHistogramStart, FloatHistogramAppender::new(9, &integer.to_float()).into_bytes()),
        ];
        let mut out = ChunkSamples::default();
        for (encoding, base) in chunks {
            let chunk = with_start_ts(&base, &[9], &[5]);
            assert_eq!(base_chunk(encoding, &chunk), Ok(&base[..]));
            assert_eq!(sample_count(encoding, &chunk), Ok(1));
            decode_chunk(encoding, &chunk, &mut out).unwrap();
            decode_chunk(encoding.base(), &base, &mut out).unwrap();
        }
        assert_eq!(
            out.histograms.iter().map(|h| (h.ts, h.start_ts)).collect::<Vec<_>>(),
            [(9, 5), (9, 0), (9, 5), (9, 0)]
        );
        assert_eq!(out.histograms[1].value, HistogramValue::Integer(integer.clone()));
        assert_eq!(out.histograms[2].value, HistogramValue::Float(integer.to_float()));
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/chunk.txt")))]

        #[test]
        fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), number in 1_u8..=6) {
            let mut out = ChunkSamples { ts: vec![1], values: vec![2.0], ..ChunkSamples::default() };
            let before = out.clone();
            if decode_chunk(Encoding::from_u8(number).unwrap(), &bytes, &mut out).is_err() {
                prop_assert_eq!(out, before);
            }
        }
    }
}
