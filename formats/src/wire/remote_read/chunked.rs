//! `prometheus.ChunkedReadResponse`: encoded chunks in a stream of frames.
//!
//! A frame is the length of its message as a varint, the CRC32-C of the message as four bytes, most
//! significant first, and the message. A message holds series of one query; a series with many chunks is
//! spread over several frames, with its labels in each.

use crate::{
    DecodeError,
    wire::{
        protobuf::{Field, Reader, put_bytes, put_message, put_signed, put_unsigned, put_varint},
        remote_write::v1::{Labels, encode_label},
    },
};

const CHECKSUM_BYTES: usize = 4;

/// How a chunk is encoded. The numbers are those of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChunkEncoding {
    /// Floats.
    Xor = 1,
    /// Integer histograms.
    Histogram = 2,
    /// Float histograms.
    FloatHistogram = 3,
    /// Floats with start timestamps.
    Xor2 = 4,
    /// Integer histograms with start timestamps.
    HistogramSt = 5,
    /// Float histograms with start timestamps.
    FloatHistogramSt = 6,
}

impl ChunkEncoding {
    const ALL: [Self; 6] = [
        Self::Xor,
        Self::Histogram,
        Self::FloatHistogram,
        Self::Xor2,
        Self::HistogramSt,
        Self::FloatHistogramSt,
    ];

    fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| *encoding as u64 == number)
    }
}

/// One encoded chunk of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Time of the first sample, milliseconds.
    pub min_time_ms: i64,
    /// Time of the last sample, milliseconds.
    pub max_time_ms: i64,
    /// How `data` is encoded.
    pub encoding: ChunkEncoding,
    /// The encoded samples.
    pub data: &'a [u8],
}

/// Builds frames one after the other, reusing its memory.
#[derive(Debug, Default)]
pub struct ChunkedFrameEncoder {
    series: Vec<u8>,
    message: Vec<u8>,
}

impl ChunkedFrameEncoder {
    /// An encoder with an empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk to the series of the frame.
    pub fn chunk(&mut self, chunk: &Chunk<'_>) -> &mut Self {
        put_message(&mut self.series, 2, |buf| {
            put_signed(buf, 1, chunk.min_time_ms);
            put_signed(buf, 2, chunk.max_time_ms);
            put_unsigned(buf, 3, chunk.encoding as u64);
            put_bytes(buf, 4, chunk.data);
        });
        self
    }

    /// Bytes of the chunks in the frame so far. Prometheus ends a frame at 1 MiB.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether the frame has no chunks yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Appends the frame to `out`: the chunks so far, as those of a series with `labels` (ascending by
    /// name) in the result of query number `query_index`. The next frame starts empty.
    pub fn finish<'l>(
        &mut self,
        out: &mut Vec<u8>,
        query_index: i64,
        labels: impl IntoIterator<Item = (&'l [u8], &'l [u8])>,
    ) {
        let Self { series, message } = self;
        message.clear();
        put_message(message, 1, |buf| {
            labels.into_iter().for_each(|(name, value)| encode_label(buf, name, value));
            buf.extend_from_slice(series);
        });
        put_signed(message, 2, query_index);
        put_varint(out, message.len() as u64);
        out.extend_from_slice(&crc32c::crc32c(message).to_be_bytes());
        out.extend_from_slice(message);
        series.clear();
    }
}

/// Iterator over the frames of an answer. After an error it ends.
#[derive(Debug, Clone)]
pub struct ChunkedFrames<'a> {
    reader: Reader<'a>,
}

/// One decoded frame.
#[derive(Debug, Clone)]
pub struct ChunkedFrame<'a> {
    /// Which query of the request the series belong to.
    pub query_index: i64,
    /// The series, in practice one.
    pub series: Vec<ChunkedSeries<'a>>,
}

/// A series of a decoded frame.
#[derive(Debug, Clone)]
pub struct ChunkedSeries<'a> {
    message: Reader<'a>,
    /// The chunks, ascending in time.
    pub chunks: Vec<Chunk<'a>>,
}

impl<'a> ChunkedFrames<'a> {
    /// The frames of the answer `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }

    fn frame(&mut self) -> Result<ChunkedFrame<'a>, DecodeError> {
        let mut reader = self.reader;
        let len = reader.varint("frame length")?;
        let checksum = u32::from_be_bytes(reader.array::<CHECKSUM_BYTES>("frame checksum")?);
        let start = reader;
        let split = usize::try_from(len).ok().and_then(|len| reader.rest().split_at_checked(len));
        let (message, rest) = split.ok_or_else(|| reader.error("frame length"))?;
        if crc32c::crc32c(message) != checksum {
            return Err(reader.error("frame checksum"));
        }
        reader.skip_to(rest);
        self.reader = reader;
        ChunkedFrame::decode(reader.since(start))
    }
}

impl<'a> Iterator for ChunkedFrames<'a> {
    type Item = Result<ChunkedFrame<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let frame = self.frame();
        if frame.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(frame)
    }
}

impl<'a> ChunkedFrame<'a> {
    fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut frame = Self { query_index: 0, series: Vec::new() };
        while let Some(field) = reader.field()? {
            match field.number {
                1 => frame.series.push(ChunkedSeries::decode(field.message("chunked series")?)?),
                2 => frame.query_index = field.signed("query index")?,
                _ => {}
            }
        }
        Ok(frame)
    }
}

impl<'a> ChunkedSeries<'a> {
    fn decode(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut chunks = Vec::new();
        let mut reader = message;
        while let Some(field) = reader.field()? {
            match field.number {
                1 => Labels::check(&field)?,
                2 => chunks.push(Chunk::decode(&field)?),
                _ => {}
            }
        }
        Ok(Self { message, chunks })
    }

    /// Names and values of the labels.
    #[must_use]
    pub fn labels(&self) -> Labels<'a> {
        Labels::of_message(self.message)
    }
}

impl<'a> Chunk<'a> {
    fn decode(field: &Field<'a>) -> Result<Self, DecodeError> {
        let mut reader = field.message("chunk")?;
        let mut encoding = None;
        let (mut min_time_ms, mut max_time_ms, mut data) = (0, 0, &[][..]);
        while let Some(field) = reader.field()? {
            match field.number {
                1 => min_time_ms = field.signed("chunk start")?,
                2 => max_time_ms = field.signed("chunk end")?,
                3 => encoding = ChunkEncoding::from_number(field.varint("chunk encoding")?),
                4 => data = field.bytes("chunk data")?,
                _ => {}
            }
        }
        let encoding = encoding.ok_or_else(|| reader.error("chunk encoding"))?;
        Ok(Self { min_time_ms, max_time_ms, encoding, data })
    }
}
