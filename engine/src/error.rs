//! What an error asks of the caller, the same few answers for every error of every crate.

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
