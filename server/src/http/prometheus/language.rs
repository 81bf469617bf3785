//! Expressions as text and as trees, without evaluating them.

use std::sync::Arc;

use axum::extract::State;

use super::{
    super::{answer::Answer, error::ApiError, middleware::Ready, params::Params},
    ast,
};
use crate::app::App;

/// `/format_query`
pub(crate) async fn format(
    State(app): State<Arc<App>>,
    _: Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let pretty = app.promql.format(params.get("query")).map_err(|error| ApiError::parameter("query", error))?;
    Answer::of(&pretty)
}

/// `/parse_query`
pub(crate) async fn parse(
    State(app): State<Arc<App>>,
    _: Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let expr = app.promql.parse(params.get("query")).map_err(|error| ApiError::parameter("query", error))?;
    Answer::of(&ast::to_json(&expr))
}
