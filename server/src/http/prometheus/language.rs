//! Expressions as text and as trees, without evaluating them.

use std::sync::Arc;

use axum::extract::State;
use kymo_query::promql::Expr;

use super::super::{answer::Answer, error::ApiError, middleware::Ready, params::Params};
use crate::{app::App, promql};

/// `/format_query`
pub(crate) async fn format(
    State(app): State<Arc<App>>,
    _: Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    Answer::of(&kymo_query::promql::pretty(&expr(&app, &params)?))
}

/// `/parse_query`
pub(crate) async fn parse(State(app): State<Arc<App>>, _: Ready, params: Params) -> Result<Answer, ApiError> {
    let expr = expr(&app, &params)?;
    Ok(Answer::new(|out| out.push_str(&kymo_query::promql::to_json(&expr))))
}

fn expr(app: &App, params: &Params) -> Result<Expr, ApiError> {
    let options = app.config().query.engine_options();
    promql::parse(params.get("query"), &options).map_err(|error| ApiError::parameter("query", error))
}
