//! Scraping, rules and alerts: Kymo has none of them, and says so in upstream's shapes, for Grafana asks.

use serde_json::json;

use super::super::{
    answer::Answer,
    error::ApiError,
    middleware::Ready,
    params::{Params, atoi},
};
use crate::promql;

/// `/rules`
pub(crate) async fn rules(_: Ready, params: Params) -> Result<Answer, ApiError> {
    for selector in params.all("match[]") {
        promql::parse_selector(selector).map_err(|error| ApiError::bad_data(error.to_string()))?;
    }
    let kind = params.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        return Err(ApiError::parameter("type", format_args!("not supported value {kind:?}")));
    }
    check_exclude_alerts(params.get("exclude_alerts"))?;
    check_paging(params.get("group_limit"), params.get("group_next_token"))?;
    Answer::of(&json!({ "groups": [] }))
}

/// `/alerts`
pub(crate) async fn alerts(_: Ready) -> Result<Answer, ApiError> {
    Answer::of(&json!({ "alerts": [] }))
}

/// `/targets`
pub(crate) async fn targets(_: Ready, params: Params) -> Result<Answer, ApiError> {
    // Upstream's counts are a map that is only there when dropped targets are asked for.
    let state = params.get("state").to_lowercase();
    let dropped = matches!(state.as_str(), "" | "any" | "dropped");
    let counts = if dropped { json!({}) } else { json!(null) };
    Ok(Answer::new(|out| {
        out.push_str(r#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":"#);
        out.push_str(&counts.to_string());
        out.push('}');
    }))
}

/// `/targets/metadata`
pub(crate) async fn targets_metadata(_: Ready, params: Params) -> Result<Answer, ApiError> {
    let limit = params.get("limit");
    if !limit.is_empty() && atoi(limit).is_err() {
        return Err(ApiError::bad_data("limit must be a number"));
    }
    let selector = params.get("match_target");
    if !selector.is_empty() {
        promql::parse_selector(selector).map_err(|error| ApiError::parameter("match_target", error))?;
    }
    Answer::of(&json!([]))
}

/// `/scrape_pools`
pub(crate) async fn scrape_pools(_: Ready) -> Result<Answer, ApiError> {
    Answer::of(&json!({ "scrapePools": [] }))
}

/// `/alertmanagers`
pub(crate) async fn alertmanagers(_: Ready) -> Result<Answer, ApiError> {
    Ok(Answer::new(|out| out.push_str(r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#)))
}

/// `/notifications`; answered before the store is open, too.
pub(crate) async fn notifications() -> Result<Answer, ApiError> {
    Answer::of(&json!([]))
}

fn check_exclude_alerts(text: &str) -> Result<(), ApiError> {
    match text.to_lowercase().as_str() {
        "" | "1" | "t" | "true" | "0" | "f" | "false" => Ok(()),
        other => Err(ApiError::parameter(
            "exclude_alerts",
            format_args!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {other:?}: invalid syntax"
            ),
        )),
    }
}

fn check_paging(group_limit: &str, next_token: &str) -> Result<(), ApiError> {
    if group_limit.is_empty() {
        if next_token.is_empty() {
            return Ok(());
        }
        let reason = "group_limit needs to be present in order to paginate over the groups";
        return Err(ApiError::parameter("group_next_token", reason));
    }
    match group_limit.parse::<i32>() {
        Err(_) => Err(ApiError::parameter(
            "group_limit",
            format_args!(
                "group_limit needs to be a valid number: strconv.ParseInt: parsing {group_limit:?}: invalid syntax"
            ),
        )),
        Ok(..=0) => Err(ApiError::parameter("group_limit", "group_limit needs to be greater than 0")),
        Ok(_) if next_token.is_empty() => Ok(()),
        Ok(_) => Err(ApiError::parameter(
            "group_next_token",
            format_args!("invalid group_next_token '{next_token}'. were rule groups changed?"),
        )),
    }
}
