//! Whether the server lives, and what it counts.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    error::{ApiError, PlainError},
    middleware::{NotReady, Ready},
    work,
};
use crate::{app::App, telemetry};

/// `/-/healthy`: the process runs.
pub(crate) async fn healthy() -> &'static str {
    "Kymo is Healthy.\n"
}

/// `/-/ready`: requests are answered.
pub(crate) async fn ready(ready: Result<Ready, NotReady>) -> Response {
    match ready {
        Ok(_) => "Kymo is Ready.\n".into_response(),
        Err(not_ready) => not_ready.into_response(),
    }
}

/// `/metrics`: our own metrics in the text format.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let page = work::blocking(move || {
        let engine = app.engine();
        Ok::<_, ApiError>(telemetry::exposition(&telemetry::collect(&app, engine.as_deref())))
    });
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    page.await.map(|page| (content_type, page))
}

/// Every path that is not ours.
pub(crate) async fn not_found() -> PlainError {
    PlainError::new(StatusCode::NOT_FOUND, "404 page not found")
}

/// A path of ours with a method that it does not take.
pub(crate) async fn method_not_allowed() -> PlainError {
    PlainError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}
