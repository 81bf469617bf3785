//! Decimal numbers as integers, bit for bit: `value = integer / 10^exponent`.
//!
//! * `exponent`: how many decimal places a column has
//! * `number`: one value as an integer and a correction, and back
//!
//! Most metrics are integers, or were printed with a few decimal places: their digits are small integers with small
//! differences, while their bits look random. Three things make that exact for every float. Division rounds
//! correctly, which multiplication by 0.1 does not. What arithmetic left in the last bits (13.334000000000001) is a
//! *correction*: a distance in representable numbers. And what still does not fit (NaN with its payload, such as a
//! stale marker, -0.0, infinity, odd values) is an *exception*, kept raw. The idea of trying exponents is that of ALP
//! (Afroozeh et al., SIGMOD 2024).
//!
//! Layout: flags (exponent in bits 0 to 3); if bit 4 is set, a factor that all integers were divided by, and an
//! offset that was subtracted before, as varint and signed varint; the integers, as a column of [`super::integers`] or,
//! if bit 7 is set, of [`super::pco`]; if bit 5 is set, the corrections as a column of integers; if bit 6 is set, the
//! number of exceptions, and for each its distance to the one before and its bits.

mod exponent;
mod number;

use super::bitpack::RUN;
use super::integers::{self, Runs};
use super::pco::{self, Level};
use crate::DecodeError;
use crate::cursor::{Reader, Writer};

use number::{Scale, Split};

const EXPONENT_MASK: u8 = 0xf;
const HAS_FACTOR: u8 = 1 << 4;
const HAS_CORRECTIONS: u8 = 1 << 5;
const HAS_EXCEPTIONS: u8 = 1 << 6;
const THROUGH_PCO: u8 = 1 << 7;
/// A column with more exceptions than one in so many values is not decimal.
const VALUES_PER_EXCEPTION: usize = 8;

/// A column taken apart.
#[derive(Debug, Default)]
pub struct Decimal {
    exponent: u8,
    /// The digits, divided by the factor.
    integers: Vec<i64>,
    factor: u64,
    offset: i64,
    /// A correction for each value; empty when there is none.
    corrections: Vec<i64>,
    /// Positions and bits.
    exceptions: Vec<(usize, u64)>,
}

impl Decimal {
    /// Takes `values` apart; `None` when they are not decimal.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let exponent = exponent::of_column(values)?;
        let mut decimal = Self::with_exponent(values, exponent).or_else(|exceptions| {
            // The sample was not like the column: what did not fit tells more.
            let exponent = exponent::of_column(&exceptions).filter(|&other| other > exponent).ok_or(())?;
            Self::with_exponent(values, exponent).map_err(drop)
        });
        if let Ok(decimal) = &mut decimal {
            decimal.divide();
        }
        decimal.ok()
    }

    /// The column with that exponent, or, when they are too many, the first values that do not fit it.
    fn with_exponent(values: &[f64], exponent: u8) -> Result<Self, Vec<f64>> {
        let scale = Scale::new(exponent);
        let mut decimal = Self { exponent, factor: 1, ..Self::default() };
        decimal.integers.reserve_exact(values.len());
        let exceptions_max = values.len() / VALUES_PER_EXCEPTION;
        let mut last = None;
        for (position, &value) in values.iter().enumerate() {
            let Some(Split { integer, correction }) = scale.split(value) else {
                decimal.exceptions.push((position, value.to_bits()));
                if decimal.exceptions.len() > exceptions_max {
                    return Err(decimal.exceptions.iter().map(|&(_, bits)| f64::from_bits(bits)).collect());
                }
                // Whatever stands in for it should not stick out.
                decimal.integers.push(last.unwrap_or_default());
                continue;
            };
            if last.is_none() {
                decimal.integers.fill(integer);
            }
            last = Some(integer);
            decimal.integers.push(integer);
            if correction != 0 {
                decimal.corrections.resize(values.len(), 0);
                if let Some(slot) = decimal.corrections.get_mut(position) {
                    *slot = correction;
                }
            }
        }
        Ok(decimal)
    }

    /// Takes the greatest common divisor out.
    fn divide(&mut self) {
        let first = self.integers.first().copied().unwrap_or_default();
        let factor = common_divisor(self.integers.iter().map(|integer| integer.abs_diff(first)));
        // Constant columns have no divisor.
        let Some(divisor) = i64::try_from(factor).ok().filter(|&divisor| divisor > 1) else { return };
        (self.factor, self.offset) = (factor, first.rem_euclid(divisor));
        for integer in &mut self.integers {
            *integer = (*integer - self.offset) / divisor;
        }
    }

    /// Appends the column to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_head(0, out);
        integers::encode(&self.integers, out);
        self.encode_rest(out);
    }

    /// Appends the column to `out` with the integers through pco, and says whether there is one.
    pub fn encode_through_pco(&self, level: Level, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        self.encode_head(THROUGH_PCO, out);
        if !pco::encode(&self.integers, level, out) {
            out.truncate(before);
            return false;
        }
        self.encode_rest(out);
        true
    }

    fn encode_head(&self, flags: u8, out: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut writer = Writer::new(out);
        writer.u8(self.exponent
            | flags
            | flag(self.factor > 1, HAS_FACTOR)
            | flag(!self.corrections.is_empty(), HAS_CORRECTIONS)
            | flag(!self.exceptions.is_empty(), HAS_EXCEPTIONS));
        if self.factor > 1 {
            writer.varint(self.factor);
            writer.varint_i64(self.offset);
        }
    }

    fn encode_rest(&self, out: &mut Vec<u8>) {
        if !self.corrections.is_empty() {
            integers::encode(&self.corrections, out);
        }
        if !self.exceptions.is_empty() {
            let mut writer = Writer::new(out);
            writer.varint_usize(self.exceptions.len());
            let mut next = 0;
            for &(position, bits) in &self.exceptions {
                writer.varint_usize(position - next);
                writer.u64(bits);
                next = position + 1;
            }
        }
    }
}

