//! The messages in one repeated field of a message that was checked before.

use crate::{DecodeError, wire::protobuf::Reader};

/// Iterator over the messages with one field number, in the order in which they were sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Messages<'a> {
    reader: Reader<'a>,
    number: u32,
}

impl<'a> Messages<'a> {
    /// The messages in the fields `number` of the message that `reader` stands before.
    pub(super) const fn new(reader: Reader<'a>, number: u32) -> Self {
        Self { reader, number }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Reader<'a>;

    #[inline]
    fn next(&mut self) -> Option<Reader<'a>> {
        if let Some(message) = self.reader.short_message(self.number) {
            return Some(message);
        }
        while let Some(field) = checked(self.reader.field())? {
            if field.number == self.number {
                return checked(field.message("message"));
            }
        }
        None
    }
}

/// The value of something that `parse` has checked: an error here is a bug of this crate, and ends the
/// iteration.
#[inline]
pub(super) fn checked<T>(result: Result<T, DecodeError>) -> Option<T> {
    debug_assert!(result.is_ok(), "parse checked these bytes");
    result.ok()
}
