//! Writes Kymo's own metrics into its own store, so that a first query shows something.

use std::{sync::Arc, time::Duration};

use kymo_engine::{Batch, CommitError, Engine, Labels, Metadata};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::collect::{Family, collect};
use crate::app::App;

/// `job` of the own metrics. A scrape of Kymo has the name of its scrape configuration there; this one is not a
/// name that anybody would give, and `instance` is this process's address.
const JOB: &str = "kymo-self";

/// Stores the metrics at every interval, until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = interval(Duration::from_millis(app.config().self_metrics.interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stopped() => return,
        }
        let Some(engine) = app.engine() else { continue };
        let app = Arc::clone(&app);
        let stored = tokio::task::spawn_blocking(move || store_once(&app, &engine)).await;
        if stored.is_err() {
            return;
        }
    }
}

fn store_once(app: &App, engine: &Engine) {
    let families = collect(app, Some(engine));
    if let Err(error) = store(engine, &families, app.now_ms(), &app.instance) {
        app.telemetry.self_store_failed();
        warn!(error = %error, "own metrics not stored");
    }
}

fn store(engine: &Engine, families: &[Family], ts: i64, instance: &str) -> Result<(), CommitError> {
    let mut batch = engine.batch();
    push(&mut batch, "up", instance, &[], ts, 1.0);
    for family in families {
        let name = family.info.name;
        for point in &family.points {
            push(&mut batch, &format!("{name}{}", point.suffix), instance, &point.labels, ts, point.value);
        }
        batch.metadata(
            name,
            Metadata {
                kind: family.info.kind.as_str().to_owned(),
                help: family.info.help.to_owned(),
                unit: String::new(),
            },
        );
    }
    batch.commit().map(drop)
}

/// When memory is short our own new series are refused like all others, and missing.
fn push(
    batch: &mut Batch<'_>,
    name: &str,
    instance: &str,
    labels: &[(&'static str, String)],
    ts: i64,
    value: f64,
) {
    let common = [("__name__", name), ("instance", instance), ("job", JOB)];
    let own = labels.iter().map(|(name, value)| (*name, value.as_str()));
    if let Ok(series) = batch.series(&Labels::from_pairs(common.into_iter().chain(own)), None) {
        batch.float(series, ts, 0, value);
    }
}
