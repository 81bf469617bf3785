//! Signals: SIGTERM and SIGINT end the server in order, SIGHUP reads the configuration again.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::app::App;

/// Watches for signals from now on.
pub(crate) fn watch(app: &Arc<App>) {
    on_signal(SignalKind::terminate(), Arc::clone(app), stop);
    on_signal(SignalKind::interrupt(), Arc::clone(app), stop);
    on_signal(SignalKind::hangup(), Arc::clone(app), reload);
}

fn on_signal(kind: SignalKind, app: Arc<App>, react: fn(&App)) {
    match signal(kind) {
        Ok(signals) => drop(tokio::spawn(each(signals, app, react))),
        Err(error) => error!(error = %error, signal = kind.as_raw_value(), "signal cannot be watched"),
    }
}

async fn each(mut signals: Signal, app: Arc<App>, react: fn(&App)) {
    while signals.recv().await.is_some() {
        react(&app);
    }
}

fn stop(app: &App) {
    info!("stopping");
    app.stop();
}

fn reload(app: &App) {
    if let Err(error) = app.reload() {
        error!(error = %error, "configuration not reloaded");
    }
}
