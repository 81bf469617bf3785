//! Where in a query's text something stands.

/// A half-open range of byte offsets into the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The range from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the start of `self` to the end of `last`.
    #[must_use]
    pub const fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }

    /// Line and column of the start, both from 1, as upstream counts: columns are bytes, and a start outside
    /// of `text` has no position.
    #[must_use]
    pub fn line_column(self, text: &str) -> Option<(usize, usize)> {
        let before = text.as_bytes().get(..usize::try_from(self.start).ok()?)?;
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        Some((line, before.len() - line_start + 1))
    }
}
