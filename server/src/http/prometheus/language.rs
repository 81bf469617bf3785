//! Expressions as text and as trees, without evaluating them.

use super::super::{answer::Answer, error::ApiError, middleware::Ready, params::Params};
use crate::promql;

/// `/format_query`
pub(crate) async fn format(_: Ready, params: Params) -> Result<Answer, ApiError> {
    let expr = promql::parse(params.get("query")).map_err(|error| ApiError::parameter("query", error))?;
    Answer::of(&kymo_query::promql::pretty(&expr))
}

/// `/parse_query`
pub(crate) async fn parse(_: Ready, params: Params) -> Result<Answer, ApiError> {
    let expr = promql::parse(params.get("query")).map_err(|error| ApiError::parameter("query", error))?;
    Ok(Answer::new(|out| out.push_str(&kymo_query::promql::to_json(&expr))))
}
