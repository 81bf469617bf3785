//! Chunk files, and the samples in a chunk.

use super::{CHECKSUM_BYTES, checked};
use crate::{
    DecodeError,
    codec::{ChunkSamples, Encoding, decode_chunk},
    cursor::Reader,
    varint::BYTES_MAX,
};

/// Bytes in front of the first chunk of a file.
pub const CHUNK_FILE_HEADER_BYTES: usize = 8;
/// Most bytes of a chunk with what is around it. Prometheus cuts float chunks at a kilobyte; histograms with ten
/// thousands of buckets stay below this. More is taken for damage, so that a wrong length costs no memory.
pub const CHUNK_RECORD_BYTES_MAX: usize = 16 << 20;

const CHUNKS_MAGIC: u32 = 0x85bd_40dd;
const CHUNKS_VERSION: u8 = 1;

/// Checks the header of a chunk file.
///
/// # Errors
/// When it is no chunk file, or of another version.
pub fn check_chunk_file_header(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    if u32::from_be_bytes(reader.array("chunks magic")?) != CHUNKS_MAGIC {
        return Err(DecodeError::new("chunks magic", 0));
    }
    let at = reader.position();
    if reader.u8("chunks version")? != CHUNKS_VERSION {
        return Err(DecodeError::new("chunks version", at));
    }
    reader.take(3, "chunks padding").map(drop)
}

/// Bytes of the chunk that begins with `front`, of which ten are enough.
///
/// # Errors
/// When the length does not end, or is above [`CHUNK_RECORD_BYTES_MAX`].
pub fn chunk_record_bytes(front: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(front.get(..BYTES_MAX).unwrap_or(front));
    let len = reader.varint_usize("chunk length")?;
    if len > CHUNK_RECORD_BYTES_MAX {
        return Err(DecodeError::new("chunk length", 0));
    }
    Ok(reader.position() + 1 + len + CHECKSUM_BYTES)
}

/// A chunk whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRecord<'a> {
    encoding: u8,
    data: &'a [u8],
    /// Where the encoding stands.
    offset: usize,
}

impl<'a> ChunkRecord<'a> {
    /// The chunk that takes all of `bytes`; offsets of errors count from its start.
    ///
    /// # Errors
    /// When the checksum is wrong.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let len = reader.varint_usize("chunk length")?;
        let offset = reader.position();
        let mut content = Reader::new(checked(bytes, offset, "chunk checksum")?);
        content.take(offset, "chunk length")?;
        let encoding = content.u8("chunk encoding")?;
        let data = content.take(len, "chunk length")?;
        content.finish("chunk length")?;
        Ok(Self { encoding, data, offset })
    }

    /// Appends the samples to `out`.
    ///
    /// # Errors
    /// When they do not decode, or are encoded in a way that came after this code. `out` is then as it was.
    pub fn samples(&self, out: &mut ChunkSamples) -> Result<(), DecodeError> {
        // The numbers above 3 mean something else here.
        let encoding = Encoding::from_u8(self.encoding).filter(|encoding| !encoding.has_start_ts());
        let encoding = encoding.ok_or(DecodeError::new("chunk encoding", self.offset))?;
        decode_chunk(encoding, self.data, out)
            .map_err(|error| DecodeError::new(error.what, self.offset + 1 + error.offset))
    }
}
