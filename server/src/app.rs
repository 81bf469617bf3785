//! The parts of the server, put together.

use std::{path::PathBuf, sync::Arc};

use kymo_engine::{Clock, Engine, ReplayProgress, SystemClock};
use parking_lot::RwLock;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    access::Access,
    config::{Config, ConfigError},
    http::{FairGate, Gate},
    listen::{Places, Tls, connections_max},
    telemetry::Telemetry,
};

/// What all handlers share.
pub(crate) struct App {
    config: RwLock<Arc<Config>>,
    access: RwLock<Arc<Access>>,
    pub(crate) tls: Option<Tls>,
    sources: ConfigSources,
    engine: RwLock<Option<Arc<Engine>>>,
    /// How far the log is replayed while the engine is being opened.
    pub(crate) replay: Arc<ReplayProgress>,
    stopping: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    pub(crate) telemetry: Telemetry,
    pub(crate) queries: FairGate,
    pub(crate) reads: FairGate,
    /// Shares are KiB of memory.
    pub(crate) writes: Gate,
    /// Connections.
    pub(crate) places: Places,
    /// When the process started.
    pub(crate) start_ms: i64,
    /// When the configuration was last read, and whether that went well.
    pub(crate) reload: RwLock<Reload>,
    /// Address that this server listens on, as a label.
    pub(crate) instance: String,
    /// Whether others than this machine can connect.
    on_network: bool,
}

/// Where the configuration comes from: command line over file over defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigSources {
    pub(crate) file: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: Option<std::net::SocketAddr>,
    pub(crate) features: Vec<String>,
}

/// The last time the configuration was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reload {
    pub(crate) at_ms: i64,
    pub(crate) succeeded: bool,
}

/// Whether requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The engine is being opened.
    Starting,
    Ready,
    Stopping,
}

impl ConfigSources {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid configuration.
    #[expect(clippy::disallowed_methods, reason = "an operator's file, read before there is an engine")]
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
                Config::parse(path, &text)?
            }
            None => Config::default(),
        };
        if let Some(data_dir) = &self.data_dir {
            config.storage.data_dir.clone_from(data_dir);
        }
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        config.query.features.extend(self.features.iter().cloned());
        config.validate()?;
        Ok(config)
    }
}

impl App {
    /// A server without an engine yet. `listen` is the address that it really has.
    ///
    /// # Errors
    /// When there is something wrong with the certificate, or who may do what.
    pub(crate) fn new(
        config: Config,
        sources: ConfigSources,
        listen: std::net::SocketAddr,
    ) -> Result<Self, ConfigError> {
        let clock = Arc::new(SystemClock::new());
        let start_ms = clock.now().0;
        let tls = config.server.tls.is_on().then(|| Tls::new(&config.server.tls, clock.monotonic_nanos()));
        Ok(Self {
            access: RwLock::new(Arc::new(Access::new(&config.access)?)),
            tls: tls.transpose()?,
            places: Places::new(connections_max(config.server.connections_max)),
            telemetry: Telemetry::default(),
            queries: FairGate::new(config.query.concurrency_max, config.query.waiting_max),
            reads: FairGate::new(config.remote_read.concurrency_max, config.query.waiting_max),
            writes: Gate::new(config.remote_write.memory_kib(), config.remote_write.waiting_max),
            start_ms,
            reload: RwLock::new(Reload { at_ms: start_ms, succeeded: true }),
            instance: listen.to_string(),
            on_network: !listen.ip().is_loopback(),
            config: RwLock::new(Arc::new(config)),
            sources,
            engine: RwLock::new(None),
            replay: Arc::default(),
            stopping: watch::Sender::new(false),
            clock,
        })
    }

    /// Who may do what now.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read())
    }

    /// Whether anybody on the network can read, write and delete.
    pub(crate) fn open_to_network(&self) -> bool {
        self.on_network && self.access().is_open()
    }

    /// Whether passwords and tokens can be read by who carries them here.
    pub(crate) fn shows_secrets(&self) -> bool {
        self.on_network && self.tls.is_none() && !self.access().is_open()
    }

    /// Says loudly what is open.
    pub(crate) fn warn_of_openness(&self) {
        if self.open_to_network() {
            warn!(
                address = self.instance,
                "anybody on the network can read, write and delete: there is no password"
            );
        }
        if self.shows_secrets() {
            warn!(
                address = self.instance,
                "passwords and tokens cross the network in clear: there is no TLS"
            );
        }
    }

    /// The file that the configuration was read from.
    pub(crate) fn config_file(&self) -> Option<&std::path::Path> {
        self.sources.file.as_deref()
    }

    /// The configuration that holds now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// Reads the configuration again. The old one stays when the new one is wrong.
    ///
    /// # Errors
    /// When the new one is wrong.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        let loaded = self.sources.load();
        *self.reload.write() = Reload { at_ms: self.now_ms(), succeeded: loaded.is_ok() };
        let config = loaded?;
        let access = Access::new(&config.access)?;
        let tls = self.tls.as_ref().map_or(Ok(()), Tls::reload);
        if let Err(error) = tls {
            self.reload.write().succeeded = false;
            return Err(error.into());
        }
        *self.access.write() = Arc::new(access);
        let old = std::mem::replace(&mut *self.config.write(), Arc::new(config.clone()));
        if old.server.listen != config.server.listen
            || old.server.tls != config.server.tls
            || old.server.connections_max != config.server.connections_max
            || old.storage != config.storage
            || old.engine() != config.engine()
        {
            warn!("some changed settings take effect after a restart");
        }
        self.warn_of_openness();
        info!("configuration reloaded");
        Ok(())
    }

    /// The engine, while it is open.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.read().as_ref().map(Arc::clone)
    }

    /// Begins to answer requests.
    pub(crate) fn set_engine(&self, engine: Engine) {
        *self.engine.write() = Some(Arc::new(engine));
    }

    /// Takes the engine away, to close it.
    pub(crate) fn take_engine(&self) -> Option<Arc<Engine>> {
        self.engine.write().take()
    }

    pub(crate) fn state(&self) -> State {
        if *self.stopping.borrow() {
            State::Stopping
        } else if self.engine.read().is_some() {
            State::Ready
        } else {
            State::Starting
        }
    }

    /// Begins to end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns when the server begins to end.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // An error means that the sender is gone, and with it the server.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// Nanoseconds since some moment, for measuring.
    pub(crate) fn monotonic_nanos(&self) -> u64 {
        self.clock.monotonic_nanos()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}
