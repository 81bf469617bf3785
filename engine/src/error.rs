//! The engine's error, and what an error asks of the caller.

use std::{
    io,
    path::{Path, PathBuf},
};

use kymo_formats::DecodeError;

use crate::{
    block::BlockError, compaction::CompactionError, manifest::ManifestError, model::OverBudget, wal::WalError,
};

/// Why the engine could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The write-ahead log.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The list of live blocks.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A block file.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A merge of blocks.
    #[error(transparent)]
    Compaction(#[from] CompactionError),
    /// A file or directory.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What failed, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A damaged file.
    #[error("{path} is damaged: {source}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is damaged, and where.
        source: DecodeError,
    },
    /// A damaged chunk of a series.
    #[error("a chunk of {labels} is damaged: {source}")]
    Chunk {
        /// The series.
        labels: String,
        /// What is damaged, and where.
        source: DecodeError,
    },
    /// A damaged chunk in memory, which can only be a bug.
    #[error("a chunk in memory does not decode: {0}")]
    HeadChunk(#[from] DecodeError),
    /// There are blocks, but not the list of those that are live.
    #[error("{path} holds no manifest, but {block} exists: restore the manifest, or move the blocks away")]
    NoManifest {
        /// Where the manifest should be.
        path: PathBuf,
        /// One of the blocks.
        block: PathBuf,
    },
    /// The directory is none of a store.
    #[error("{path} is no data directory: there is no manifest and no block")]
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// A copy would overwrite something.
    #[error("{path} is not empty")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// What should be restored is damaged.
    #[error("{path} is damaged; `kymo verify` shows where")]
    DamagedCopy {
        /// The first file that is.
        path: PathBuf,
    },
    /// Somebody else has the directory open.
    #[error("{path} is locked: another process has this data directory open")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A tier.
    #[error(transparent)]
    Tier(Box<crate::tier::TierError>),
    /// What was asked for does not fit the memory that it may take.
    #[error(transparent)]
    Memory(#[from] OverBudget),
    /// The disk has no room for what would be written. Nothing was.
    #[error("{operation} needs {needed_bytes} bytes in {path}, which has {available_bytes} left for it")]
    NoRoom {
        /// What would be written.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Bytes that it takes.
        needed_bytes: u64,
        /// Bytes that there are.
        available_bytes: u64,
    },
    /// A setting makes no sense.
    #[error("{problem}")]
    Config {
        /// The setting, and what is wrong with it.
        problem: String,
    },
    /// The operating system gives no thread.
    #[error("cannot start a thread: {source}")]
    Spawn {
        /// The operating system's answer.
        source: io::Error,
    },
}

impl From<crate::tier::TierError> for Error {
    fn from(error: crate::tier::TierError) -> Self {
        match error {
            crate::tier::TierError::Engine(error) => *error,
            error => Self::Tier(Box::new(error)),
        }
    }
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Wal(error) => error.kind(),
            Self::Manifest(error) => error.kind(),
            Self::Block(error) => error.kind(),
            Self::Compaction(error) => error.kind(),
            Self::Io { .. } | Self::Locked { .. } | Self::Spawn { .. } | Self::NoRoom { .. } => {
                ErrorKind::Unavailable
            }
            Self::Corrupt { .. }
            | Self::Chunk { .. }
            | Self::NoManifest { .. }
            | Self::DamagedCopy { .. } => ErrorKind::Corrupt,
            Self::NoStore { .. } => ErrorKind::NotFound,
            Self::HeadChunk(_) => ErrorKind::Internal,
            Self::Memory(_) => ErrorKind::Limit,
            Self::Tier(error) => error.kind(),
            Self::Config { .. } | Self::Occupied { .. } => ErrorKind::Invalid,
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    pub(crate) fn corrupt(path: &Path) -> impl FnOnce(DecodeError) -> Self {
        let path = path.to_owned();
        move |source| Self::Corrupt { path, source }
    }
}

/// What the caller can do about an error. Only the server's edge turns kinds into status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request must change before it can succeed.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// A bound was reached: slow down, or ask for less.
    Limit,
    /// Not now: the same request may succeed later.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// The query cannot be answered.
    Execution,
    /// The time allowed ran out.
    Timeout,
    /// The caller withdrew the request.
    Canceled,
    /// A bug of ours.
    Internal,
}
