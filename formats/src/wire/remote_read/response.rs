//! `prometheus.ReadResponse`: decoded samples in one message.

use crate::{
    DecodeError,
    wire::{
        protobuf::{Reader, put_message},
        remote_write::v1::{Series, SeriesEncoder},
    },
};

/// Appends an answer to a buffer: one result per query of the request, in the same order.
#[derive(Debug)]
pub struct ReadResponseEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> ReadResponseEncoder<'b> {
    /// An encoder that appends to `buf`.
    pub const fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// Appends the result of a query, which `write` fills.
    pub fn result(&mut self, write: impl FnOnce(&mut ResultEncoder<'_>)) -> &mut Self {
        put_message(self.buf, 1, |buf| write(&mut ResultEncoder { buf }));
        self
    }
}

/// Appends the series of one result, sorted by labels.
#[derive(Debug)]
pub struct ResultEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl ResultEncoder<'_> {
    /// Appends a series, which `write` fills.
    pub fn series(&mut self, write: impl FnOnce(&mut SeriesEncoder<'_>)) -> &mut Self {
        put_message(self.buf, 1, |buf| write(&mut SeriesEncoder::new(buf)));
        self
    }
}

/// A decoded answer.
#[derive(Debug, Clone)]
pub struct ReadResponse<'a> {
    /// The series of each result.
    pub results: Vec<Vec<Series<'a>>>,
}

impl<'a> ReadResponse<'a> {
    /// Decodes the uncompressed answer `bytes`.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut results = Vec::new();
        while let Some(field) = reader.field()? {
            if field.number == 1 {
                results.push(result(field.message("query result")?)?);
            }
        }
        Ok(Self { results })
    }
}

fn result(mut reader: Reader<'_>) -> Result<Vec<Series<'_>>, DecodeError> {
    let mut series = Vec::new();
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            series.push(Series::parse(field.message("time series")?)?);
        }
    }
    Ok(series)
}
