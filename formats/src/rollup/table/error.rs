//! What can be wrong with a file of the table.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is no Parquet file, or a damaged one, or its bytes could not be had.
    #[error("read rollups")]
    Parquet(#[from] ParquetError),
    /// It is a Parquet file, but not one of ours.
    #[error("not a file of rollups: {what}")]
    Foreign {
        /// What it lacks.
        what: &'static str,
    },
    /// Bytes that Parquet's decoder did not expect.
    #[error("damaged file of rollups: its decoder gave up")]
    Undecodable,
    /// A later release wrote it.
    #[error("rollups of version {found:?}, of which this release knows nothing")]
    Version {
        /// What the file says.
        found: String,
    },
}

impl TableError {
    /// The error that `error` was made from, if reading bytes failed and not decoding them.
    #[must_use]
    pub fn external(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match self {
            Self::Parquet(ParquetError::External(error)) => Some(&**error),
            Self::Parquet(_) | Self::Foreign { .. } | Self::Undecodable | Self::Version { .. } => None,
        }
    }
}

impl TableError {
    /// The error that this one was made from, if writing bytes failed, or reading them, and nothing else; itself otherwise.
    ///
    /// # Errors
    /// Itself.
    pub fn into_external(self) -> Result<Box<dyn std::error::Error + Send + Sync + 'static>, Self> {
        match self {
            Self::Parquet(ParquetError::External(error)) => Ok(error),
            other => Err(other),
        }
    }
}

/// Runs a decoder of the parquet crate, which panics on some bytes that no writer writes (60.1: an encoding that a page
/// header names and the column has no decoder for). What it had under way is dropped.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, TableError>) -> Result<T, TableError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(TableError::Undecodable))
}
