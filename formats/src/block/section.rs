//! Kinds of sections, and an entry of the table that finds them.

use std::ops::Range;

use crate::{
    DecodeError,
    cursor::{Reader, Writer},
};

/// What a section holds. Numbers are never reused; a reader ignores the ones it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionKind(pub u16);

impl SectionKind {
    /// [`super::meta::BlockSummary`].
    pub const META: Self = Self(1);
    /// Chunk data: the chunks of all series, one after another.
    pub const CHUNKS: Self = Self(2);
    /// For each page of the chunk data its CRC-32, as `u32`.
    pub const CHUNK_PAGES: Self = Self(3);
    /// [`crate::index::chunk_directory`].
    pub const CHUNK_DIRECTORY: Self = Self(4);
    /// [`crate::index::dictionary`] of the label names.
    pub const LABEL_NAMES: Self = Self(5);
    /// [`crate::index::label_directory`].
    pub const LABEL_DIRECTORY: Self = Self(6);
    /// The dictionaries of label values, one for each name, one after another.
    pub const LABEL_VALUES: Self = Self(7);
    /// [`crate::index::postings`], one for each name, one after another.
    pub const POSTINGS: Self = Self(8);
    /// [`crate::index::series`].
    pub const SERIES: Self = Self(9);
    /// [`crate::index::fingerprints`].
    pub const FINGERPRINTS: Self = Self(10);
    /// [`crate::index::stats`].
    pub const STATS: Self = Self(11);
    /// [`super::timestamps`]; absent where no chunk refers to it.
    pub const TIMESTAMPS: Self = Self(12);
    /// [`crate::index::summaries`]; absent at level 0.
    pub const SUMMARIES: Self = Self(13);

    /// The section in words, for errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::META => "meta section",
            Self::CHUNKS => "chunk data",
            Self::CHUNK_PAGES => "chunk page checksums",
            Self::CHUNK_DIRECTORY => "chunk directory",
            Self::LABEL_NAMES => "label names",
            Self::LABEL_DIRECTORY => "label directory",
            Self::LABEL_VALUES => "label values",
            Self::POSTINGS => "postings",
            Self::SERIES => "series table",
            Self::FINGERPRINTS => "fingerprints",
            Self::STATS => "metric statistics",
            Self::TIMESTAMPS => "timestamp columns",
            Self::SUMMARIES => "chunk summaries",
            _ => "unknown section",
        }
    }
}

/// One section: where it lies, and how to tell that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionEntry {
    /// What it holds.
    pub kind: SectionKind,
    /// Version of the section's own layout, from 1.
    pub version: u16,
    /// CRC-32 of its bytes; 0 for [`SectionKind::CHUNKS`], whose pages have their own.
    pub crc: u32,
    /// Where it starts, in bytes from the start of the file; a multiple of 64.
    pub offset: u64,
    /// Its length in bytes, without padding.
    pub len: u64,
}

impl SectionEntry {
    /// Length of an entry in the table.
    pub const BYTES: usize = 24;

    /// Where the section lies in a file of `file_len` bytes.
    ///
    /// # Errors
    /// When it does not lie within the file.
    pub fn range(&self, file_len: usize) -> Result<Range<usize>, DecodeError> {
        let range = || {
            let start = usize::try_from(self.offset).ok()?;
            let end = start.checked_add(usize::try_from(self.len).ok()?)?;
            (end <= file_len).then_some(start..end)
        };
        range().ok_or(DecodeError::new(self.kind.name(), file_len))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u16(self.kind.0);
        writer.u16(self.version);
        writer.u32(self.crc);
        writer.u64(self.offset);
        writer.u64(self.len);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: SectionKind(reader.u16("section kind")?),
            version: reader.u16("section version")?,
            crc: reader.u32("section checksum")?,
            offset: reader.u64("section offset")?,
            len: reader.u64("section length")?,
        })
    }
}
