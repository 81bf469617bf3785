//! Bodies of requests: bounded in bytes, and in the time that they take to arrive.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("the body took too long to arrive")]
    TooSlow,
    #[error("read body: {0}")]
    Broken(axum::Error),
}

/// The whole body.
pub(super) async fn read(body: Body, bytes_max: usize, patience: Duration) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(patience, to_bytes(body, bytes_max)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_length_error(&error) => Err(BodyError::TooLarge { bytes_max }),
        Ok(Err(error)) => Err(BodyError::Broken(error)),
        Err(_) => Err(BodyError::TooSlow),
    }
}

fn is_length_error(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string().contains("length limit"))
}
