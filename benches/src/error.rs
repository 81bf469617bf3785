//! What can go wrong in a benchmark.

use std::{io, path::PathBuf};

/// Result of anything here.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a benchmark did not finish, or did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file has not the expected content.
    #[error("{path} is not {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// A request got no answer.
    #[error("no answer from {url}")]
    Transport {
        /// Where the request went.
        url: String,
        /// Why it failed.
        #[source]
        source: Box<ureq::Error>,
    },
    /// A request was refused.
    #[error("{url} answered {status}: {body}")]
    Status {
        /// Where the request went.
        url: String,
        /// The status code.
        status: u16,
        /// The start of the answer.
        body: String,
    },
    /// An answer is not what the API promises.
    #[error("{url} answered something that is not {expected}")]
    Answer {
        /// Where the request went.
        url: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A store did not come up, or ended by itself.
    #[error("{store} {what}")]
    Store {
        /// Name of the store.
        store: String,
        /// What it did.
        what: String,
    },
    /// The benchmark ran, and found what must not be.
    #[error("{found}")]
    Failed {
        /// What was found.
        found: String,
    },
}

impl Error {
    /// Adds what was tried on which file to an I/O error.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
