//! Appending to a histogram chunk: what still fits it, what needs more buckets, and what starts a new chunk.

use super::form::{Form, Last, Side, State};
use super::iter::HistogramIter;
use super::layout::{Layout, assert_consistent, words};
use super::spans::move_counts;
use super::verdict::{Tail, first_header};
use super::{COUNT_BYTES, FLAGS_OFFSET, HEADER_BYTES, ResetHeader, SAMPLES_MAX, WORDS_MAX};
use crate::DecodeError;
use crate::bits::BitWriter;
use crate::histogram::{STALE_NAN_BITS, Span};

use super::super::varbit::signed_bits;

/// What [`Appender::append`] did.
#[derive(Debug)]
pub enum Appended<H: Form> {
    /// The histogram is in the chunk, behind the bytes that were there.
    InPlace,
    /// The histogram is in the chunk, which was rewritten to make room for its buckets: all bytes changed.
    Recoded,
    /// The chunk is complete and unchanged. The histogram is the first of this next one.
    Cut(Box<Appender<H>>),
}

/// A histogram chunk that is being appended to, with its bytes.
///
/// Histograms must have passed their `validate`. [`Appender::bytes`] is a complete chunk at any moment.
#[derive(Debug, Clone)]
pub struct Appender<H: Form> {
    bits: BitWriter,
    count: u16,
    layout: Layout,
    ts: i64,
    ts_delta: i64,
    state: H::State,
}

impl<H: Form> Appender<H> {
    /// A chunk whose first histogram is `histogram`; nothing is known of one before it.
    ///
    /// # Panics
    /// When the histogram's spans and buckets do not agree; so do [`Appender::after`] and [`Appender::append`].
    #[must_use]
    pub fn new(ts: i64, histogram: &H) -> Self {
        Self::with_header(first_header(histogram.parts().reset_hint), ts, histogram)
    }

    /// A chunk that goes on where `previous` was cut for its size or age; the header says whether the counts do too.
    #[must_use]
    pub fn after(previous: &Self, ts: i64, histogram: &H) -> Self {
        Self::with_header(previous.tail().header_after(histogram), ts, histogram)
    }

    /// The state behind the last histogram of `chunk`.
    ///
    /// # Errors
    /// When `chunk` does not decode, or holds no histogram.
    pub fn resume(chunk: Vec<u8>) -> Result<Self, DecodeError> {
        let mut samples = HistogramIter::<H>::new(&chunk)?;
        while samples.advance()? {}
        let (count, ts, ts_delta, position) =
            (samples.read, samples.ts, samples.ts_delta, samples.reader.position());
        let empty = DecodeError::new("sample count", 0);
        let (layout, state) = samples.first.take().ok_or(empty)?;
        Ok(Self { bits: BitWriter::resume(chunk, position), count, layout, ts, ts_delta, state })
    }

