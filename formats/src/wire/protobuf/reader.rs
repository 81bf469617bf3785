//! A cursor over the fields of one message.

use crate::DecodeError;

/// Walks the fields of one message, and knows where in the whole input it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Offset of the end of `rest` in the whole input. The end never moves, so advancing costs nothing.
    end: usize,
}

/// One field: its number, its value as the wire type gives it, and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Number of the field in its message.
    pub(crate) number: u32,
    value: Value<'a>,
    offset: usize,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    /// The bits, not the bytes: an enum of bytes is put together in memory, and reading it back stalls.
    Fixed64(u64),
    Fixed32,
    Bytes(Reader<'a>),
}

impl<'a> Reader<'a> {
    /// A reader of the message `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Offset in the whole input of the next byte.
    pub(crate) const fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// An error at the next byte.
    pub(crate) const fn error(&self, what: &'static str) -> DecodeError {
        DecodeError::new(what, self.offset())
    }

    /// Skips to where only `rest` is left; `rest` is a tail of what this reader still holds.
    pub(crate) fn skip_to(&mut self, rest: &'a [u8]) {
        debug_assert!(rest.len() <= self.rest.len(), "a reader never goes back");
        self.rest = rest;
    }

    /// Splits off what was read of `self` since it was `earlier`.
    pub(crate) fn since(&self, earlier: Self) -> Self {
        let read = earlier.rest.len() - self.rest.len();
        let (head, _) = earlier.rest.split_at_checked(read).unwrap_or((earlier.rest, &[]));
        Self { rest: head, end: self.offset() }
    }

    /// The next field, or `None` at the end of the message.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        // Inline, for many look at the end of a message; the rest is too large for that.
        if self.rest.is_empty() { Ok(None) } else { self.next_field().map(Some) }
    }

    fn next_field(&mut self) -> Result<Field<'a>, DecodeError> {
        let offset = self.offset();
        let tag = self.varint("field tag")?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(DecodeError::new("field number", offset))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint("varint field")?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array("64-bit field")?)),
            2 => Value::Bytes(self.length_delimited()?),
            5 => self.array::<4>("32-bit field").map(|_| Value::Fixed32)?,
            _ => return Err(DecodeError::new("wire type", offset)),
        };
        Ok(Field { number, value, offset })
    }

    /// The message that comes next, if it is in field `number`, below 16, and shorter than 16 KiB. Nothing is read
    /// otherwise. The short way for what most fields are.
    #[inline]
    pub(crate) fn short_message(&mut self, number: u32) -> Option<Self> {
        let (tag, len, rest) = match self.rest {
            [tag, len @ 0..0x80, rest @ ..] => (*tag, usize::from(*len), rest),
            [tag, low, high @ 0..0x80, rest @ ..] => {
                (*tag, usize::from(low & 0x7f) | usize::from(*high) << 7, rest)
            }
            _ => return None,
        };
        if u32::from(tag) != number << 3 | 2 {
            return None;
        }
        let (message, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Self { rest: message, end: self.offset() })
    }

    /// The next varint.
    #[inline]
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(what),
        }
    }

    fn long_varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        let mut rest = self.rest;
        for shift in (0..64).step_by(7) {
            let [byte, tail @ ..] = rest else { break };
            rest = tail;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                if shift == 63 && *byte > 1 {
                    break;
                }
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.error(what))
    }

    #[inline]
    fn length_delimited(&mut self) -> Result<Self, DecodeError> {
        let offset = self.offset();
        let len = usize::try_from(self.varint("field length")?);
        let split = len.ok().and_then(|len| self.rest.split_at_checked(len));
        let (head, tail) = split.ok_or(DecodeError::new("field length", offset))?;
        self.rest = tail;
        Ok(Self { rest: head, end: self.offset() })
    }

    /// The next `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.rest.split_first_chunk().ok_or_else(|| self.error(what))?;
        self.rest = tail;
        Ok(*head)
    }
}

impl<'a> Field<'a> {
    /// The value of a number sent as a varint.
    #[inline]
    pub(crate) fn varint(&self, what: &'static str) -> Result<u64, DecodeError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            Value::Fixed64(_) | Value::Fixed32 | Value::Bytes(_) => Err(self.error(what)),
        }
    }

    /// The value of an `int64`.
    #[inline]
    pub(crate) fn signed(&self, what: &'static str) -> Result<i64, DecodeError> {
        self.varint(what).map(u64::cast_signed)
    }

    /// The value of a `double`.
    #[inline]
    pub(crate) fn double(&self, what: &'static str) -> Result<f64, DecodeError> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Value::Varint(_) | Value::Fixed32 | Value::Bytes(_) => Err(self.error(what)),
        }
    }

    /// A message inside the message.
    #[inline]
    pub(crate) fn message(&self, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        match self.value {
            Value::Bytes(reader) => Ok(reader),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32 => Err(self.error(what)),
        }
    }

    /// A string or byte string.
    #[inline]
    pub(crate) fn bytes(&self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        self.message(what).map(|reader| reader.rest)
    }

    /// The values of a repeated number sent as varints: one, or any number when packed.
    pub(crate) fn each_varint(
        &self,
        what: &'static str,
        mut take: impl FnMut(u64),
    ) -> Result<(), DecodeError> {
        match self.value {
            Value::Varint(value) => take(value),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    take(packed.varint(what)?);
                }
            }
            Value::Fixed64(_) | Value::Fixed32 => return Err(self.error(what)),
        }
        Ok(())
    }

    /// The values of a repeated `double`: one, or any number when packed.
    pub(crate) fn each_double(
        &self,
        what: &'static str,
        mut take: impl FnMut(f64),
    ) -> Result<(), DecodeError> {
        match self.value {
            Value::Fixed64(bits) => take(f64::from_bits(bits)),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    take(f64::from_le_bytes(packed.array(what)?));
                }
            }
            Value::Varint(_) | Value::Fixed32 => return Err(self.error(what)),
        }
        Ok(())
    }

    const fn error(&self, what: &'static str) -> DecodeError {
        DecodeError::new(what, self.offset)
    }
}
