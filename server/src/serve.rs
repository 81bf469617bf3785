//! `kymo serve`: opens the store, answers requests, and ends in order.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use kymo_engine::Engine;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::{
    app::{App, ConfigSources},
    cli::ServeArgs,
    config::{Config, ConfigError},
    http, listen, shutdown, telemetry,
};

/// Expressions may be nested five hundred levels deep, and each level takes a frame of several functions. Pages of it that
/// nobody needs take no memory.
const STACK_BYTES: usize = 8 << 20;

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("start the runtime")]
    Runtime { source: std::io::Error },
    #[error("listen on {address}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("open the store in {path}")]
    Open { path: PathBuf, source: kymo_engine::Error },
    #[error("close the store")]
    Close { source: kymo_engine::Error },
    #[error("a task ended by a bug")]
    Bug,
}

/// Serves until told to stop.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    telemetry::init_logging();
    let sources = ConfigSources {
        file: args.config,
        data_dir: args.data_dir,
        listen: args.listen,
        features: args.enable_feature,
    };
    match start(sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match std::error::Error::source(&failure) {
                Some(cause) => error!(%cause, "{failure}"),
                None => error!("{failure}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn start(sources: ConfigSources) -> Result<(), ServeError> {
    let config = sources.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("kymo-http")
        .thread_stack_size(STACK_BYTES)
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
    let app = Arc::new(App::new(config, sources, listen)?);
    info!(address = %listen, data_dir = %data_dir.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    app.warn_of_openness();
    shutdown::watch(&app);

    // Requests are answered (with "not ready") while the store is being opened: a restart can take a while, and
    // probes ask meanwhile.
    let server = tokio::spawn(listen::serve(listener, Arc::clone(&app), http::router(Arc::clone(&app))));

    let opened = open(&app, data_dir).await;
    if opened.is_ok() {
        if self_metrics {
            drop(tokio::spawn(telemetry::run_self_store(Arc::clone(&app))));
        }
        app.stopped().await;
    }
    app.stop();
    match tokio::time::timeout(drain_timeout, server).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(ServeError::Bug),
        Err(_) => warn!("some requests did not end in time"),
    }
    opened?;
    close(&app, drain_timeout).await
}

async fn open(app: &App, data_dir: PathBuf) -> Result<(), ServeError> {
    let begin = app.monotonic_nanos();
    let config = app.config().engine();
    let path = data_dir.clone();
    let replay = Arc::clone(&app.replay);
    let opened = tokio::task::spawn_blocking(move || Engine::open_watched(path, config, &replay)).await;
    let engine =
        opened.map_err(|_| ServeError::Bug)?.map_err(|source| ServeError::Open { path: data_dir, source })?;
    let series = engine.stats().head.series;
    app.set_engine(engine);
    let elapsed_ms = app.monotonic_nanos().saturating_sub(begin) / 1_000_000;
    info!(series, elapsed_ms, "ready");
    Ok(())
}

async fn close(app: &App, patience: Duration) -> Result<(), ServeError> {
    let Some(mut shared) = app.take_engine() else { return Ok(()) };
    // Work on blocking threads may outlive its request by a moment.
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let deadline =
        app.monotonic_nanos().saturating_add(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
    let engine = loop {
        match Arc::try_unwrap(shared) {
            Ok(engine) => break engine,
            Err(_) if app.monotonic_nanos() > deadline => {
                // Nothing that was acknowledged is lost: the next start replays the WAL.
                warn!("requests still run; the store is left as it is");
                return Ok(());
            }
            Err(still_shared) => shared = still_shared,
        }
        ticks.tick().await;
    };
    let closed = tokio::task::spawn_blocking(move || engine.close()).await.map_err(|_| ServeError::Bug)?;
    closed.map_err(|source| ServeError::Close { source })
}
