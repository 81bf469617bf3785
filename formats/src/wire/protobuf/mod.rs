//! Protocol buffers by hand: the fields of a message in place, and fields appended to a buffer.
//!
//! - `reader`: a cursor over the fields of one message
//! - `writer`: functions that append one field each
//!
//! Generated code allocates a string per label and a vector per series, which costs more than everything
//! else that happens to a sample. Here a message is a [`Reader`] over borrowed bytes. What the reader takes
//! is what the wire format allows: fields in any order, a singular field more than once (the last one
//! counts), repeated numbers packed or not, unknown fields. It refuses wire types that contradict the
//! schema, lengths beyond the message, numbers beyond 64 bits, field 0, and groups, which no message here
//! ever had.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use reader::{Field, Reader};
pub(super) use writer::{
    put_bool, put_bytes, put_double, put_message, put_repeated_bytes, put_signed, put_unsigned, put_varint,
    put_zigzag, zigzag,
};
