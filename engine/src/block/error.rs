//! What can go wrong with a block file.

use std::{io, path::PathBuf};

use kymo_formats::{DecodeError, index::TooLarge};

use crate::{
    env::{ObjectError, ObjectErrorKind},
    error::ErrorKind,
    model::Labels,
};

/// An operation on a block that failed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The bytes of the file are not what was written.
    #[error(
        "checksum mismatch in {path}, {what} at byte {offset}: expected {expected:08x}, found {found:08x}"
    )]
    Checksum {
        /// The block file.
        path: PathBuf,
        /// The section or page.
        what: &'static str,
        /// Where it starts, in bytes from the start of the file.
        offset: u64,
        /// The checksum kept in the file.
        expected: u32,
        /// That of the bytes found.
        found: u32,
    },
    /// The file is not a block of a known version, or its structure contradicts itself.
    #[error("damaged block {path}: {what} at byte {offset}")]
    Corrupt {
        /// The block file.
        path: PathBuf,
        /// What was being read.
        what: &'static str,
        /// Where, in bytes from the start of the part that was being read: a section, or the file.
        offset: usize,
    },
    /// The file holds another block than its name and the manifest say.
    #[error("{path} holds block {found}, expected {expected}")]
    WrongBlock {
        /// The block file.
        path: PathBuf,
        /// The id asked for.
        expected: u64,
        /// The id in the file.
        found: u64,
    },
    /// No live block has the id asked for.
    #[error("there is no live block {path}")]
    Unknown {
        /// Where it would lie.
        path: PathBuf,
    },
    /// The object storage in which the block lies.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// What is being written exceeds the format.
    #[error("cannot write block {path}")]
    TooLarge {
        /// The block file.
        path: PathBuf,
        /// What exceeds it.
        source: TooLarge,
    },
    /// Series were added in the wrong order: the index would be wrong.
    #[error("series {series} out of order while writing {path}")]
    Unordered {
        /// The block file.
        path: PathBuf,
        /// The series that came too late.
        series: Labels,
    },
}

impl BlockError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::Io { .. } => ErrorKind::Unavailable,
            Self::Checksum { .. } | Self::Corrupt { .. } | Self::WrongBlock { .. } => ErrorKind::Corrupt,
            Self::Object(error) => match error.kind {
                ObjectErrorKind::NotFound => ErrorKind::NotFound,
                ObjectErrorKind::Damaged => ErrorKind::Corrupt,
                ObjectErrorKind::AlreadyExists
                | ObjectErrorKind::Denied
                | ObjectErrorKind::Full
                | ObjectErrorKind::Unavailable
                | ObjectErrorKind::Unsupported => ErrorKind::Unavailable,
            },
            Self::TooLarge { .. } => ErrorKind::Limit,
            Self::Unordered { .. } => ErrorKind::Internal,
        }
    }

    /// Whether what should be there is not, or not as it was written. Reading it again will not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
    }

    /// Whether the block lies in object storage that cannot be reached now. Nothing is known of the block itself.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Object(_)) && !self.is_damage()
    }

    /// For [`Result::map_err`]: a failed `action` on `path`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }

    /// For [`Result::map_err`]: bytes of `path` that do not decode.
    pub(crate) fn corrupt(path: impl Into<PathBuf>) -> impl FnOnce(DecodeError) -> Self {
        move |error| Self::Corrupt { path: path.into(), what: error.what, offset: error.offset }
    }
}
