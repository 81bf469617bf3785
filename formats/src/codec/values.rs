//! Stub.
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};
/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// Stub.
    Fast,
    /// Stub.
    Dense,
}
/// Stub.
pub fn encode(values: &[f64], _: Density, out: &mut Vec<u8>) {
    let mut w = Writer::new(out);
    for v in values {
        w.f64(*v);
    }
}
/// Stub.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let before = out.len();
    let mut r = Reader::new(bytes);
    for _ in 0..count {
        match r.f64("x") {
            Ok(v) => out.push(v),
            Err(e) => {
                out.truncate(before);
                return Err(e);
            }
        }
    }
    Ok(())
}
