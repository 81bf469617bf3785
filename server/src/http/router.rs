//! Which path is answered by whom.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post, put},
};
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{admin, federate, health, middleware, prometheus, remote_read, remote_write, ui};
use crate::app::App;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/api/v1", api(&app))
        .merge(pages())
        .fallback(health::not_found)
        // After the routes, so that the layer sees which of them matched.
        .layer(from_fn_with_state(Arc::clone(&app), middleware::observe))
        .with_state(app)
}

/// The Prometheus API. Remote write and remote read bring their own compression.
fn api(app: &Arc<App>) -> Router<Arc<App>> {
    query_api()
        .merge(status_api())
        .merge(discovery_api())
        .merge(admin_api())
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .route("/write", post(remote_write::write))
        .route("/read", post(remote_read::read))
        .fallback(health::not_found)
        .method_not_allowed_fallback(health::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(app), middleware::cors))
}

fn query_api() -> Router<Arc<App>> {
    use prometheus::{exemplars, labels, language, metadata, query};
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::query).post(exemplars::query))
        .route("/format_query", get(language::format).post(language::format))
        .route("/parse_query", get(language::parse).post(language::parse))
        .route("/series", get(labels::series).post(labels::series))
        .route("/labels", get(labels::names).post(labels::names))
        .route("/label/{name}/values", get(labels::values))
        .route("/metadata", get(metadata::metadata))
}

fn status_api() -> Router<Arc<App>> {
    use prometheus::{features, status};
    Router::new()
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime_info))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/tsdb/blocks", get(status::blocks))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/status/kymo", get(status::kymo))
        .route("/features", get(features::features))
}

fn discovery_api() -> Router<Arc<App>> {
    use prometheus::discovery;
    Router::new()
        .route("/rules", get(discovery::rules))
        .route("/alerts", get(discovery::alerts))
        .route("/targets", get(discovery::targets))
        .route("/targets/metadata", get(discovery::targets_metadata))
        .route("/scrape_pools", get(discovery::scrape_pools))
        .route("/alertmanagers", get(discovery::alertmanagers))
        .route("/notifications", get(discovery::notifications))
}

fn admin_api() -> Router<Arc<App>> {
    let delete = post(admin::delete_series).put(admin::delete_series);
    let clean = post(admin::clean_tombstones).put(admin::clean_tombstones);
    let snapshot = post(admin::snapshot).put(admin::snapshot);
    Router::new()
        .route("/admin/tsdb/delete_series", delete)
        .route("/admin/tsdb/clean_tombstones", clean)
        .route("/admin/tsdb/snapshot", snapshot)
}

/// Everything outside of the API.
fn pages() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(ui::page))
        // Where Prometheus and Grafana link to.
        .route("/graph", get(ui::page))
        .route("/query", get(ui::page))
        .route("/ui/app.js", get(ui::script))
        .route("/ui/style.css", get(ui::style))
        .route("/federate", get(federate::federate))
        .route("/metrics", get(health::metrics))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/-/flush", post(admin::flush).merge(put(admin::flush)))
        .route("/-/compact", post(admin::compact).merge(put(admin::compact)))
        .route("/-/reload", post(admin::reload).merge(put(admin::reload)))
}
