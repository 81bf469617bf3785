//! A summary as bytes.
//!
//! | field | form | when | meaning |
//! | --- | --- | --- | --- |
//! | head | u8 | always | 0: the chunk has no summary, and nothing follows. Bits 0 to 3: decimal places of the floats, 15: they are raw; bits 4 and 5: 1 = all values are one, 2 = no resets, 3 = any; bit 6: the sum is decimal, too, or raw and count times `first`; bit 7: `more` follows |
//! | more | u8 | bit 7 of head | bit 0: stale markers; bit 1: floats have corrections |
//! | stale | varint | bit 0 of more | number of stale markers |
//! | lead | varint | bit 0 of more | first timestamp of a sample, less that of the chunk |
//! | trail | varint | bit 0 of more | last timestamp of the chunk, less that of a sample |
//! | first | float | always | |
//! | last | float | 2, 3 | less `first` |
//! | changes | varint | 2, 3 | |
//! | resets | varint | 3 | |
//! | min | float | 3 | less `first` |
//! | max | float | 3 | less `first` |
//! | before | float | 3 | for each of the resets, if they are few: the value before, less `first` |
//! | sum | float | not raw with bit 6 | without bit 6 raw, else decimal, less count times `first` |
//!
//! A decimal float is a signed varint, and with corrections another one; raw ones are 8 bytes, not less anything.

use super::{
    ChunkSummary, LISTED_RESETS_MAX,
    number::{Exponent, Number},
};
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
    index::chunk_directory::ChunkMeta,
};

const NONE: u8 = 0;
const RAW: u8 = 15;
const SHAPE_SHIFT: u8 = 4;
const COMPACT_SUM: u8 = 1 << 6;
const MORE: u8 = 1 << 7;
const STALE: u8 = 1;
const CORRECTED: u8 = 1 << 1;

/// How much there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Constant = 1,
    Rising = 2,
    Any = 3,
}

impl Shape {
    fn of(summary: &ChunkSummary) -> Self {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let ChunkSummary { first, last, min, max, resets, changes, .. } = *summary;
        if resets != 0 || !same(min, first) || !same(max, last) {
            return Self::Any;
        }
        if changes == 0 && same(first, last) { Self::Constant } else { Self::Rising }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1 => Some(Self::Constant),
            2 => Some(Self::Rising),
            3 => Some(Self::Any),
            _ => None,
        }
    }
}

/// Appends the summary of a chunk to `out`. `summary` must be of the chunk that `meta` describes.
pub fn encode(summary: Option<&ChunkSummary>, meta: &ChunkMeta, out: &mut Vec<u8>) {
    let Some(summary) = summary else { return out.push(NONE) };
    let written = Floats::forms(summary).map(|floats| write(summary, &floats, meta));
    out.extend_from_slice(&written.min_by_key(Vec::len).expect("any float can be kept raw"));
}

fn write(summary: &ChunkSummary, floats: &Floats, meta: &ChunkMeta) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    let shape = Shape::of(summary);
    let sum = floats.sum(summary);
    let stale = summary.count != meta.count;
    let more = if stale { STALE } else { 0 } | if floats.is_corrected() { CORRECTED } else { 0 };
    let head = floats.exponent() | (shape as u8) << SHAPE_SHIFT;
    writer.u8(head | if sum == Sum::Raw { 0 } else { COMPACT_SUM } | if more == 0 { 0 } else { MORE });
    if more != 0 {
        writer.u8(more);
    }
    if stale {
        writer.varint((meta.count - summary.count).into());
        writer.varint(summary.first_ts.wrapping_sub(meta.min_ts).cast_unsigned());
        writer.varint(meta.max_ts.wrapping_sub(summary.last_ts).cast_unsigned());
    }
    floats.write_first(&mut writer);
    if shape != Shape::Constant {
        floats.write(summary.last, &mut writer);
        writer.varint(summary.changes.into());
    }
    if shape == Shape::Any {
        writer.varint(summary.resets.into());
        floats.write(summary.min, &mut writer);
        floats.write(summary.max, &mut writer);
        summary
            .before_resets()
            .unwrap_or_default()
            .iter()
            .for_each(|value| floats.write(*value, &mut writer));
    }
    match sum {
        Sum::Raw => writer.f64(summary.sum),
        Sum::Decimal(number) => floats.write_number(number, &mut writer),
        Sum::Product => {}
    }
    out
}

