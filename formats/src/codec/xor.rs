//! Floats with timestamps as a Gorilla chunk, bit for bit that of Prometheus's TSDB.
//!
//! Layout: number of samples (u16, big endian), then a stream of bits. The first sample is a zig-zag varint and
//! 64 raw bits; the second stores its time as an unsigned varint delta; from the third on times are deltas of
//! deltas in five classes (0, 14, 17, 20 and 64 bits). Values are XORed with the one before. Time
//! arithmetic wraps, so that every `i64` is kept.

use super::xor_value::{VALUE_BITS_MAX, Window};
use crate::DecodeError;
use crate::bits::{BitReader, Bits, PEEK_BITS, high_bits, put_at, varint_bits};
use crate::varint::{unzigzag, zigzag};

/// Bytes of the count in front of the stream.
pub const HEADER_BYTES: usize = 2;
/// The most samples a chunk holds: the count has 16 bits.
pub const SAMPLES_MAX: usize = u16::MAX as usize;

/// The state of a chunk that is being appended to. The bytes are the caller's.
///
/// Small and `Copy`, so that a head can keep it beside the bytes in a slab without an allocation per series.
/// After every append `buf[..byte_len()]` is a complete chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XorAppender {
    ts: i64,
    ts_delta: u64,
    value_bits: u64,
    bit_len: u32,
    count: u16,
    window: Window,
}

// A million open chunks hold a million of these.
const _: () = assert!(size_of::<XorAppender>() <= 32);

impl Default for XorAppender {
    fn default() -> Self {
        Self::new()
    }
}

impl XorAppender {
    /// Room behind [`XorAppender::byte_len`] that is enough for any next sample.
    ///
    /// The worst is the second sample: a varint of ten bytes and a value with a new window.
    pub const BYTES_MAX_PER_SAMPLE: usize = (80 + VALUE_BITS_MAX as usize).div_ceil(8);

    /// The state of an empty chunk. Nothing is in the buffer until the first append.
    #[must_use]
    pub fn new() -> Self {
        Self { ts: 0, ts_delta: 0, value_bits: 0, bit_len: 16, count: 0, window: Window::default() }
    }

    /// The state behind the last sample of `chunk`, as if every sample had just been appended.
    ///
    /// # Errors
    /// When `chunk` does not decode.
    pub fn resume(chunk: &[u8]) -> Result<Self, DecodeError> {
        let mut samples = XorIter::new(chunk)?;
        for sample in samples.by_ref() {
            sample?;
        }
        let bit_len =
            u32::try_from(samples.reader.position()).map_err(|_| samples.reader.error("chunk length"))?;
        Ok(Self {
            ts: samples.ts,
            ts_delta: samples.ts_delta,
            value_bits: samples.value_bits,
            bit_len,
            count: samples.read,
            window: samples.window,
        })
    }

    /// Bytes of the chunk so far; those of the header for an empty one.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        (self.bit_len as usize).div_ceil(8)
    }

    /// Samples so far.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether the chunk holds [`SAMPLES_MAX`] samples.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count == u16::MAX
    }

    /// Time of the last sample; `None` for an empty chunk.
    #[must_use]
    pub const fn last_ts(&self) -> Option<i64> {
        if self.count == 0 { None } else { Some(self.ts) }
    }

    /// Value of the last sample; `None` for an empty chunk.
    #[must_use]
    pub const fn last_value(&self) -> Option<f64> {
        if self.count == 0 { None } else { Some(f64::from_bits(self.value_bits)) }
    }

    /// Appends a sample to the chunk in `buf`.
    ///
    /// Times need not ascend; readers expect it, so the caller sees to it. What `buf` holds behind the chunk is
    /// lost.
    ///
    /// # Panics
    /// When `buf` has no room for the sample (see [`XorAppender::BYTES_MAX_PER_SAMPLE`]) or the chunk is full:
    /// going on would damage what is stored.
    #[inline]
    pub fn append(&mut self, buf: &mut [u8], ts: i64, value: f64) {
        assert!(!self.is_full(), "a chunk holds at most {SAMPLES_MAX} samples");
        let value = value.to_bits();
        let ts_delta = ts.wrapping_sub(self.ts).cast_unsigned();
        match self.count {
            0 => {
                self.put(buf, varint_bits(zigzag(ts)));
                self.put(buf, Bits::low(value, 64));
            }
            1 => {
                self.put(buf, varint_bits(ts_delta));
                let bits = self.window.encode(self.value_bits, value);
                self.put(buf, bits);
            }
            _ => {
                let dod = ts_delta.wrapping_sub(self.ts_delta).cast_signed();
                let bits = self.window.encode(self.value_bits, value);
                if dod == 0 {
                    // A zero bit in front: one more bit, the same value.
                    self.put(buf, Bits { count: bits.count + 1, ..bits });
                } else {
                    self.put(buf, dod_bits(dod));
                    self.put(buf, bits);
                }
            }
        }
        // The delta of the first sample is the delta from nothing, not the distance to ts 0.
        self.ts_delta = if self.count == 0 { 0 } else { ts_delta };
        self.ts = ts;
        self.value_bits = value;
        self.count += 1;
        if let Some(header) = buf.first_chunk_mut() {
            *header = self.count.to_be_bytes();
        }
    }

    #[inline]
    fn put(&mut self, buf: &mut [u8], bits: Bits) {
        put_at(buf, self.bit_len as usize, bits);
        // 65,535 samples of 157 bits are far below 2^32.
        self.bit_len += bits.count;
    }
}

