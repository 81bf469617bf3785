//! Open chunks of native histograms. Few series have them, so each is an allocation of its own.

use kymo_formats::{
    DecodeError,
    codec::{
        self, ChunkSamples, Encoding,
        histogram::{Appended, FloatHistogramAppender, HistogramAppender, HistogramIter},
    },
    histogram::{FloatHistogram, Histogram, HistogramValue},
};

use super::late::{Novelty, same_histogram};

/// Histograms of an open chunk when it is sealed.
const CHUNK_SAMPLES: usize = 120;
/// A chunk larger than this is sealed once it holds [`LARGE_CHUNK_SAMPLES_MIN`].
const LARGE_CHUNK_BYTES: usize = 1_024;
const LARGE_CHUNK_SAMPLES_MIN: usize = 10;

/// The open histogram chunk of a series.
#[derive(Debug)]
pub(super) struct OpenHistograms {
    chunk: Chunk,
    ts: Vec<i64>,
    /// As long as `ts`, or empty while no start timestamp is known.
    start_ts: Vec<i64>,
    /// The newest histogram as it was sent: the chunk may have given it more buckets.
    newest: HistogramValue,
}

#[derive(Debug)]
enum Chunk {
    Integer(HistogramAppender),
    Float(FloatHistogramAppender),
}

/// Whether a histogram went into the open chunk.
#[derive(Debug)]
pub(super) enum Offered {
    /// It did.
    Taken,
    /// The chunk is complete; the histogram is the first of this next one.
    Next(Box<OpenHistograms>),
}

impl OpenHistograms {
    /// A chunk of one histogram, which has been validated.
    pub(super) fn new(ts: i64, start_ts: i64, value: HistogramValue) -> Self {
        let chunk = match &value {
            HistogramValue::Integer(histogram) => Chunk::Integer(HistogramAppender::new(ts, histogram)),
            HistogramValue::Float(histogram) => Chunk::Float(FloatHistogramAppender::new(ts, histogram)),
        };
        Self::starting(chunk, ts, start_ts, value)
    }

    fn starting(chunk: Chunk, ts: i64, start_ts: i64, newest: HistogramValue) -> Self {
        let start_ts = if start_ts == 0 { Vec::new() } else { vec![start_ts] };
        Self { chunk, ts: vec![ts], start_ts, newest }
    }

    /// Appends a validated histogram, or tells that the chunk is complete. With `cut` it is in any case.
    pub(super) fn offer(&mut self, ts: i64, start_ts: i64, value: HistogramValue, cut: bool) -> Offered {
        let cut = cut || self.is_full();
        let next = match (&mut self.chunk, &value) {
            (Chunk::Integer(chunk), HistogramValue::Integer(histogram)) if cut => {
                Some(Chunk::Integer(HistogramAppender::after(chunk, ts, histogram)))
            }
            (Chunk::Float(chunk), HistogramValue::Float(histogram)) if cut => {
                Some(Chunk::Float(FloatHistogramAppender::after(chunk, ts, histogram)))
            }
            (Chunk::Integer(chunk), HistogramValue::Integer(histogram)) => {
                match chunk.append(ts, histogram) {
                    Appended::InPlace | Appended::Recoded => None,
                    Appended::Cut(next) => Some(Chunk::Integer(*next)),
                }
            }
            (Chunk::Float(chunk), HistogramValue::Float(histogram)) => match chunk.append(ts, histogram) {
                Appended::InPlace | Appended::Recoded => None,
                Appended::Cut(next) => Some(Chunk::Float(*next)),
            },
            _ => return Offered::Next(Box::new(Self::new(ts, start_ts, value))),
        };
        if let Some(next) = next {
            return Offered::Next(Box::new(Self::starting(next, ts, start_ts, value)));
        }
        if start_ts != 0 || !self.start_ts.is_empty() {
            self.start_ts.resize(self.ts.len(), 0);
            self.start_ts.push(start_ts);
        }
        self.ts.push(ts);
        self.newest = value;
        Offered::Taken
    }

