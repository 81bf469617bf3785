//! `kymo serve`: opens the store, answers requests, and ends in order.

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::{
    app::{App, ConfigSources},
    cli::ServeArgs,
    config::{Config, ConfigError},
    http, shutdown,
    store::{MemoryStore, Store, StoreError},
    telemetry,
};

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("start the runtime")]
    Runtime { source: std::io::Error },
    #[error("listen on {address}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("accept connections")]
    Accept { source: std::io::Error },
    #[error("open the store in {path}")]
    Open { path: std::path::PathBuf, source: StoreError },
    #[error("close the store")]
    Close { source: StoreError },
    #[error("a task ended by a bug")]
    Bug,
}

/// Serves until told to stop.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    telemetry::init_logging();
    let sources = ConfigSources { file: args.config, data_dir: args.data_dir, listen: args.listen };
    match start(sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let cause = std::error::Error::source(&failure).map(ToString::to_string).unwrap_or_default();
            error!(cause, "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(sources: ConfigSources) -> Result<(), ServeError> {
    let config = sources.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("kymo-http")
        .enable_all()
        .build()
        .map_err(|source| ServeError::Runtime { source })?;
    runtime.block_on(serve(config, sources))
}

async fn serve(config: Config, sources: ConfigSources) -> Result<(), ServeError> {
    let address = config.server.listen;
    let drain_timeout = Duration::from_millis(config.server.drain_timeout_ms);
    let self_metrics = config.self_metrics.enabled;
    let data_dir = config.storage.data_dir.clone();
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let listen = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let app = Arc::new(App::new(config, sources, listen));
    info!(address = %listen, data_dir = %data_dir.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    if app.open_to_network {
        warn!(address = %listen, "anybody on the network can read, write and delete: there is no password");
    }
    shutdown::watch(&app);

    // Requests are answered (with "not ready") while the store is being opened: a restart can take a while, and
    // probes ask meanwhile.
    let stopped = Arc::clone(&app);
    let server = axum::serve(listener, http::router(Arc::clone(&app)))
        .with_graceful_shutdown(async move { stopped.stopped().await });
    let server = tokio::spawn(async move { server.await });

    let opened = open(&app, data_dir).await;
    if opened.is_ok() {
        if self_metrics {
            drop(tokio::spawn(telemetry::run_self_store(Arc::clone(&app))));
        }
        app.stopped().await;
    }
    app.stop();
    match tokio::time::timeout(drain_timeout, server).await {
        Ok(Ok(served)) => served.map_err(|source| ServeError::Accept { source })?,
        Ok(Err(_)) => return Err(ServeError::Bug),
        Err(_) => warn!("some requests did not end in time"),
    }
    close(opened?).await
}

async fn open(app: &App, data_dir: std::path::PathBuf) -> Result<Arc<dyn Store>, ServeError> {
    let begin = app.monotonic_nanos();
    let path = data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || open_store(&path)).await.map_err(|_| ServeError::Bug)?;
    let store = opened.map_err(|source| ServeError::Open { path: data_dir, source })?;
    app.set_store(Arc::clone(&store));
    let elapsed_ms = app.monotonic_nanos().saturating_sub(begin) / 1_000_000;
    info!(series = store.stats().series, elapsed_ms, "store open");
    Ok(store)
}

fn open_store(_: &std::path::Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(MemoryStore::default()))
}

async fn close(store: Arc<dyn Store>) -> Result<(), ServeError> {
    let closed = tokio::task::spawn_blocking(move || store.close()).await.map_err(|_| ServeError::Bug)?;
    closed.map_err(|source| ServeError::Close { source })?;
    info!("store closed");
    Ok(())
}
