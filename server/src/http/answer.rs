//! The envelope of the Prometheus API around an answer.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kymo_engine::Warnings;
use serde::Serialize;

use super::{
    error::ApiError,
    json::{self, Html},
};

/// Text of the warning that a list was cut at the caller's limit.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

const PREFIX: &str = r#"{"status":"success","data":"#;

/// A successful call. The envelope is written around the data in place, because answers can be large.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Envelope up to the end of the data; empty when there is no data.
    body: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
}

impl Answer {
    /// An answer whose data `write` appends.
    pub(crate) fn new(write: impl FnOnce(&mut String)) -> Self {
        let mut body = String::with_capacity(1024);
        body.push_str(PREFIX);
        write(&mut body);
        Self { body, warnings: Vec::new(), infos: Vec::new() }
    }

    /// An answer with `data` in Go's JSON.
    pub(crate) fn of(data: &impl Serialize) -> Result<Self, ApiError> {
        let data = json::to_string(data).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Self::new(|out| out.push_str(&data)))
    }

    /// An answer without data: status 204 and no body.
    pub(crate) const fn none() -> Self {
        Self { body: String::new(), warnings: Vec::new(), infos: Vec::new() }
    }

    /// The same answer with one more warning, if there is one.
    pub(crate) fn warn(mut self, warning: Option<impl Into<String>>) -> Self {
        self.warnings.extend(warning.map(Into::into));
        self
    }

    /// The same answer, with warnings of the damaged data that it lacks.
    pub(crate) fn left_out(mut self, warnings: Warnings) -> Self {
        self.warnings.extend(warnings.into_texts());
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Self { mut body, warnings, infos } = self;
        if body.is_empty() {
            return StatusCode::NO_CONTENT.into_response();
        }
        for (name, notes) in [("warnings", warnings), ("infos", infos)] {
            if !notes.is_empty() {
                body.push(',');
                json::push_string(&mut body, name.as_bytes(), Html::Escape);
                body.push(':');
                json::push_string_array(&mut body, &notes);
            }
        }
        body.push('}');
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
