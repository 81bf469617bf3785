//! What a check found.

use std::path::PathBuf;

use crate::block::BlockError;

/// Damages that are listed of one file; more are only counted.
const DAMAGES_MAX: usize = 100;

/// What [`super::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Every file that was checked.
    pub files: Vec<CheckedFile>,
    /// What is worth knowing and no damage, such as files that the next start removes.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Whether no file is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.files.iter().all(|file| file.damages.is_empty())
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The list of live blocks.
    Manifest,
    /// A live block.
    Block,
    /// What was in memory at the last flush.
    Checkpoint,
    /// A part of the write-ahead log.
    WalSegment,
    /// The log of a table of rollups.
    RollupLog,
    /// A data file of such a table, with the file of series beside it.
    Rollups,
}

impl FileKind {
    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Block => "block",
            Self::Checkpoint => "checkpoint",
            Self::WalSegment => "WAL segment",
            Self::RollupLog => "rollup log",
            Self::Rollups => "rollups",
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// What it is.
    pub kind: FileKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Frames of a log or checkpoint, chunks of a block, blocks of a manifest, objects of a table's log, rows of rollups.
    pub entries: u64,
    /// Samples of a block.
    pub samples: u64,
    /// Chunks and samples of a block that cannot be read.
    pub unreadable: Unreadable,
    /// What is wrong, at most 100 places.
    pub damages: Vec<Damage>,
    /// Further damaged places.
    pub damages_omitted: u64,
}

/// What a block has lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Chunks.
    pub chunks: u64,
    /// Samples in them.
    pub samples: u64,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it starts, in bytes from the start of the file; `None` when it concerns no place.
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl CheckedFile {
    pub(super) const fn new(kind: FileKind, path: PathBuf, bytes: u64) -> Self {
        Self {
            kind,
            path,
            bytes,
            entries: 0,
            samples: 0,
            unreadable: Unreadable { chunks: 0, samples: 0 },
            damages: Vec::new(),
            damages_omitted: 0,
        }
    }

    pub(super) fn damage(&mut self, offset: Option<u64>, problem: impl Into<String>) {
        if self.damages.len() < DAMAGES_MAX {
            self.damages.push(Damage { offset, problem: problem.into() });
        } else {
            self.damages_omitted += 1;
        }
    }

    /// An error of the block that this file is.
    pub(super) fn block_damage(&mut self, error: &BlockError) {
        match error {
            BlockError::Checksum { what, offset, expected, found, .. } => {
                self.damage(Some(*offset), format!("{what}: checksum {found:08x} instead of {expected:08x}"));
            }
            // The offset is that within the part, so it belongs into the text.
            BlockError::Corrupt { what, offset, .. } => {
                self.damage(None, format!("{what} contradicts itself (byte {offset} of it)"));
            }
            error => self.damage(None, error.to_string()),
        }
    }
}
