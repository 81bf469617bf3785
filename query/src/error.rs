//! The error of parsing and evaluating a query.

/// What a caller can do about an error; the server maps it to a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request must change: it does not parse, or a parameter is out of range.
    Invalid,
    /// The query cannot be answered on this data.
    Execution,
    /// The query would exceed a limit.
    Limit,
    /// The query took too long.
    Timeout,
    /// The client left.
    Canceled,
    /// Stored data is damaged.
    Corrupt,
    /// Storage cannot answer now.
    Unavailable,
    /// A bug in Kymo.
    Internal,
}

/// A failed query. The text is upstream's, word for word, wherever upstream has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of `kind` with the text that users see.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}