/// The chunk of `samples`, at most [`SAMPLES_MAX`].
///
/// # Panics
/// When there are more.
pub fn encode(samples: impl IntoIterator<Item = (i64, f64)>) -> Vec<u8> {
    let mut appender = XorAppender::new();
    let mut chunk = vec![0; HEADER_BYTES];
    for (ts, value) in samples {
        chunk.resize(appender.byte_len() + XorAppender::BYTES_MAX_PER_SAMPLE, 0);
        appender.append(&mut chunk, ts, value);
    }
    chunk.truncate(appender.byte_len());
    chunk
}

/// Number of samples that `chunk` claims to hold.
///
/// # Errors
/// When the header is cut off.
pub fn count(chunk: &[u8]) -> Result<u16, DecodeError> {
    chunk.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(DecodeError::new("chunk header", 0))
}

/// Appends the samples of `chunk` to `ts` and `values`.
///
/// # Errors
/// When `chunk` does not decode; the vectors are then as they were.
pub fn decode(chunk: &[u8], ts: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<(), DecodeError> {
    let samples = XorIter::new(chunk)?;
    let count = usize::from(samples.count);
    // A sample takes two bits or more, whatever the header says.
    if count > samples.reader.remaining() / 2 {
        return Err(DecodeError::new("sample count", 0));
    }
    let (ts_len, values_len) = (ts.len(), values.len());
    ts.resize(ts_len + count, 0);
    values.resize(values_len + count, 0.0);
    let slots = (ts.get_mut(ts_len..).unwrap_or_default(), values.get_mut(values_len..).unwrap_or_default());
    samples.fill(slots.0, slots.1).inspect_err(|_| {
        ts.truncate(ts_len);
        values.truncate(values_len);
    })
}

/// The samples of a chunk, one after another.
///
/// Ends after the first error.
#[derive(Debug, Clone)]
pub struct XorIter<'a> {
    reader: BitReader<'a>,
    ts: i64,
    ts_delta: u64,
    value_bits: u64,
    window: Window,
    read: u16,
    count: u16,
}