/// Appends the `count` values of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let before = out.len();
    append(bytes, count, out).inspect_err(|_| out.truncate(before))
}

fn append(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    if count == 0 {
        return Reader::new(bytes).finish("end of decimals");
    }
    let before = out.len();
    let mut reader = Reader::new(bytes);
    let flags = reader.u8("decimal flags")?;
    let mut scale = Scale::new(flags & EXPONENT_MASK);
    if flags & HAS_FACTOR != 0 {
        scale.factor = reader.varint("decimal factor")?.cast_signed();
        scale.offset = reader.varint_i64("decimal offset")?;
    }
    if flags & THROUGH_PCO != 0 {
        let mut integers = vec![0; count];
        pco::decode(&mut reader, &mut integers)?;
        scale.join(&mut integers, out);
    } else {
        append_runs(&mut reader, scale, count, out)?;
    }
    let out = out.get_mut(before..).unwrap_or_default();
    if flags & HAS_CORRECTIONS != 0 {
        correct(&mut reader, out)?;
    }
    if flags & HAS_EXCEPTIONS != 0 {
        fill_exceptions(&mut reader, out)?;
    }
    reader.finish("end of decimals")
}

/// Run by run, so that no slot is written before its value is known: filling the column with zeros first takes a tenth
/// of the time.
fn append_runs(
    reader: &mut Reader<'_>,
    scale: Scale,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    let mut runs = Runs::new(reader)?;
    out.reserve(count);
    let mut run = [0; RUN];
    for start in (0..count).step_by(RUN) {
        let integers = run.get_mut(..RUN.min(count - start)).unwrap_or_default();
        runs.next(reader, integers)?;
        scale.join(integers, out);
    }
    Ok(())
}

fn correct(reader: &mut Reader<'_>, out: &mut [f64]) -> Result<(), DecodeError> {
    let mut runs = Runs::new(reader)?;
    let mut run = [0; RUN];
    for slots in out.chunks_mut(RUN) {
        let corrections = run.get_mut(..slots.len()).unwrap_or_default();
        runs.next(reader, corrections)?;
        slots.iter_mut().zip(&*corrections).for_each(|(slot, &by)| *slot = number::corrected(*slot, by));
    }
    Ok(())
}

fn fill_exceptions(reader: &mut Reader<'_>, out: &mut [f64]) -> Result<(), DecodeError> {
    let count = reader.varint("exception count")?;
    let mut rest = out;
    for _ in 0..count {
        let gap = reader.varint_usize("exception position")?;
        let Some((slot, behind)) = rest.get_mut(gap..).and_then(<[f64]>::split_first_mut) else {
            return Err(reader.error("exception position"));
        };
        *slot = reader.f64("exception")?;
        rest = behind;
    }
    Ok(())
}

/// The greatest common divisor; 0 when all are 0.
fn common_divisor(values: impl Iterator<Item = u64>) -> u64 {
    let mut divisor = 0_u64;
    for mut value in values {
        if divisor == 1 {
            break;
        }
        while value != 0 {
            (divisor, value) = (value, divisor % value);
        }
    }
    divisor
}

#[cfg(test)]
mod tests;
