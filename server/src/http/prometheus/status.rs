//! About the server: configuration, build, state of the store.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use kymo_engine::ReplayedSegments;
use serde::Serialize;
use serde_json::json;

use super::{
    super::{
        answer::Answer,
        error::ApiError,
        middleware::Ready,
        params::{Params, atoi},
        work,
    },
    cardinality::Top,
};
use crate::{app::App, telemetry};

/// What the head's oldest time is said to be: this long before its newest sample.
const HEAD_SPAN_MS: i64 = 3_600_000;

/// `/status/config`
pub(crate) async fn config(State(app): State<Arc<App>>, _: Ready) -> Result<Answer, ApiError> {
    Answer::of(&json!({ "yaml": app.config().to_yaml() }))
}

/// `/status/flags`
pub(crate) async fn flags(State(app): State<Arc<App>>, _: Ready) -> Result<Answer, ApiError> {
    let config = app.config();
    Answer::of(&json!({
        "data-dir": config.storage.data_dir,
        "listen": config.server.listen.to_string(),
        "config": app.config_file().map(ToOwned::to_owned).unwrap_or_default(),
    }))
}

/// `/status/runtimeinfo`, with what a program that is not written in Go can say.
pub(crate) async fn runtime_info(State(app): State<Arc<App>>, _: Ready) -> Result<Answer, ApiError> {
    let directory = std::env::current_dir().unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let reload = *app.reload.read();
    Answer::of(&json!({
        "startTime": rfc3339(app.start_ms),
        "CWD": directory,
        "hostname": telemetry::hostname(),
        "serverTime": rfc3339(app.now_ms()),
        "reloadConfigSuccess": reload.succeeded,
        "lastConfigTime": rfc3339(reload.at_ms),
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": threads,
        "GOMEMLIMIT": i64::MAX,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

/// `/status/buildinfo`. No field `features`: Grafana would take us for another program.
pub(crate) async fn build_info(_: Ready) -> Result<Answer, ApiError> {
    Answer::of(&json!({
        // The version of the API that we answer like: clients switch features by it.
        "version": "3.14.0",
        "revision": concat!("kymo-", env!("CARGO_PKG_VERSION")),
        "branch": "HEAD",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// `/status/tsdb`
pub(crate) async fn tsdb(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    const LIMIT_MAX: usize = 10_000;
    let limit = match params.get("limit") {
        "" => 10,
        text => atoi(text)
            .ok()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0)
            .ok_or_else(|| ApiError::bad_data("limit must be a positive number"))?,
    };
    if limit > LIMIT_MAX {
        return Err(ApiError::bad_data(format!("limit must not exceed {LIMIT_MAX}")));
    }
    /// The answer in upstream's names.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Tsdb {
        head_stats: serde_json::Value,
        #[serde(flatten)]
        top: Top,
    }
    work::reading(&app, move || {
        let head = engine.stats().head;
        let cardinality = engine.cardinality(limit);
        let (newest_ts, oldest_ts) = match head.newest_ts {
            // What upstream says of an empty head.
            i64::MIN => (i64::MIN, i64::MAX),
            newest_ts => (newest_ts, newest_ts.saturating_sub(HEAD_SPAN_MS)),
        };
        Answer::of(&Tsdb {
            head_stats: json!({
                "numSeries": head.series,
                "numLabelPairs": cardinality.labels,
                "chunkCount": head.series + head.sealed_chunks as u64,
                "minTime": oldest_ts,
                "maxTime": newest_ts,
            }),
            top: Top::of(&cardinality),
        })
    })
    .await
}

/// `/status/tsdb/blocks`
pub(crate) async fn blocks(Ready(engine): Ready) -> Result<Answer, ApiError> {
    work::blocking(move || {
        let blocks: Vec<_> = engine
            .stats()
            .blocks
            .iter()
            .map(|block| {
                json!({
                    "ulid": format!("{:016}", block.id),
                    "minTime": block.range.start,
                    "maxTime": block.range.end,
                    "stats": {
                        "numSamples": block.samples,
                        "numSeries": block.series,
                    },
                    "compaction": { "level": block.level },
                    "version": 1,
                })
            })
            .collect();
        Answer::of(&json!({ "blocks": blocks }))
    })
    .await
}

/// `/status/walreplay`; answered while the store is being opened, for that is when it is of interest.
pub(crate) async fn wal_replay(State(app): State<Arc<App>>) -> Result<Answer, ApiError> {
    let ReplayedSegments { first, last, current } = app.replay.segments();
    Answer::of(&json!({ "min": first, "max": last, "current": current }))
}

/// `/status/kymo`: what the page at `/` shows. Ours, and free to change.
pub(crate) async fn kymo(State(app): State<Arc<App>>, Ready(engine): Ready) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct Level {
        blocks: u64,
        bytes: u64,
        samples: u64,
    }
    work::blocking(move || {
        let stats = engine.stats();
        let mut levels: BTreeMap<u8, Level> = BTreeMap::new();
        for block in &stats.blocks {
            let level = levels.entry(block.level).or_insert(Level { blocks: 0, bytes: 0, samples: 0 });
            level.blocks += 1;
            level.bytes += block.bytes;
            level.samples += block.samples;
        }
        Answer::of(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "start_ms": app.start_ms,
            "series": stats.head.series,
            "head_bytes": telemetry::head_bytes(&stats),
            "wal_bytes": stats.wal.segments * app.config().wal.segment_bytes,
            "wal_segments": stats.wal.segments,
            "levels": levels,
            "resident_bytes": telemetry::usage().map(|usage| usage.resident_bytes),
            "open_to_network": app.open_to_network(),
            "shows_secrets": app.shows_secrets(),
        }))
    })
    .await
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}
