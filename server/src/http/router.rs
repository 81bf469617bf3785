//! Which path is answered by whom.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post, put},
};
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{
    access, admin, caller, federate, health, middleware, prometheus, remote_read, remote_write, tiers, ui,
};
use crate::{access::Role, app::App};

/// All routes, each behind the role that it takes; without one are only those that probes call.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/api/v1", api(&app))
        .merge(pages(&app))
        .merge(probes())
        .fallback(health::not_found)
        // After the routes, so that the layer sees which of them matched.
        .layer(from_fn_with_state(Arc::clone(&app), middleware::observe))
        .layer(from_fn(caller::by_address))
        .with_state(app)
}

/// The Prometheus API. Remote write and remote read bring their own compression.
fn api(app: &Arc<App>) -> Router<Arc<App>> {
    let reading = query_api().merge(status_api()).merge(discovery_api());
    require(app, Role::Read, reading)
        .merge(require(app, Role::Admin, admin_api()))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .merge(require(app, Role::Write, Router::new().route("/write", post(remote_write::write))))
        .merge(require(app, Role::Read, Router::new().route("/read", post(remote_read::read))))
        .fallback(health::not_found)
        .method_not_allowed_fallback(health::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(app), middleware::cors))
}

/// Routes that only who has the role gets to.
fn require(app: &Arc<App>, role: Role, routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes.route_layer(from_fn_with_state((Arc::clone(app), role), access::require))
}

fn query_api() -> Router<Arc<App>> {
    use prometheus::{exemplars, labels, language, metadata, query};
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/explain", get(query::explain).post(query::explain))
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
        .route("/status/tiers", get(tiers::status).post(tiers::status))
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
        .route("/admin/tiers/rollup", post(tiers::roll_up).put(tiers::roll_up))
}

/// Everything outside of the API.
fn pages(app: &Arc<App>) -> Router<Arc<App>> {
    let reading = Router::new()
        .route("/", get(ui::page))
        // Where Prometheus and Grafana link to.
        .route("/graph", get(ui::page))
        .route("/query", get(ui::page))
        .route("/ui/app.js", get(ui::script))
        .route("/ui/style.css", get(ui::style))
        .route("/federate", get(federate::federate))
        .route("/metrics", get(health::metrics))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));
    let operation = Router::new()
        .route("/-/flush", post(admin::flush).merge(put(admin::flush)))
        .route("/-/compact", post(admin::compact).merge(put(admin::compact)))
        .route("/-/reload", post(admin::reload).merge(put(admin::reload)));
    require(app, Role::Read, reading).merge(require(app, Role::Admin, operation))
}

fn probes() -> Router<Arc<App>> {
    Router::new().route("/-/healthy", get(health::healthy)).route("/-/ready", get(health::ready))
}
