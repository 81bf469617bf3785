//! In-order floats: one control byte for the usual row, and the bytes of the XOR that are not zero.
//!
//! Row: `control u8`, then, unless bit 7 is set, `flags u8` and what the flags announce, then the XOR's bytes.
//! * control bits 0-3: number of XOR bytes that follow, 0 to 8
//! * control bits 4-6: how many zero bytes were cut off the low end of the XOR
//! * control bit 7: plain: the id is the previous row's plus one, the timestamp is the previous row's, and
//!   there is no start timestamp
//! * flags bit 0: id delta follows (zig-zag) - else plus one; bit 1: timestamp delta follows (zig-zag);
//!   bit 2: start timestamp follows, as zig-zag of `ts - start_ts`
//!
//! Integers as doubles end in zero bytes and neighbours share their first bytes, so both ends are cut. On
//! scraped data this is below two bytes a sample, at a few nanoseconds.

use crate::{DecodeError, cursor::Reader, varint};

const PLAIN: u8 = 0x80;
const HAS_ID: u8 = 1;
const HAS_TS: u8 = 2;
const HAS_START: u8 = 4;

/// Most bytes that one row takes.
pub(super) const ROW_BYTES_MAX: usize = 2 + 3 * varint::BYTES_MAX + 8;

/// One in-order float of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatRow {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Milliseconds.
    pub ts: i64,
    /// Start timestamp, milliseconds, 0 = unknown.
    pub start_ts: i64,
    /// Bits of the value XOR the bits of the series' in-order value before it in this segment (0 at first).
    pub xor: u64,
}

/// What the next row is relative to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Previous {
    /// Starts at 0: the first row usually carries its id.
    id: u32,
    ts: i64,
}

impl Previous {
    /// Appends `row` to `out`.
    #[inline]
    pub(super) fn encode(&mut self, out: &mut Vec<u8>, row: FloatRow) {
        let mut bytes = [0_u8; ROW_BYTES_MAX];
        let len = self.encode_into(&mut bytes, row);
        out.extend_from_slice(bytes.get(..len).unwrap_or_default());
    }

    #[inline]
    fn encode_into(&mut self, bytes: &mut [u8; ROW_BYTES_MAX], row: FloatRow) -> usize {
        let low_zero_bytes = if row.xor == 0 { 0 } else { row.xor.trailing_zeros() / 8 };
        let significant = row.xor >> (8 * low_zero_bytes);
        let len = 8 - significant.leading_zeros() / 8;
        let [mut control, ..] = (len | low_zero_bytes << 4).to_le_bytes();
        let mut flags = 0;
        if row.id != self.id.wrapping_add(1) {
            flags |= HAS_ID;
        }
        if row.ts != self.ts {
            flags |= HAS_TS;
        }
        if row.start_ts != 0 {
            flags |= HAS_START;
        }
        let mut sink = Sink { bytes, len: 1 };
        if flags == 0 {
            control |= PLAIN;
        } else {
            sink.byte(flags);
            if flags & HAS_ID != 0 {
                sink.zigzag(i64::from(row.id) - i64::from(self.id));
            }
            if flags & HAS_TS != 0 {
                sink.zigzag(row.ts.wrapping_sub(self.ts));
            }
            if flags & HAS_START != 0 {
                sink.zigzag(row.ts.wrapping_sub(row.start_ts));
            }
        }
        sink.eight(significant, len as usize);
        let end = sink.len;
        if let Some(first) = bytes.first_mut() {
            *first = control;
        }
        *self = Self { id: row.id, ts: row.ts };
        end
    }
}

/// Bytes of one row on the stack: a bounds check each, and one copy into the frame.
struct Sink<'a> {
    bytes: &'a mut [u8; ROW_BYTES_MAX],
    len: usize,
}

impl Sink<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    #[inline]
    fn zigzag(&mut self, value: i64) {
        let mut rest = varint::zigzag(value);
        while rest >= 0x80 {
            let [low, ..] = rest.to_le_bytes();
            self.byte(low | 0x80);
            rest >>= 7;
        }
        let [low, ..] = rest.to_le_bytes();
        self.byte(low);
    }

    /// The `len` low bytes of `value`.
    #[inline]
    fn eight(&mut self, value: u64, len: usize) {
        if let Some(slot) = self.bytes.get_mut(self.len..self.len + 8) {
            slot.copy_from_slice(&value.to_le_bytes());
            self.len += len;
        }
    }
}

/// Iterator over the rows of a floats section.
#[derive(Debug, Clone)]
pub struct FloatRows<'a> {
    reader: Reader<'a>,
    previous: Previous,
}

impl<'a> FloatRows<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), previous: Previous::default() }
    }

    fn row(&mut self) -> Result<FloatRow, DecodeError> {
        let offset = self.reader.position();
        let control = self.reader.u8("float row control")?;
        let flags = if control & PLAIN == 0 { self.reader.u8("float row flags")? } else { 0 };
        let id = if flags & HAS_ID == 0 {
            self.previous.id.wrapping_add(1)
        } else {
            let delta = self.reader.varint_i64("series id delta")?;
            i64::from(self.previous.id)
                .checked_add(delta)
                .and_then(|id| u32::try_from(id).ok())
                .ok_or(DecodeError::new("series id", offset))?
        };
        let ts_delta = if flags & HAS_TS == 0 { 0 } else { self.reader.varint_i64("timestamp delta")? };
        let ts = self.previous.ts.wrapping_add(ts_delta);
        let start_ts = if flags & HAS_START == 0 {
            0
        } else {
            ts.wrapping_sub(self.reader.varint_i64("start timestamp")?)
        };
        let len = usize::from(control & 0x0f);
        let low_zero_bytes = u32::from(control >> 4 & 0x07);
        if len + low_zero_bytes as usize > 8 || flags & !(HAS_ID | HAS_TS | HAS_START) != 0 {
            return Err(DecodeError::new("float row control", offset));
        }
        let mut significant = [0_u8; 8];
        for (slot, byte) in significant.iter_mut().zip(self.reader.take(len, "float row value")?) {
            *slot = *byte;
        }
        let xor = u64::from_le_bytes(significant) << (8 * low_zero_bytes);
        self.previous = Previous { id, ts };
        Ok(FloatRow { id, ts, start_ts, xor })
    }
}

impl Iterator for FloatRows<'_> {
    type Item = Result<FloatRow, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let row = self.row();
        if row.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(row)
    }
}
