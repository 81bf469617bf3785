//! Why a tier could not do what it was asked for.

use kymo_formats::{delta::DeltaError, rollup::table::TableError};

use crate::{
    ErrorKind,
    env::{ObjectError, ObjectErrorKind},
};

/// An error of a tier.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// The place of the tier.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A file of the log of a table.
    #[error("{key} is damaged or of another kind: {source}")]
    Log {
        /// The object.
        key: String,
        /// What is wrong.
        source: DeltaError,
    },
    /// Commits are missing.
    #[error("the log of {table} lacks version {version}, and no checkpoint stands for it")]
    Gap {
        /// The table.
        table: String,
        /// What is missing.
        version: u64,
    },
    /// Somebody else's table lies where one of ours should be.
    #[error("{table} is no table of rollups: {problem}")]
    Foreign {
        /// The table.
        table: String,
        /// What is not as it should be.
        problem: String,
    },
    /// A data file, or the file of series beside it.
    #[error("{key} is damaged: {source}")]
    File {
        /// The object.
        key: String,
        /// What is wrong.
        source: TableError,
    },
    /// Bytes that are not those that were written.
    #[error("{key} is damaged: {problem}")]
    Damaged {
        /// The object.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Others committed first, again and again.
    #[error("{table}: gave up after {attempts} attempts to commit beside other writers")]
    Contended {
        /// The table.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A job took so long that its files are not safe to commit: they may be removed, as those that no commit named.
    #[error("{table}: writing took {hours} hours, which is too long to be committed")]
    Overdue {
        /// The table.
        table: String,
        /// How long it took.
        hours: i64,
    },
    /// Samples are in object storage that does not answer.
    #[error("samples cannot be reached: {problem}")]
    Unreachable {
        /// What was left out.
        problem: String,
    },
    /// A block that was to be moved to object storage.
    #[error(transparent)]
    Block(#[from] crate::block::BlockError),
    /// The store below.
    #[error(transparent)]
    Engine(#[from] Box<crate::Error>),
}

impl From<crate::Error> for TierError {
    fn from(error: crate::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl TierError {
    /// The error for a data file or a file of series that does not decode, or whose bytes could not be had.
    pub(crate) fn file(key: &str, source: TableError) -> Self {
        Self::File { key: key.to_owned(), source }
    }

    /// The error for a file that cannot be written: that of the place, wherever the writers put it. A full disk is no
    /// damage.
    pub(crate) fn write(key: &str, source: TableError) -> Self {
        let problem = match source.into_external() {
            Ok(problem) => problem,
            Err(source) => return Self::file(key, source),
        };
        let placed = problem.downcast::<std::io::Error>().and_then(|error| {
            error
                .downcast::<ObjectError>()
                .map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>)
        });
        match placed {
            Ok(error) => Self::Object(error),
            Err(problem) => {
                Self::Object(ObjectError::new(ObjectErrorKind::Unavailable, "write", key, problem))
            }
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Object(error) => match error.kind {
                ObjectErrorKind::Damaged | ObjectErrorKind::NotFound => ErrorKind::Corrupt,
                ObjectErrorKind::Denied
                | ObjectErrorKind::Full
                | ObjectErrorKind::Unavailable
                | ObjectErrorKind::AlreadyExists => ErrorKind::Unavailable,
                ObjectErrorKind::Unsupported => ErrorKind::Invalid,
            },
            Self::Log { .. } | Self::Gap { .. } | Self::File { .. } | Self::Damaged { .. } => {
                ErrorKind::Corrupt
            }
            Self::Foreign { .. } => ErrorKind::Invalid,
            Self::Contended { .. } | Self::Overdue { .. } | Self::Unreachable { .. } => {
                ErrorKind::Unavailable
            }
            Self::Block(error) => error.kind(),
            Self::Engine(error) => error.kind(),
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Object(error) => error.kind == ObjectErrorKind::Unavailable,
            Self::Contended { .. } | Self::Overdue { .. } | Self::Unreachable { .. } => true,
            _ => false,
        }
    }
}
