//! Writes Kymo's own metrics into its own store, so that a first query shows something.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::collect::{Family, collect};
use crate::{
    app::App,
    store::{Batch, Metadata, Store},
};

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
        let Some(store) = app.store() else { continue };
        let app = Arc::clone(&app);
        let stored = tokio::task::spawn_blocking(move || store_once(&app, store.as_ref())).await;
        if stored.is_err() {
            return;
        }
    }
}

fn store_once(app: &App, store: &dyn Store) {
    let families = collect(&app.telemetry, Some(store), app.start_ms);
    let mut batch = batch(&families, app.now_ms(), &app.instance);
    if let Err(error) = store.append(&mut batch) {
        app.telemetry.self_store_failed();
        warn!(error = %error, "own metrics not stored");
    }
}

fn batch(families: &[Family], ts: i64, instance: &str) -> Batch {
    let mut batch = Batch::default();
    let mut push = |name: &str, labels: &[(&'static str, String)], value| {
        let mut pairs: Vec<(&[u8], &[u8])> =
            vec![(b"__name__", name.as_bytes()), (b"instance", instance.as_bytes()), (b"job", JOB.as_bytes())];
        pairs.extend(labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let series = batch.series(&pairs);
        batch.sample(series, ts, value, 0);
    };
    push("up", &[], 1.0);
    for family in families {
        for point in &family.points {
            push(&format!("{}{}", family.info.name, point.suffix), &point.labels, point.value);
        }
    }
    for family in families {
        let metadata = Metadata {
            metric_type: family.info.kind.as_str().to_owned(),
            help: family.info.help.to_owned(),
            unit: String::new(),
        };
        batch.metadata(family.info.name.as_bytes(), metadata);
    }
    batch
}
