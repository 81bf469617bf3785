//! Reading a histogram chunk.

use super::super::varbit::read_signed;
use super::form::{Form, Last, State};
use super::layout::{Layout, bucket_count};
use super::{HEADER_BYTES, ResetHeader, WORDS_MAX};
use crate::DecodeError;
use crate::bits::BitReader;
use crate::histogram::{ResetHint, STALE_NAN_BITS};

/// The histograms of a chunk with their times, one after another.
///
/// Reset hints are what the chunk tells for certain: the first histogram of a counter's chunk is
/// [`ResetHint::Unknown`] whatever the header says, since the chunk before may not be there any more; the following
/// are [`ResetHint::NotReset`]; those of a gauge are all [`ResetHint::Gauge`].
///
/// Ends after the first error.
#[derive(Debug, Clone)]
pub struct HistogramIter<'a, H: Form> {
    pub(super) reader: BitReader<'a>,
    header: ResetHeader,
    pub(super) read: u16,
    count: u16,
    pub(super) ts: i64,
    pub(super) ts_delta: i64,
    /// What the first histogram sets up.
    pub(super) first: Option<(Layout, H::State)>,
}

impl<'a, H: Form> HistogramIter<'a, H> {
    /// The histograms of `chunk`.
    ///
    /// # Errors
    /// When the header is cut off or claims more histograms than the chunk can hold.
    pub fn new(chunk: &'a [u8]) -> Result<Self, DecodeError> {
        let header = chunk.first_chunk::<HEADER_BYTES>().ok_or(DecodeError::new("chunk header", 0))?;
        let [high, low, flags] = *header;
        let reader = BitReader::new(chunk, HEADER_BYTES);
        let count = u16::from_be_bytes([high, low]);
        // Time, counts and sum take a bit each.
        if usize::from(count) > reader.remaining() / 4 {
            return Err(DecodeError::new("sample count", 0));
        }
        let header = ResetHeader::of(flags);
        Ok(Self { reader, header, read: 0, count, ts: 0, ts_delta: 0, first: None })
    }

    /// What the header says about the chunk's first histogram.
    #[must_use]
    pub const fn header(&self) -> ResetHeader {
        self.header
    }

    /// Histograms that are left, as the header claims.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        (self.count - self.read) as usize
    }

    /// Reads the next histogram into the state; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, DecodeError> {
        if self.read == self.count {
            return Ok(false);
        }
        match &mut self.first {
            None => {
                self.first = Some(self.read_first()?);
            }
            Some((_, state)) => {
                let dod = read_signed(&mut self.reader, "timestamp")?;
                self.ts_delta = self.ts_delta.wrapping_add(dod);
                self.ts = self.ts.wrapping_add(self.ts_delta);
                state.read_next(&mut self.reader)?;
            }
        }
        self.read += 1;
        Ok(true)
    }

    fn read_first(&mut self) -> Result<(Layout, H::State), DecodeError> {
        let layout = Layout::read(&mut self.reader)?;
        let positive = bucket_count(&layout.positive_spans);
        let negative = bucket_count(&layout.negative_spans);
        let bits = positive.saturating_add(negative).saturating_mul(H::BUCKET_BITS_MIN);
        if bits > self.reader.remaining() {
            return Err(self.reader.error("histogram spans"));
        }
        // Few bits can stand for many empty histograms with long layouts.
        if self.count > 1 && layout.words().saturating_mul(usize::from(self.count)) > WORDS_MAX {
            return Err(self.reader.error("histogram layout"));
        }
        self.ts = read_signed(&mut self.reader, "timestamp")?;
        let state = H::State::read_first(&mut self.reader, positive, negative)?;
        Ok((layout, state))
    }

    /// The histogram just read, in the chunk's own schema.
    pub(super) fn raw(&self) -> H {
        match &self.first {
            Some((_, state)) if state.sum_bits() == STALE_NAN_BITS => {
                H::stale(f64::from_bits(STALE_NAN_BITS))
            }
            Some((layout, state)) => state.histogram(layout, self.header.hint(self.read)),
            None => H::default(),
        }
    }

    fn current(&self) -> Result<(i64, H), DecodeError> {
        let mut histogram = self.raw();
        histogram.reduce_reserved_schema().map_err(|_| self.reader.error("histogram spans"))?;
        Ok((self.ts, histogram))
    }
}

impl<H: Form> Iterator for HistogramIter<'_, H> {
    type Item = Result<(i64, H), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.advance() {
            Ok(true) => self.current(),
            Ok(false) => return None,
            Err(error) => Err(error),
        };
        if item.is_err() {
            self.count = self.read;
        }
        Some(item)
    }
}

impl ResetHeader {
    /// The hint of the `read`th histogram (from 1) of a chunk with this header.
    pub(super) const fn hint(self, read: u16) -> ResetHint {
        match self {
            Self::Gauge => ResetHint::Gauge,
            Self::Reset | Self::NotReset | Self::Unknown if read > 1 => ResetHint::NotReset,
            Self::Reset | Self::NotReset | Self::Unknown => ResetHint::Unknown,
        }
    }
}
