//! What can go wrong in the manifest.

use std::{io, path::PathBuf, sync::Arc};

use super::Violation;
use crate::error::ErrorKind;

/// An error of the manifest.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ManifestError {
    /// The edits cannot be written for want of room. Nothing has changed; it works again once there is room.
    #[error("no room to write the manifest {path}")]
    NoSpace {
        /// The manifest's file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// A write or sync failed earlier, after which nothing is known about what is on disk: no more edits are taken
    /// until the manifest is opened anew.
    #[error("the manifest takes no more edits since it could not {operation} {path}: {source}")]
    Failed {
        /// What failed, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer, part of the message because every later caller sees only this error.
        source: Arc<io::Error>,
    },
    /// A file could not be read or created.
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
    /// The manifest is damaged. Guessing which blocks are live could bring back deleted data, or lose blocks.
    #[error("manifest {path} is damaged at byte {offset}: invalid {what}")]
    Corrupt {
        /// The manifest's file.
        path: PathBuf,
        /// Where the damage is.
        offset: u64,
        /// What should be there.
        what: &'static str,
    },
    /// The manifest was written by a later release.
    #[error("manifest {path} has version {found}, this release reads up to {known}")]
    Version {
        /// The manifest's file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version this code knows.
        known: u32,
    },
    /// The manifest holds an edit of a later release.
    #[error(
        "manifest {path} holds an edit of a later release at byte {offset} (kind {kind}, version {version})"
    )]
    UnknownEdit {
        /// The manifest's file.
        path: PathBuf,
        /// Where the batch begins that holds the edit.
        offset: u64,
        /// Kind of the edit.
        kind: u8,
        /// Version of its body.
        version: u8,
    },
    /// An edit would break what must hold of every version. Nothing has changed.
    #[error("a manifest edit was refused")]
    Refused {
        /// What it would break.
        #[from]
        source: Violation,
    },
}

impl ManifestError {
    /// Whether the edits may be found after a restart all the same: the files that they name have to stay.
    #[must_use]
    pub const fn may_be_applied(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSpace { .. } | Self::Failed { .. } | Self::Io { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Version { .. } | Self::UnknownEdit { .. } => ErrorKind::Invalid,
            Self::Refused { .. } => ErrorKind::Internal,
        }
    }

    pub(super) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source: Arc::new(source) }
    }
}