/// Reads the summary of the chunk that `meta` describes.
///
/// # Errors
/// When the bytes are cut off, or say what no chunk can.
pub fn decode(reader: &mut Reader<'_>, meta: &ChunkMeta) -> Result<Option<ChunkSummary>, DecodeError> {
    let head = reader.u8("summary")?;
    if head == NONE {
        return Ok(None);
    }
    let shape = Shape::from_bits(head >> SHAPE_SHIFT & 3).ok_or_else(|| reader.error("summary"))?;
    let more = if head & MORE == 0 { 0 } else { reader.u8("summary flags")? };
    if more & !(STALE | CORRECTED) != 0 || (head & MORE != 0) != (more != 0) {
        return Err(reader.error("summary flags"));
    }
    let mut summary =
        ChunkSummary { count: meta.count, first_ts: meta.min_ts, last_ts: meta.max_ts, ..EMPTY };
    if more & STALE != 0 {
        let stale = reader.varint_u32("stale markers")?;
        let count = meta.count.checked_sub(stale).filter(|_| stale > 0);
        summary.count = count.ok_or_else(|| reader.error("stale markers"))?;
        summary.first_ts = meta.min_ts.wrapping_add_unsigned(reader.varint("first timestamp")?);
        summary.last_ts = meta.max_ts.wrapping_sub_unsigned(reader.varint("last timestamp")?);
    }
    let floats = Floats::read(head & RAW, more & CORRECTED != 0, reader)?;
    let first = floats.first();
    (summary.first, summary.last, summary.min, summary.max) = (first, first, first, first);
    if shape != Shape::Constant {
        summary.last = floats.next(reader)?;
        summary.max = summary.last;
        summary.changes = reader.varint_u32("changes")?;
    }
    if shape == Shape::Any {
        summary.resets = reader.varint_u32("resets")?;
        summary.min = floats.next(reader)?;
        summary.max = floats.next(reader)?;
        let listed = if summary.resets as usize <= LISTED_RESETS_MAX { summary.resets as usize } else { 0 };
        for before in summary.before_resets.iter_mut().take(listed) {
            *before = floats.next(reader)?;
        }
    }
    summary.sum = floats.read_sum(head & COMPACT_SUM != 0, summary.count, reader)?;
    if is_possible(&summary, meta) { Ok(Some(summary)) } else { Err(reader.error("summary")) }
}

/// Passes over a summary, of whatever chunk it is.
///
/// # Errors
/// When the bytes are cut off, or are no summary.
pub fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let head = reader.u8("summary")?;
    if head == NONE {
        return Ok(());
    }
    let shape = Shape::from_bits(head >> SHAPE_SHIFT & 3).ok_or_else(|| reader.error("summary"))?;
    let more = if head & MORE == 0 { 0 } else { reader.u8("summary flags")? };
    if more & STALE != 0 {
        for _ in 0..3 {
            reader.varint("stale markers")?;
        }
    }
    let floats = Floats::read(head & RAW, more & CORRECTED != 0, reader)?;
    if shape != Shape::Constant {
        floats.next(reader)?;
        reader.varint_u32("changes")?;
    }
    if shape == Shape::Any {
        let resets = reader.varint_u32("resets")? as usize;
        for _ in 0..2 + if resets <= LISTED_RESETS_MAX { resets } else { 0 } {
            floats.next(reader)?;
        }
    }
    match floats {
        _ if head & COMPACT_SUM == 0 => reader.f64("sum").map(drop),
        Floats::Raw(_) => Ok(()),
        Floats::Decimal { .. } => floats.read_number(reader).map(drop),
    }
}

const EMPTY: ChunkSummary = ChunkSummary {
    count: 0,
    first_ts: 0,
    last_ts: 0,
    first: 0.0,
    last: 0.0,
    min: 0.0,
    max: 0.0,
    sum: 0.0,
    resets: 0,
    changes: 0,
    before_resets: [0.0; LISTED_RESETS_MAX],
    correction: None,
};

/// Whether some chunk could have this summary. The checksum has been right, so this is about bugs, not disks.
fn is_possible(summary: &ChunkSummary, meta: &ChunkMeta) -> bool {
    let ChunkSummary { count, first_ts, last_ts, first, last, min, max, sum, resets, changes, .. } = *summary;
    let is_ordered = |value: &f64| min <= *value && *value <= max;
    let listed = summary.before_resets().unwrap_or_default();
    count > 0
        && meta.min_ts <= first_ts
        && first_ts <= last_ts
        && last_ts <= meta.max_ts
        && (count > 1 || first_ts == last_ts)
        && min > -super::MAGNITUDE_MAX
        && max < super::MAGNITUDE_MAX
        && sum.is_finite()
        && [first, last].iter().chain(listed).all(is_ordered)
        && resets <= changes
        && changes < count
}

/// How the sum is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// 8 bytes.
    Raw,
    /// As the other floats.
    Decimal(Number),
    /// Not at all: it is the count times the first value.
    Product,
}

