//! What can go wrong with a compaction.

use crate::{block::BlockError, error::ErrorKind};

/// A compaction that failed; the inputs are as they were and no output is left.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// An input cannot be read in full. It must not be replaced: what is still readable of it would be all
    /// that is left. The caller keeps it out of further plans until an operator has looked at it.
    #[error("cannot read block {block} for compaction")]
    Input {
        /// The block that cannot be read.
        block: u64,
        /// Why.
        source: BlockError,
    },
    /// An output cannot be written.
    #[error("cannot write the output of a compaction")]
    Output {
        /// Why.
        source: BlockError,
    },
}

impl CompactionError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Input { source, .. } | Self::Output { source } => source.kind(),
        }
    }

    /// For [`Result::map_err`]: a failure to read `block`.
    pub(super) fn input(block: u64) -> impl FnOnce(BlockError) -> Self {
        move |source| Self::Input { block, source }
    }

    /// For [`Result::map_err`]: a failure to write.
    pub(super) const fn output(source: BlockError) -> Self {
        Self::Output { source }
    }
}
