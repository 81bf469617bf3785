//! What can go wrong in the write-ahead log.

use std::{io, path::PathBuf, sync::Arc};

use crate::error::ErrorKind;

/// An error of the write-ahead log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalError {
    /// The next segment cannot be allocated. Nothing has changed; it works again once there is room.
    #[error("no room for a write-ahead log segment of {bytes} bytes in {dir}")]
    NoSpace {
        /// Directory of the log.
        dir: PathBuf,
        /// What a segment needs.
        bytes: u64,
        /// The operating system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// A write or sync failed earlier, after which nothing is known about what is on disk: the log takes no more
    /// until it is opened anew.
    #[error("the write-ahead log takes no more writes since it could not {operation} {path}: {source}")]
    Failed {
        /// What failed, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer, part of the message because every later caller sees only this error.
        source: Arc<io::Error>,
    },
    /// A file could not be read, created or renamed. Nothing has changed.
    #[error("cannot {operation} {path}")]
    Io {
        /// What failed, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// More than a segment can hold was asked for at once.
    #[error("{bytes} bytes do not fit a write-ahead log segment, which holds {bytes_max}")]
    TooLarge {
        /// What was asked for.
        bytes: u64,
        /// What a segment holds.
        bytes_max: u64,
    },
    /// More was appended through a pin than it was entered for.
    #[error("a frame of {bytes} bytes does not fit the {bytes_left} bytes left of its pin")]
    Reservation {
        /// Length of the frame.
        bytes: u64,
        /// What the pin has left.
        bytes_left: u64,
    },
    /// A segment was written by a later release.
    #[error("{path} has version {found}, this release reads up to {known}")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version this code knows.
        known: u32,
    },
    /// A setting makes no sense.
    #[error("wal.{field}: {problem}")]
    Config {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl WalError {
    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSpace { .. } | Self::Failed { .. } | Self::Io { .. } => ErrorKind::Unavailable,
            Self::TooLarge { .. } | Self::Config { .. } | Self::Version { .. } => ErrorKind::Invalid,
            Self::Reservation { .. } => ErrorKind::Internal,
        }
    }

    pub(super) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source: Arc::new(source) }
    }
}
