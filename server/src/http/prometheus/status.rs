//! About the server: configuration, build, state of the store.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use serde::Serialize;
use serde_json::json;

use super::super::{
    answer::Answer,
    error::ApiError,
    middleware::Ready,
    params::{Params, atoi},
    work,
};
use crate::{
    app::{App, State as AppState},
    telemetry,
};

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
pub(crate) async fn tsdb(Ready(store): Ready, params: Params) -> Result<Answer, ApiError> {
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
    work::blocking(move || {
        let stats = store.stats();
        let top = store.cardinality(limit);
        Answer::of(&json!({
            "headStats": {
                "numSeries": stats.series,
                "numLabelPairs": stats.label_pairs,
                "chunkCount": stats.chunks,
                // What upstream says of an empty head.
                "minTime": stats.min_ts.unwrap_or(i64::MAX),
                "maxTime": stats.max_ts.unwrap_or(i64::MIN),
            },
            "seriesCountByMetricName": top.series_by_metric,
            "labelValueCountByLabelName": top.values_by_label,
            "memoryInBytesByLabelName": top.bytes_by_label,
            "seriesCountByLabelValuePair": top.series_by_pair,
        }))
    })
    .await
}

/// `/status/tsdb/blocks`
pub(crate) async fn blocks(Ready(store): Ready) -> Result<Answer, ApiError> {
    work::blocking(move || {
        let blocks: Vec<_> = store
            .stats()
            .blocks
            .iter()
            .map(|block| {
                json!({
                    "ulid": block.id,
                    "minTime": block.min_ts,
                    "maxTime": block.max_ts,
                    "stats": {
                        "numSamples": block.samples,
                        "numSeries": block.series,
                        "numChunks": block.chunks,
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
    let (min, max, current) = match app.state() {
        AppState::Starting => (0, 1, 0),
        AppState::Ready | AppState::Stopping => (0, 1, 1),
    };
    Answer::of(&json!({ "min": min, "max": max, "current": current }))
}

/// `/status/kymo`: what the page at `/` shows. Ours, and free to change.
pub(crate) async fn kymo(State(app): State<Arc<App>>, Ready(store): Ready) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct Level {
        blocks: u64,
        bytes: u64,
        samples: u64,
    }
    work::blocking(move || {
        let stats = store.stats();
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
            "series": stats.series,
            "chunks": stats.chunks,
            "head_bytes": stats.head_bytes,
            "wal_bytes": stats.wal_bytes,
            "wal_segments": stats.wal_segments,
            "levels": levels,
            "resident_bytes": telemetry::usage().map(|usage| usage.resident_bytes),
            "open_to_network": app.open_to_network,
        }))
    })
    .await
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}
