//! A column of floats, in whichever encoding is smallest for it. Always bit for bit.
//!
//! Layout: the number of the encoding, then the column in it. The choice follows from the values alone: they are
//! looked at by sample, and what cannot win is not tried.

use super::decimal::{self, Decimal};
use super::pco::{self, Level};
use super::{raw_bits, xor_column};
use crate::DecodeError;
use crate::cursor::{Reader, Writer};

/// Columns shorter than this are not worth the tables that pco keeps with each.
const PCO_VALUES_MIN: usize = 500;
/// As long as a decimal column takes fewer bits per value than this, no other encoding is near it.
const DECIMAL_BITS_SURE: usize = 24;

/// What the space of a column may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Density {
    /// Reading comes first: for data that is queried often, or rewritten soon.
    Fast,
    /// Space comes first, at two to four times the time to read: for data that stays.
    Dense,
}

/// How a column is stored. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueEncoding {
    /// One value, as raw bits.
    Constant = 0,
    /// One value, an integer.
    ConstantInteger = 1,
    /// Decimal numbers, see [`decimal`].
    Decimal = 2,
    /// Differences of bits, see [`raw_bits`].
    RawBits = 3,
    /// Doubles through pco, see [`pco`].
    Pco = 4,
    /// XOR of neighbours, see [`xor_column`].
    Xor = 5,
}

impl ValueEncoding {
    /// Every encoding, by number.
    pub const ALL: [Self; 6] =
        [Self::Constant, Self::ConstantInteger, Self::Decimal, Self::RawBits, Self::Pco, Self::Xor];

    /// The encoding of the column `bytes`; `None` for an empty or unknown one.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let number = usize::from(*bytes.first()?);
        Self::ALL.get(number).copied()
    }

    /// The number of the encoding.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// One word for tables and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::ConstantInteger => "constant_integer",
            Self::Decimal => "decimal",
            Self::RawBits => "raw_bits",
            Self::Pco => "pco",
            Self::Xor => "xor",
        }
    }
}

/// Appends the column of `values` to `out`; nothing for none.
pub fn encode(values: &[f64], density: Density, out: &mut Vec<u8>) {
    let Some((first, others)) = values.split_first() else { return };
    if others.iter().all(|other| other.to_bits() == first.to_bits()) {
        return encode_constant(*first, out);
    }
    let mut column = Vec::new();
    if let Some(decimal) = Decimal::of(values) {
        column.push(ValueEncoding::Decimal.as_u8());
        decimal.encode(&mut column);
        if density == Density::Dense && values.len() >= PCO_VALUES_MIN {
            let mut dense = vec![ValueEncoding::Decimal.as_u8()];
            if decimal.encode_through_pco(Level::Dense, &mut dense) && pays(&dense, &column) {
                column = dense;
            }
        }
    }
    if column.is_empty() || column.len() * 8 > values.len() * DECIMAL_BITS_SURE {
        column = smallest_of_full_doubles(values, density, column);
    }
    out.extend_from_slice(&column);
}

/// Appends the `count` values of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    if count == 0 {
        return Reader::new(bytes).finish("end of values");
    }
    let encoding = ValueEncoding::of(bytes).ok_or(DecodeError::new("value encoding", 0))?;
    let body = bytes.get(1..).unwrap_or_default();
    let decoded = match encoding {
        ValueEncoding::Constant | ValueEncoding::ConstantInteger => {
            decode_constant(encoding, body).map(|value| out.resize(out.len() + count, value))
        }
        ValueEncoding::Decimal => decimal::decode(body, count, out),
        ValueEncoding::RawBits => raw_bits::decode(body, count, out),
        ValueEncoding::Pco => pco::decode_column(body, count, out),
        ValueEncoding::Xor => xor_column::decode(body, count, out),
    };
    // Offsets are those of the column, not of its body.
    decoded.map_err(|error| DecodeError::new(error.what, error.offset + 1))
}

fn encode_constant(value: f64, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    // Conversions saturate, and 0 stands for NaN: only what comes back is an integer.
    #[expect(clippy::cast_possible_truncation, reason = "what was cut off does not come back")]
    let integer = value as i32;
    if f64::from(integer).to_bits() == value.to_bits() {
        writer.u8(ValueEncoding::ConstantInteger.as_u8());
        writer.varint_i64(integer.into());
    } else {
        writer.u8(ValueEncoding::Constant.as_u8());
        writer.f64(value);
    }
}

fn decode_constant(encoding: ValueEncoding, body: &[u8]) -> Result<f64, DecodeError> {
    let mut reader = Reader::new(body);
    let value = if encoding == ValueEncoding::Constant {
        reader.f64("constant")?
    } else {
        let integer = reader.varint_i64("constant")?;
        f64::from(i32::try_from(integer).map_err(|_| reader.error("constant"))?)
    };
    reader.finish("end of constant").map(|()| value)
}

/// The smallest of `column`, unless that is empty, and the encodings for full doubles.
fn smallest_of_full_doubles(values: &[f64], density: Density, column: Vec<u8>) -> Vec<u8> {
    let mut best = vec![ValueEncoding::RawBits.as_u8()];
    raw_bits::encode(values, &mut best);
    if !column.is_empty() && column.len() <= best.len() {
        best = column;
    }
    let mut xor = vec![ValueEncoding::Xor.as_u8()];
    xor_column::encode(values, &mut xor);
    if pays(&xor, &best) {
        best = xor;
    }
    if values.len() >= PCO_VALUES_MIN {
        let mut dense = vec![ValueEncoding::Pco.as_u8()];
        let level = if density == Density::Dense { Level::Dense } else { Level::Fast };
        if pco::encode(values, level, &mut dense) && pays(&dense, &best) {
            best = dense;
        }
    }
    best
}

/// Whether `slow`, which takes longer to read, is enough smaller than `fast`: by a sixteenth.
fn pays(slow: &[u8], fast: &[u8]) -> bool {
    slow.len() + fast.len() / 16 < fast.len()
}

#[cfg(test)]
mod tests;
