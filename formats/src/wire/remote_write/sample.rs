//! Float samples: the message that makes up nearly all traffic.

use crate::{
    DecodeError,
    wire::protobuf::{Reader, put_double, put_message, put_signed},
};

/// One float sample.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    /// When the counter began, in milliseconds since the Unix epoch; 0 = not sent. Version 2.0 only.
    pub start_ts: i64,
    /// The value, with every bit of a NaN as it was sent.
    pub value: f64,
}

impl Sample {
    /// Decodes the message that `reader` stands before.
    #[inline]
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        // What every sender known writes: the value, then the time, and nothing else.
        if let Some(([0x09, value @ .., 0x10], rest)) = reader.rest().split_first_chunk::<10>() {
            let mut tail = reader;
            tail.skip_to(rest);
            let ts = tail.varint("sample timestamp")?;
            if tail.is_empty() {
                return Ok(Self { ts: ts.cast_signed(), start_ts: 0, value: f64::from_le_bytes(*value) });
            }
        }
        let mut sample = Self::default();
        while let Some(field) = reader.field()? {
            match field.number {
                1 => sample.value = field.double("sample value")?,
                2 => sample.ts = field.signed("sample timestamp")?,
                3 => sample.start_ts = field.signed("sample start timestamp")?,
                _ => {}
            }
        }
        Ok(sample)
    }

    /// Appends the sample as field `number`. Version 1.0 has no start timestamp.
    pub(super) fn encode(&self, buf: &mut Vec<u8>, number: u32) {
        put_message(buf, number, |buf| {
            put_double(buf, 1, self.value);
            put_signed(buf, 2, self.ts);
            put_signed(buf, 3, self.start_ts);
        });
    }
}
