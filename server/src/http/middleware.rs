//! What holds for all routes: readiness, CORS, and what we count and log.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use kymo_engine::Engine;
use tracing::{debug, error};

use crate::app::{App, State as AppState};

/// The open store; a handler that takes it is not called before there is one.
pub(crate) struct Ready(pub(crate) Arc<Engine>);

/// Answer to everything while there is no store.
#[derive(Debug)]
pub(crate) struct NotReady {
    stopping: bool,
}

impl FromRequestParts<Arc<App>> for Ready {
    type Rejection = NotReady;

    async fn from_request_parts(_: &mut Parts, app: &Arc<App>) -> Result<Self, NotReady> {
        ready(app).map(Self)
    }
}

/// The store, if requests are answered.
pub(crate) fn ready(app: &App) -> Result<Arc<Engine>, NotReady> {
    let stopping = app.state() == AppState::Stopping;
    app.engine().filter(|_| !stopping).ok_or(NotReady { stopping })
}

impl IntoResponse for NotReady {
    fn into_response(self) -> Response {
        let stopping = if self.stopping { "true" } else { "false" };
        let headers =
            [(HeaderName::from_static("x-prometheus-stopping"), HeaderValue::from_static(stopping))];
        (StatusCode::SERVICE_UNAVAILABLE, headers, "Service Unavailable").into_response()
    }
}

/// Adds CORS headers, and answers preflight requests.
pub(crate) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        allow_origin(headers, &app.config().server.cors_origin, origin);
    }
    response
}

fn allow_origin(headers: &mut HeaderMap, allowed: &str, origin: HeaderValue) {
    let common = [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ];
    for (name, value) in common {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if allowed == "*" {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else if allowed.as_bytes() == origin.as_bytes() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

/// Counts requests by route and status, and logs those that failed by our fault.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let begin = app.monotonic_nanos();
    let response = next.run(request).await;
    let elapsed = Duration::from_nanos(app.monotonic_nanos().saturating_sub(begin));
    let status = response.status();
    app.telemetry.http_answered(&route, status.as_u16(), elapsed);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        error!(%method, route, status = status.as_u16(), elapsed_ms, "request failed");
    } else {
        debug!(%method, route, status = status.as_u16(), elapsed_ms, "request answered");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::ConfigSources,
        config::{Config, LISTEN_DEFAULT},
    };

    #[test]
    fn before_and_after_it_serves_it_says_so() {
        let app = App::new(Config::default(), ConfigSources::default(), LISTEN_DEFAULT).unwrap();
        let stopping = |app: &App| {
            let response = ready(app).unwrap_err().into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            response.headers()["x-prometheus-stopping"].to_str().unwrap().to_owned()
        };
        assert_eq!(stopping(&app), "false");
        app.stop();
        assert_eq!(stopping(&app), "true");
    }
}
