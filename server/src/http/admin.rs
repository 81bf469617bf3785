//! What an operator asks of the server: deletes, snapshots, flush, compaction, reload.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use kymo_engine::{Engine, Error};
use serde_json::json;
use tracing::{error, info};

use super::{
    answer::Answer,
    error::{ApiError, ErrorType, PlainError},
    middleware::Ready,
    params::Params,
    work,
};
use crate::{app::App, promql};

/// `/api/v1/admin/tsdb/delete_series`
pub(crate) async fn delete_series(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    require_admin_api(&app)?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range = params.range()?;
    let mut sets = Vec::new();
    for selector in params.all("match[]") {
        sets.push(promql::parse_selector(selector).map_err(|error| ApiError::parameter("match[]", error))?);
    }
    work::blocking(move || {
        sets.iter().try_for_each(|matchers| engine.delete_series(matchers, range.start, range.end))
    })
    .await?;
    Ok(Answer::none())
}

/// `/api/v1/admin/tsdb/clean_tombstones`
pub(crate) async fn clean_tombstones(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
) -> Result<Answer, ApiError> {
    require_admin_api(&app)?;
    work::blocking(move || engine.compact()).await?;
    Ok(Answer::none())
}

/// `/api/v1/admin/tsdb/snapshot`: a copy of everything, beside the data, in `snapshots/` and the name of the answer. What
/// is in memory is small by then and always in it, whatever `skip_head` says.
pub(crate) async fn snapshot(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    require_admin_api(&app)?;
    if !["", "0", "1", "f", "t", "false", "true"]
        .contains(&params.get("skip_head").to_ascii_lowercase().as_str())
    {
        return Err(ApiError::bad_data(format!(
            "invalid parameter \"skip_head\": unable to parse boolean {:?}",
            params.get("skip_head")
        )));
    }
    let name = snapshot_name(app.now_ms(), app.monotonic_nanos());
    let data_dir = app.config().storage.data_dir.clone();
    // Whoever asks may be in another directory than the server.
    let dir = std::path::absolute(&data_dir).unwrap_or(data_dir).join("snapshots").join(&name);
    work::blocking(move || {
        let report = engine.snapshot(&dir)?;
        Answer::of(&json!({
            "name": name,
            "path": dir,
            "blocks": report.blocks,
            "bytes": report.bytes,
            "linkedBytes": report.linked_bytes,
        }))
    })
    .await
}

/// As Prometheus names them: the time, and something that makes two of one second differ.
fn snapshot_name(now_ms: i64, nanos: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    format!("{}-{nanos:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// `/-/flush`: answers when the head is in blocks.
pub(crate) async fn flush(app: State<Arc<App>>, ready: Ready) -> Result<String, PlainError> {
    timed(app, ready, "flush", |engine| engine.flush().map(drop)).await
}

/// `/-/compact`: answers when no level has anything left to compact.
pub(crate) async fn compact(app: State<Arc<App>>, ready: Ready) -> Result<String, PlainError> {
    timed(app, ready, "compaction", |engine| engine.compact()).await
}

/// `/-/reload`: reads the configuration again.
pub(crate) async fn reload(State(app): State<Arc<App>>) -> Result<(), PlainError> {
    app.reload().map_err(|error| {
        error!(error = %error, "configuration not reloaded");
        PlainError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}"))
    })
}

async fn timed(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    what: &'static str,
    run: impl FnOnce(&Engine) -> Result<(), Error> + Send + 'static,
) -> Result<String, PlainError> {
    let begin = app.monotonic_nanos();
    let done = tokio::task::spawn_blocking(move || run(&engine)).await;
    let elapsed_ms = app.monotonic_nanos().saturating_sub(begin) / 1_000_000;
    match done {
        Ok(Ok(())) => {
            info!(what, elapsed_ms, "done on request");
            Ok(format!("{what} done in {elapsed_ms} ms\n"))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(PlainError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what} ended by a bug"))),
    }
}

fn require_admin_api(app: &App) -> Result<(), ApiError> {
    if app.config().server.admin_api {
        return Ok(());
    }
    Err(ApiError::new(ErrorType::Unavailable, "admin APIs disabled"))
}
