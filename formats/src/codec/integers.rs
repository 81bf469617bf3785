//! Stub.
use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};
/// Stub.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    let mut w = Writer::new(out);
    for v in values {
        w.varint_i64(*v);
    }
}
/// Stub.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let before = out.len();
    let mut r = Reader::new(bytes);
    for _ in 0..count {
        match r.varint_i64("x") {
            Ok(v) => out.push(v),
            Err(e) => {
                out.truncate(before);
                return Err(e);
            }
        }
    }
    Ok(())
}
