//! Floats as the XOR of each with the one before: the values of a Gorilla chunk without its times.
//!
//! Slow to read beside the others, and the best there is for columns that keep coming back to few values of many
//! digits. Layout: the first value's bits, then the others as in `xor_value`.

use super::xor_value::Window;
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter, Bits};

/// Appends the column of `values` to `out`; nothing for none.
pub fn encode(values: &[f64], out: &mut Vec<u8>) {
    let Some((first, others)) = values.split_first() else { return };
    let mut previous = first.to_bits();
    let mut writer = BitWriter::new(std::mem::take(out));
    let mut window = Window::default();
    writer.put(Bits::low(previous, 64));
    for value in others {
        writer.put(window.encode(previous, value.to_bits()));
        previous = value.to_bits();
    }
    *out = writer.into_bytes();
}

/// Appends the `count` values of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let before = out.len();
    out.resize(before + count, 0.0);
    let slots = out.get_mut(before..).unwrap_or_default();
    fill(bytes, slots).inspect_err(|_| out.truncate(before))
}

fn fill(bytes: &[u8], out: &mut [f64]) -> Result<(), DecodeError> {
    let mut reader = BitReader::new(bytes, 0);
    if let Some((first, others)) = out.split_first_mut() {
        let mut previous = reader.take(64);
        *first = f64::from_bits(previous);
        let mut window = Window::default();
        for slot in others {
            previous = window.decode(&mut reader, previous)?;
            *slot = f64::from_bits(previous);
        }
    }
    // Zeros behind the end may have passed as values until here.
    reader.check("value")?;
    if reader.remaining() < 8 { Ok(()) } else { Err(reader.error("end of xor values")) }
}
