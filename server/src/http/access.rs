//! Lets requests through whose senders may make them.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    caller::{self, Caller},
    error::PlainError,
};
use crate::{
    access::{Denied, Role},
    app::App,
};

/// Calls the route if whoever asks has the role.
pub(crate) async fn require(
    State((app, role)): State<(Arc<App>, Role)>,
    request: Request,
    next: Next,
) -> Response {
    match app.access().check(request.headers(), role).await {
        Ok(None) => next.run(request).await,
        Ok(Some(name)) => caller::within(Caller::Named(name), next.run(request)).await,
        Err(denied) => {
            app.telemetry.access_denied(denied.name());
            answer(&denied)
        }
    }
}

fn answer(denied: &Denied) -> Response {
    match denied {
        Denied::Anonymous | Denied::Unknown => {
            let mut response = PlainError::new(StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
            let scheme = HeaderValue::from_static("Basic realm=\"kymo\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            response
        }
        Denied::Lacks { name, role } => {
            PlainError::new(StatusCode::FORBIDDEN, format!("{name:?} lacks the role {role}")).into_response()
        }
        Denied::Busy => PlainError::unavailable("too many passwords are being verified").into_response(),
    }
}