impl<'a> XorIter<'a> {
    /// The samples of `chunk`.
    ///
    /// # Errors
    /// When the header is cut off.
    pub fn new(chunk: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            reader: BitReader::new(chunk, HEADER_BYTES),
            ts: 0,
            ts_delta: 0,
            value_bits: 0,
            window: Window::default(),
            read: 0,
            count: count(chunk)?,
        })
    }

    /// Decodes all samples into columns that have one slot for each.
    fn fill(mut self, mut ts: &mut [i64], mut values: &mut [f64]) -> Result<(), DecodeError> {
        while self.read < self.count.min(2) {
            self.advance()?;
            if let (Some(ts), Some(value)) = (ts.split_off_first_mut(), values.split_off_first_mut()) {
                (*ts, *value) = (self.ts, f64::from_bits(self.value_bits));
            }
        }
        let mut rest = self;
        while !ts.is_empty() {
            let word = rest.reader.peek();
            if word >> 62 == 0 {
                rest.fill_run(word, &mut ts, &mut values);
            } else if let (Some(ts), Some(value)) = (ts.split_off_first_mut(), values.split_off_first_mut()) {
                if !rest.step(word) {
                    return Err(DecodeError::new("xor window", rest.reader.position() / 8));
                }
                (*ts, *value) = (rest.ts, f64::from_bits(rest.value_bits));
            }
        }
        // Zeros behind the end may have passed as samples until here.
        rest.reader.check("sample")
    }

    /// Fills a run of samples on the beat with an unchanged value, `00` each, in one go.
    #[inline(always)]
    fn fill_run(&mut self, word: u64, ts: &mut &mut [i64], values: &mut &mut [f64]) {
        let run = word.leading_zeros().min(PEEK_BITS) as usize / 2;
        let run = run.min(ts.len());
        if let (Some(ts), Some(values)) = (ts.split_off_mut(..run), values.split_off_mut(..run)) {
            for ts in ts {
                self.ts = self.ts.wrapping_add_unsigned(self.ts_delta);
                *ts = self.ts;
            }
            values.fill(f64::from_bits(self.value_bits));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a run is at most 28 samples, the bits of one peek"
        )]
        self.reader.skip(2 * run as u32);
    }

    /// Decodes the next sample into the state.
    #[inline]
    fn advance(&mut self) -> Result<(), DecodeError> {
        match self.read {
            0 => {
                self.ts = unzigzag(self.reader.read_varint("first timestamp")?);
                self.value_bits = self.reader.take(64);
            }
            1 => {
                self.ts_delta = self.reader.read_varint("timestamp delta")?;
                self.ts = self.ts.wrapping_add_unsigned(self.ts_delta);
                self.value_bits = self.window.decode(&mut self.reader, self.value_bits)?;
            }
            _ => {
                if !self.step(self.reader.peek()) {
                    return Err(self.reader.error("xor window"));
                }
            }
        }
        self.read += 1;
        self.reader.check("sample")
    }

    /// Decodes the third or a later sample, which begins at the top of `word`; false when it is not valid.
    #[inline(always)]
    fn step(&mut self, word: u64) -> bool {
        let mut used = 1;
        if word >> 63 != 0 {
            let dod;
            (dod, used) = self.dod(word);
            self.ts_delta = self.ts_delta.wrapping_add_signed(dod);
        }
        self.ts = self.ts.wrapping_add_unsigned(self.ts_delta);
        let value = if used <= 24 {
            self.window.decode_at(&mut self.reader, word << used, used, self.value_bits)
        } else {
            self.reader.skip(used);
            let word = self.reader.peek();
            self.window.decode_at(&mut self.reader, word, 0, self.value_bits)
        };
        self.value_bits = value.unwrap_or_default();
        value.is_some()
    }

    /// The delta of deltas at the top of `word`, which is not zero, and the bits it takes.
    #[inline(always)]
    fn dod(&self, word: u64) -> (i64, u32) {
        let (prefix, width) = match word.leading_ones() {
            1 => (2, 14),
            2 => (3, 17),
            3 => (4, 20),
            _ => {
                let mut behind = self.reader.clone();
                behind.skip(4);
                return (behind.take(64).cast_signed(), 68);
            }
        };
        (signed(high_bits(word << prefix, width), width), prefix + width)
    }
}

impl Iterator for XorIter<'_> {
    type Item = Result<(i64, f64), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read == self.count {
            return None;
        }
        match self.advance() {
            Ok(()) => Some(Ok((self.ts, f64::from_bits(self.value_bits)))),
            Err(error) => {
                self.count = self.read;
                Some(Err(error))
            }
        }
    }
}

fn dod_bits(dod: i64) -> Bits {
    let value = dod.cast_unsigned();
    for (prefix, prefix_bits, width) in [(0b10, 2, 14), (0b110, 3, 17), (0b1110, 4, 20)] {
        if fits(dod, width) {
            return Bits::low(prefix, prefix_bits).then(Bits::low(value, width));
        }
    }
    Bits::low(0b1111, 4).then(Bits::low(value, 64))
}

/// Whether `value` can be written in `width` bits (below 64). The range is two's complement shifted by one:
/// the highest pattern that a sign bit alone would make negative stands for `2^(width - 1)`.
#[inline]
pub(super) const fn fits(value: i64, width: u32) -> bool {
    let half = 1_i64 << (width - 1);
    -half < value && value <= half
}

/// The value that [`fits`] `width` bits and was written as `bits`.
#[inline]
pub(super) const fn signed(bits: u64, width: u32) -> i64 {
    if bits > 1 << (width - 1) { bits.wrapping_sub(1 << width).cast_signed() } else { bits.cast_signed() }
}

#[cfg(test)]
#[path = "xor_tests.rs"]
mod tests;
