//! What a block's writer takes as the samples of a chunk.

use std::borrow::Cow;

use kymo_formats::{codec::summary::ChunkSummary, index::chunk_directory::ChunkMeta};

/// A chunk for a block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockChunk<'a> {
    /// What the directory says of it.
    pub meta: ChunkMeta,
    /// Its samples.
    pub body: ChunkBody<'a>,
    /// What it amounts to, if it has a summary; blocks of level 0 keep none.
    pub summary: Option<ChunkSummary>,
}

impl<'a, B: Into<ChunkBody<'a>>> From<(ChunkMeta, B)> for BlockChunk<'a> {
    fn from((meta, body): (ChunkMeta, B)) -> Self {
        Self { meta, body: body.into(), summary: None }
    }
}

/// The samples of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkBody<'a> {
    /// Bytes of an encoding that stands for itself, [`kymo_formats::codec::Encoding`]; they are written as they are.
    Whole(Cow<'a, [u8]>),
    /// Values apart from their timestamps, which the block keeps once for all chunks that have the same.
    Columns(ChunkColumns<'a>),
}

/// The samples of a chunk of a [`kymo_formats::codec::column_chunk::ColumnEncoding`], by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkColumns<'a> {
    /// Timestamps, ascending, milliseconds.
    pub ts: Vec<i64>,
    /// A column of [`kymo_formats::codec::start_ts`], if a start timestamp is known.
    pub starts: Option<Cow<'a, [u8]>>,
    /// A column of [`kymo_formats::codec::values`] or [`kymo_formats::codec::histogram::columns`], as the chunk's
    /// encoding says.
    pub values: Cow<'a, [u8]>,
}

impl ChunkColumns<'_> {
    /// The same, borrowed from nobody.
    #[must_use]
    pub fn into_owned(self) -> ChunkColumns<'static> {
        ChunkColumns {
            ts: self.ts,
            starts: self.starts.map(|starts| Cow::Owned(starts.into_owned())),
            values: Cow::Owned(self.values.into_owned()),
        }
    }
}

impl<'a> From<Cow<'a, [u8]>> for ChunkBody<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Vec<u8>> for ChunkBody<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Cow::Owned(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for ChunkBody<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Whole(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a [u8]> for ChunkBody<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Whole(Cow::Borrowed(bytes))
    }
}