    fn is_full(&self) -> bool {
        let len = self.len();
        len >= CHUNK_SAMPLES || (len >= LARGE_CHUNK_SAMPLES_MIN && self.bytes().len() >= LARGE_CHUNK_BYTES)
    }

    fn bytes(&self) -> &[u8] {
        match &self.chunk {
            Chunk::Integer(chunk) => chunk.bytes(),
            Chunk::Float(chunk) => chunk.bytes(),
        }
    }

    /// The newest histogram as it was sent.
    pub(super) const fn newest(&self) -> &HistogramValue {
        &self.newest
    }

    /// Whether a histogram that is not newer than the newest is new to the chunk. It is decoded only if it holds one of
    /// that time.
    pub(super) fn novelty(&self, ts: i64, value: &HistogramValue) -> Novelty {
        let Ok(at) = self.ts.binary_search(&ts) else { return Novelty::New };
        let stored = match &self.chunk {
            Chunk::Integer(chunk) => HistogramIter::<Histogram>::new(chunk.bytes())
                .ok()
                .and_then(|mut histograms| histograms.nth(at)?.ok())
                .map(|(_, histogram)| HistogramValue::Integer(histogram)),
            Chunk::Float(chunk) => HistogramIter::<FloatHistogram>::new(chunk.bytes())
                .ok()
                .and_then(|mut histograms| histograms.nth(at)?.ok())
                .map(|(_, histogram)| HistogramValue::Float(histogram)),
        };
        Novelty::of(stored.map(|stored| same_histogram(&stored, value)))
    }

    /// Number of histograms.
    pub(super) const fn len(&self) -> usize {
        self.ts.len()
    }

    pub(super) const fn encoding(&self) -> Encoding {
        match (&self.chunk, self.start_ts.is_empty()) {
            (Chunk::Integer(_), true) => Encoding::Histogram,
            (Chunk::Integer(_), false) => Encoding::HistogramStart,
            (Chunk::Float(_), true) => Encoding::FloatHistogram,
            (Chunk::Float(_), false) => Encoding::FloatHistogramStart,
        }
    }

    /// A copy of the chunk, in [`OpenHistograms::encoding`].
    pub(super) fn encode(&self) -> Vec<u8> {
        if self.start_ts.is_empty() {
            return self.bytes().to_vec();
        }
        codec::with_start_ts(self.bytes(), &self.ts, &self.start_ts)
    }

    /// Goes on with a chunk that was saved.
    ///
    /// # Errors
    /// When it does not decode.
    pub(super) fn resume(encoding: Encoding, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoded = ChunkSamples::default();
        codec::decode_chunk(encoding, bytes, &mut decoded)?;
        let base = codec::base_chunk(encoding, bytes)?.to_vec();
        let (chunk, newest) = match encoding {
            Encoding::Histogram | Encoding::HistogramStart => {
                let chunk = HistogramAppender::resume(base)?;
                let newest = HistogramValue::Integer(chunk.last());
                (Chunk::Integer(chunk), newest)
            }
            _ => {
                let chunk = FloatHistogramAppender::resume(base)?;
                let newest = HistogramValue::Float(chunk.last());
                (Chunk::Float(chunk), newest)
            }
        };
        let ts = decoded.histograms.iter().map(|sample| sample.ts).collect();
        let mut start_ts: Vec<i64> = decoded.histograms.iter().map(|sample| sample.start_ts).collect();
        if start_ts.iter().all(|start| *start == 0) {
            start_ts.clear();
        }
        Ok(Self { chunk, ts, start_ts, newest })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // The newest histogram and the appender's state are about as large as a few samples.
        self.bytes().len() + (self.ts.capacity() + self.start_ts.capacity()) * 8 + 512
    }
}