/// How the floats are kept, and the first of them.
#[derive(Debug, Clone, Copy)]
enum Floats {
    Raw(f64),
    Decimal { exponent: Exponent, corrected: bool, first: Number },
}

impl Floats {
    /// The forms to try. Plain decimal numbers are shorter than what else there is.
    fn forms(summary: &ChunkSummary) -> impl Iterator<Item = Self> {
        let ChunkSummary { first, last, min, max, .. } = *summary;
        let mut floats = vec![first, last, min, max];
        floats.extend_from_slice(summary.before_resets().unwrap_or_default());
        let decimal = |corrected| {
            let exponent = Exponent::of(&floats, corrected)?;
            Some(Self::Decimal { exponent, corrected, first: exponent.split(first)? })
        };
        match decimal(false) {
            Some(plain) => [Some(plain), None],
            None => [decimal(true), Some(Self::Raw(first))],
        }
        .into_iter()
        .flatten()
    }

    fn read(exponent: u8, corrected: bool, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if exponent == RAW {
            return Ok(Self::Raw(reader.f64("first value")?));
        }
        let exponent = Exponent::new(exponent).ok_or_else(|| reader.error("decimal places"))?;
        let integer = reader.varint_i64("first value")?;
        let correction = if corrected { reader.varint_i64("correction")? } else { 0 };
        Ok(Self::Decimal { exponent, corrected, first: Number { integer, correction } })
    }

    const fn exponent(&self) -> u8 {
        match self {
            Self::Raw(_) => RAW,
            Self::Decimal { exponent, .. } => exponent.as_u8(),
        }
    }

    const fn is_corrected(&self) -> bool {
        matches!(self, Self::Decimal { corrected: true, .. })
    }

    fn first(&self) -> f64 {
        match self {
            Self::Raw(first) => *first,
            Self::Decimal { exponent, first, .. } => exponent.join(*first),
        }
    }

    fn write_first(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Raw(first) => writer.f64(*first),
            Self::Decimal { first, .. } => self.write_number(*first, writer),
        }
    }

    fn write(&self, value: f64, writer: &mut Writer<'_>) {
        match self {
            Self::Decimal { exponent, first, .. } => {
                let Number { integer, correction } =
                    exponent.split(value).expect("the exponent was chosen for all values");
                self.write_number(Number { integer: integer - first.integer, correction }, writer);
            }
            Self::Raw(_) => writer.f64(value),
        }
    }

    fn write_number(&self, number: Number, writer: &mut Writer<'_>) {
        writer.varint_i64(number.integer);
        if self.is_corrected() {
            writer.varint_i64(number.correction);
        }
    }

    fn next(&self, reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
        match self {
            Self::Raw(_) => reader.f64("value"),
            Self::Decimal { exponent, first, .. } => {
                let number = self.read_number(reader)?;
                let integer =
                    first.integer.checked_add(number.integer).ok_or_else(|| reader.error("value"))?;
                Ok(exponent.join(Number { integer, ..number }))
            }
        }
    }

    fn read_number(&self, reader: &mut Reader<'_>) -> Result<Number, DecodeError> {
        let integer = reader.varint_i64("value")?;
        let correction = if self.is_corrected() { reader.varint_i64("correction")? } else { 0 };
        Ok(Number { integer, correction })
    }

    fn sum(&self, summary: &ChunkSummary) -> Sum {
        match self {
            Self::Raw(first) => {
                let product = *first * f64::from(summary.count);
                if product.to_bits() == summary.sum.to_bits() { Sum::Product } else { Sum::Raw }
            }
            Self::Decimal { exponent, corrected, first } => {
                let fits = |number: &Number| *corrected || number.correction == 0;
                let number = exponent.split(summary.sum).filter(fits);
                let base = first.integer.checked_mul(summary.count.into());
                let less = |(number, base): (Number, i64)| {
                    Some(Number { integer: number.integer.checked_sub(base)?, ..number })
                };
                number.zip(base).and_then(less).map_or(Sum::Raw, Sum::Decimal)
            }
        }
    }

    fn read_sum(&self, compact: bool, count: u32, reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
        match self {
            _ if !compact => reader.f64("sum"),
            Self::Raw(first) => Ok(*first * f64::from(count)),
            Self::Decimal { exponent, first, .. } => {
                let number = self.read_number(reader)?;
                let base = first.integer.checked_mul(count.into());
                let integer = base.and_then(|base| base.checked_add(number.integer));
                let integer = integer.ok_or_else(|| reader.error("sum"))?;
                Ok(exponent.join(Number { integer, ..number }))
            }
        }
    }
}
