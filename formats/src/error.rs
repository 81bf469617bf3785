//! The one error of every decoder in this crate.

/// Bytes that do not decode: what was being read, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} at byte {offset}")]
pub struct DecodeError {
    /// What was being decoded, in the words of the format ("sample timestamp", "label count").
    pub what: &'static str,
    /// Offset in bytes from the start of the buffer that was handed to the decoder.
    pub offset: usize,
}

impl DecodeError {
    /// An error for `what` at `offset` bytes into the input.
    #[must_use]
    pub const fn new(what: &'static str, offset: usize) -> Self {
        Self { what, offset }
    }
}
