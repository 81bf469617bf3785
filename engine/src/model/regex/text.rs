//! Subjects that are not UTF-8: each bad byte counts as one replacement character, as in Go.

use std::borrow::Cow;

/// A subject as valid text.
pub(super) struct Text<'a> {
    text: Cow<'a, str>,
    /// Where bad bytes were replaced: end of the replacement in the text.
    replaced: Vec<usize>,
}

/// Bytes that a replacement is longer than the byte it stands for.
const GROWTH: usize = char::REPLACEMENT_CHARACTER.len_utf8() - 1;

impl<'a> Text<'a> {
    pub(super) fn new(subject: &'a [u8]) -> Self {
        if let Ok(text) = str::from_utf8(subject) {
            return Self { text: Cow::Borrowed(text), replaced: Vec::new() };
        }
        let (mut text, mut replaced) = (String::new(), Vec::new());
        for chunk in subject.utf8_chunks() {
            text.push_str(chunk.valid());
            for _ in chunk.invalid() {
                text.push(char::REPLACEMENT_CHARACTER);
                replaced.push(text.len());
            }
        }
        Self { text: Cow::Owned(text), replaced }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The offset into the subject that corresponds to one into the text, which lies between characters.
    pub(super) fn original_offset(&self, offset: usize) -> usize {
        offset - GROWTH * self.replaced.partition_point(|&end| end <= offset)
    }
}