    /// The chunk so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bits.bytes()
    }

    /// The chunk.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bits.into_bytes()
    }

    /// Histograms in the chunk, at least one.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// Time of the last histogram.
    #[must_use]
    pub const fn last_ts(&self) -> i64 {
        self.ts
    }

    /// The last histogram, with the hint a reader would give it; to compare a repeated sample with.
    #[must_use]
    pub fn last(&self) -> H {
        if self.state.sum_bits() == STALE_NAN_BITS {
            return H::stale(f64::from_bits(STALE_NAN_BITS));
        }
        self.state.histogram(&self.layout, self.header().hint(self.count))
    }

    /// Appends a histogram, in whichever of three ways: see [`Appended`].
    pub fn append(&mut self, ts: i64, histogram: &H) -> Appended<H> {
        if self.count() == SAMPLES_MAX {
            return self.cut_after(ts, histogram);
        }
        let tail = self.tail();
        let verdict = tail.verdict(histogram);
        let Some(fits) = verdict.fits else {
            return Appended::Cut(Box::new(Self::with_header(verdict.header, ts, histogram)));
        };
        if fits.grow_histogram() {
            let wide = tail.widened(histogram, fits);
            self.append_fitting(ts, &wide, fits.grow_run())
        } else {
            self.append_fitting(ts, histogram, fits.grow_run())
        }
    }

    /// Appends a histogram that has every bucket of the chunk; if it has more, the chunk is rewritten first.
    fn append_fitting(&mut self, ts: i64, histogram: &H, chunk_grows: bool) -> Appended<H> {
        let words = if chunk_grows { words(histogram) } else { self.layout.words() };
        if words.saturating_mul(self.count() + 1) > WORDS_MAX {
            return self.cut_after(ts, histogram);
        }
        if chunk_grows {
            // What was appended can be read back, so that this does not fail. If it did, a new chunk loses nothing.
            match self.recoded_for(histogram) {
                Ok(wide) => *self = wide,
                Err(_) => return self.cut_after(ts, histogram),
            }
        }
        self.push(ts, histogram);
        if chunk_grows { Appended::Recoded } else { Appended::InPlace }
    }

    fn cut_after(&self, ts: i64, histogram: &H) -> Appended<H> {
        Appended::Cut(Box::new(Self::after(self, ts, histogram)))
    }

    fn with_header(header: ResetHeader, ts: i64, histogram: &H) -> Self {
        let stale;
        let histogram = if histogram.is_stale() {
            // A stale marker has no layout.
            stale = H::stale(histogram.parts().sum);
            &stale
        } else {
            assert_consistent(histogram);
            histogram
        };
        let layout = Layout::of(histogram);
        let mut bits = BitWriter::new(vec![0, 0, header as u8]);
        debug_assert_eq!(bits.bytes().len(), HEADER_BYTES);
        layout.write(&mut bits);
        bits.put(signed_bits(ts));
        let state = H::State::begin(histogram, &mut bits);
        let mut chunk = Self { bits, count: 1, layout, ts, ts_delta: 0, state };
        chunk.write_count();
        chunk
    }

    fn push(&mut self, ts: i64, histogram: &H) {
        if !histogram.is_stale() {
            assert_consistent(histogram);
        }
        let ts_delta = ts.wrapping_sub(self.ts);
        self.bits.put(signed_bits(ts_delta.wrapping_sub(self.ts_delta)));
        self.state.push(histogram, &mut self.bits);
        (self.ts, self.ts_delta) = (ts, ts_delta);
        self.count += 1;
        self.write_count();
    }

    fn write_count(&mut self) {
        if let Some(header) = self.bits.bytes_mut().first_chunk_mut::<COUNT_BYTES>() {
            *header = self.count.to_be_bytes();
        }
    }

    fn header(&self) -> ResetHeader {
        ResetHeader::of(self.bits.bytes().get(FLAGS_OFFSET).copied().unwrap_or_default())
    }

    /// This chunk with the buckets of `histogram`, which are those of the chunk and more.
    fn recoded_for(&self, histogram: &H) -> Result<Self, DecodeError> {
        let to = histogram.parts();
        let mut wide: Option<Self> = None;
        let mut samples = HistogramIter::<H>::new(self.bytes())?;
        while samples.advance()? {
            let mut old = samples.raw();
            if !old.is_stale() {
                let parts = old.parts();
                let positive = moved::<H>(parts.positive_spans, parts.positive_buckets, to.positive_spans);
                let negative = moved::<H>(parts.negative_spans, parts.negative_buckets, to.negative_spans);
                old.set_buckets(Side::Positive, to.positive_spans.to_vec(), positive);
                old.set_buckets(Side::Negative, to.negative_spans.to_vec(), negative);
            }
            match &mut wide {
                Some(wide) => wide.push(samples.ts, &old),
                None => wide = Some(Self::with_header(self.header(), samples.ts, &old)),
            }
        }
        wide.ok_or(DecodeError::new("sample count", 0))
    }

    fn tail(&self) -> Tail<'_, H::State> {
        Tail { header: self.header(), layout: &self.layout, last: &self.state }
    }
}

fn moved<H: Form>(from: &[Span], buckets: &[H::Bucket], to: &[Span]) -> Vec<H::Bucket> {
    H::buckets(move_counts(from, H::counts(buckets), to))
}
