//! The tiers of rollups: what is there, and rolling up on request.

use std::sync::Arc;

use axum::extract::State;
use kymo_engine::{ColdStats, Engine, TierStats};
use serde_json::{Value, json};
use tracing::info;

use super::{answer::Answer, error::ApiError, middleware::Ready, work};
use crate::app::App;

/// `/status/tiers`
pub(crate) async fn status(Ready(engine): Ready) -> Result<Answer, ApiError> {
    work::blocking(move || Answer::of(&tiers(&engine))).await
}

/// `/admin/tiers/rollup`: rolls up every window that is complete, tends to the tables, and answers what they are then.
pub(crate) async fn roll_up(State(app): State<Arc<App>>, Ready(engine): Ready) -> Result<Answer, ApiError> {
    let begin = app.monotonic_nanos();
    work::blocking(move || {
        engine.roll_up()?;
        engine.tend_tiers()?;
        let elapsed_ms = app.monotonic_nanos().saturating_sub(begin) / 1_000_000;
        info!(what = "rolling up", elapsed_ms, "done on request");
        Answer::of(&tiers(&engine))
    })
    .await
}

fn tiers(engine: &Engine) -> Value {
    let stats = engine.rollup_stats();
    json!({
        "tiers": engine.tiers().iter().map(tier).collect::<Value>(),
        "jobs": stats.jobs,
        "failures": stats.failures,
        "rows": stats.rows,
        "windowsTooLate": stats.windows_too_late,
        "deletionHeldBack": stats.deletion_held_back,
        "requests": stats.fetch.requests,
        "fetchedBytes": stats.fetch.bytes,
        "raw": engine.tiers_config().raw.as_ref().map(|raw| raw_blocks(&raw.place, &engine.cold_stats())),
    })
}

fn raw_blocks(place: &str, stats: &ColdStats) -> Value {
    json!({
        "place": place,
        "blocks": stats.blocks,
        "bytes": stats.bytes,
        "blocksLocal": stats.blocks_local,
        "blocksGoing": stats.blocks_going,
        "uploads": stats.uploads_total,
        "failures": stats.failures_total,
        "leftOut": stats.left_out_total,
        "requests": stats.requests_total,
        "fetchedBytes": stats.fetched_bytes_total,
        "deletionHeldBack": stats.deletion_held_back,
    })
}

fn tier(tier: &TierStats) -> Value {
    let size = tier.state.size();
    let seconds = |ms: i64| ms as f64 / 1000.0;
    json!({
        "table": tier.table,
        "resolutionSeconds": seconds(tier.width_ms),
        "place": tier.place,
        "policies": tier.policies,
        "isRead": tier.is_read,
        "version": tier.state.version(),
        "from": tier.state.first_end().map(|end| seconds(end - tier.width_ms)),
        "to": tier.rolled_to.map(seconds),
        "lagSeconds": seconds(tier.lag_ms),
        "windowsDue": tier.due_windows(),
        "series": size.series,
        "rows": size.rows,
        "bytes": size.bytes,
        "objects": size.objects,
    })
}
