//! Errors of the HTTP API, and the only place where kinds of errors become status codes.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use kymo_engine::Warnings;

use super::{
    body::BodyError,
    json::{self, Html},
};
use crate::ingest::{DecodeFailure, IngestError};

/// `errorType` of the API's error envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    BadData,
    Execution,
    Canceled,
    Timeout,
    /// What the client had to send did not arrive in time.
    TooSlow,
    Internal,
    Unavailable,
    NotFound,
}

impl ErrorType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout | Self::TooSlow => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
        }
    }

    /// Upstream's table; `unavailable` has no code of its own there.
    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // 499, nginx's code for a client that has left; the crate has no name for it.
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Internal | Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

/// A failed call of the Prometheus API, answered in its envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    kind: ErrorType,
    message: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorType::BadData, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorType::Internal, message)
    }

    /// The text that upstream gives for a parameter it cannot use.
    pub(crate) fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {reason}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = format!(r#"{{"status":"error","errorType":"{}","error":"#, self.kind.as_str());
        json::push_string(&mut body, self.message.as_bytes(), Html::Escape);
        body.push('}');
        (self.kind.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

impl From<kymo_query::Error> for ApiError {
    fn from(error: kymo_query::Error) -> Self {
        use kymo_query::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::Invalid => ErrorType::BadData,
            ErrorKind::Execution | ErrorKind::Limit => ErrorType::Execution,
            ErrorKind::Timeout => ErrorType::Timeout,
            ErrorKind::Canceled => ErrorType::Canceled,
            ErrorKind::Corrupt | ErrorKind::Internal => ErrorType::Internal,
            ErrorKind::Unavailable => ErrorType::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<kymo_engine::Error> for ApiError {
    fn from(error: kymo_engine::Error) -> Self {
        use kymo_engine::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::Invalid => ErrorType::BadData,
            ErrorKind::NotFound => ErrorType::NotFound,
            ErrorKind::Limit | ErrorKind::Execution => ErrorType::Execution,
            ErrorKind::Unavailable => ErrorType::Unavailable,
            ErrorKind::Timeout => ErrorType::Timeout,
            ErrorKind::Canceled => ErrorType::Canceled,
            ErrorKind::Corrupt | ErrorKind::Internal => ErrorType::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

/// A failed call outside of the API's envelope: a status and one line of text, as Go's `http.Error` has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct PlainError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// Seconds after which the caller should try again.
    pub(crate) retry_after: Option<u32>,
}

impl PlainError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A refusal that holds for now only.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        const RETRY_AFTER_SECONDS: u32 = 5;
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.into(),
            retry_after: Some(RETRY_AFTER_SECONDS),
        }
    }
}

impl IntoResponse for PlainError {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        let mut response = (self.status, headers, format!("{}\n", self.message)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<kymo_engine::Error> for PlainError {
    fn from(error: kymo_engine::Error) -> Self {
        Self::of_engine(error.kind(), error.to_string())
    }
}

/// For protocols that have no place for a warning: what lacks damaged data is no answer, since nobody would know.
///
/// # Errors
/// When something was left out.
pub(crate) fn refuse_partial(warnings: Warnings) -> Result<(), PlainError> {
    if warnings.is_empty() {
        return Ok(());
    }
    Err(PlainError::new(StatusCode::INTERNAL_SERVER_ERROR, warnings.into_texts().join("; ")))
}

impl From<IngestError> for PlainError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Decode(error) => Self::bad_request(error.to_string()),
            IngestError::Commit(error) => Self::of_engine(error.kind(), error.to_string()),
        }
    }
}

impl From<BodyError> for PlainError {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<DecodeFailure> for PlainError {
    fn from(failure: DecodeFailure) -> Self {
        let status = match failure {
            DecodeFailure::Corrupt { .. } => StatusCode::BAD_REQUEST,
            DecodeFailure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, failure.to_string())
    }
}

impl PlainError {
    fn of_engine(kind: kymo_engine::ErrorKind, message: String) -> Self {
        use kymo_engine::ErrorKind;
        match kind {
            ErrorKind::Invalid => Self::bad_request(message),
            ErrorKind::NotFound => Self::new(StatusCode::NOT_FOUND, message),
            ErrorKind::Limit => Self::new(StatusCode::TOO_MANY_REQUESTS, message),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Canceled => Self::unavailable(message),
            ErrorKind::Corrupt | ErrorKind::Execution | ErrorKind::Internal => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

impl From<kymo_query::Error> for PlainError {
    fn from(error: kymo_query::Error) -> Self {
        use kymo_query::ErrorKind;
        let status = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Limit => StatusCode::BAD_REQUEST,
            ErrorKind::Unavailable | ErrorKind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Canceled | ErrorKind::Execution | ErrorKind::Corrupt | ErrorKind::Internal => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}
