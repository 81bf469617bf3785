//! One float after another as the XOR of their bits, as in Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2).
//!
//! `0`: the same value. `10`: the differing bits fit the window of the one before, and only they follow. `11`:
//! a new window: leading zeros (5 bits), width (6 bits, 0 = 64), then the differing bits.

use crate::DecodeError;
use crate::bits::{BitReader, Bits, PEEK_BITS, high_bits};

/// Leading zeros are written in five bits.
const LEADING_MAX: u8 = 31;
/// [`Window::leading`] before the first window.
const NONE: u8 = 0xff;
/// `11`, leading zeros, width.
const WINDOW_BITS: u32 = 2 + 5 + 6;
/// The most bits one value takes.
pub(crate) const VALUE_BITS_MAX: u32 = WINDOW_BITS + 64;

/// The run of bits in which the last values differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    leading: u8,
    trailing: u8,
}

impl Default for Window {
    fn default() -> Self {
        Self { leading: NONE, trailing: 0 }
    }
}

impl Window {
    /// The bits that lead from `previous` to `value` (both as raw bits); moves the window if it has to.
    #[inline]
    pub(crate) fn encode(&mut self, previous: u64, value: u64) -> Bits {
        let delta = previous ^ value;
        if delta == 0 {
            return Bits::low(0, 1);
        }
        let leading = narrow(delta.leading_zeros()).min(LEADING_MAX);
        let trailing = narrow(delta.trailing_zeros());
        if self.leading != NONE && leading >= self.leading && trailing >= self.trailing {
            return Bits::low(0b10, 2).then(Bits::low(delta >> self.trailing, self.width()));
        }
        *self = Self { leading, trailing };
        let width = self.width();
        let head = 0b11 << 11 | u64::from(leading) << 6 | u64::from(width % 64);
        Bits::low(head, WINDOW_BITS).then(Bits::low(delta >> trailing, width))
    }

    /// The inverse of [`Window::encode`]. Bits behind the end read as zeros; the caller checks once per sample.
    ///
    /// # Errors
    /// When the window does not fit 64 bits.
    #[inline]
    pub(crate) fn decode(&mut self, reader: &mut BitReader<'_>, previous: u64) -> Result<u64, DecodeError> {
        let word = reader.peek();
        self.decode_at(reader, word, 0, previous).ok_or_else(|| reader.error("xor window"))
    }

    /// [`Window::decode`] for a value that starts at the top of `word`, which is what the reader sees `used` bits
    /// on (24 at most). One look at the stream then serves most samples.
    ///
    /// `None` for a window that does not fit; an error value would keep the state out of registers.
    #[inline(always)]
    pub(crate) fn decode_at(
        &mut self,
        reader: &mut BitReader<'_>,
        word: u64,
        used: u32,
        previous: u64,
    ) -> Option<u64> {
        if word >> 63 == 0 {
            reader.skip(used + 1);
            return Some(previous);
        }
        // Counters take a new window about every other time: a choice between values is cheaper than a branch that
        // is mispredicted that often.
        let is_new = word >> 62 == 0b11;
        let new = Self::from_head(high_bits(word, WINDOW_BITS));
        if is_new && new.is_none() {
            return None;
        }
        let next = new.unwrap_or_default();
        *self = Self {
            leading: select(is_new, next.leading, self.leading),
            trailing: select(is_new, next.trailing, self.trailing),
        };
        let head = if is_new { WINDOW_BITS } else { 2 };
        let width = self.width();
        let delta = if used + head + width <= PEEK_BITS {
            reader.skip(used + head + width);
            high_bits(word << head, width)
        } else {
            reader.skip(used + head);
            reader.take(width)
        };
        Some(previous ^ (delta << self.trailing))
    }

    #[inline]
    const fn from_head(head: u64) -> Option<Self> {
        let leading = (head >> 6 & 0x1f) as u8;
        let width = match (head & 0x3f) as u8 {
            0 => 64,
            width => width,
        };
        match 64_u8.checked_sub(leading + width) {
            Some(trailing) => Some(Self { leading, trailing }),
            None => None,
        }
    }

    /// Bits between the zeros on either side. Without a window all 64: appenders of others that were taken up
    /// again write `10` and the whole value then.
    #[inline]
    const fn width(self) -> u32 {
        if self.leading == NONE { 64 } else { 64 - self.leading as u32 - self.trailing as u32 }
    }
}

/// `yes` or `no`, without a branch.
#[inline(always)]
fn select(condition: bool, yes: u8, no: u8) -> u8 {
    let mask = 0_u8.wrapping_sub(u8::from(condition));
    yes & mask | no & !mask
}

#[expect(clippy::cast_possible_truncation, reason = "a count of zero bits is at most 64")]
const fn narrow(zeros: u32) -> u8 {
    zeros as u8
}
