//! Configuration: the configurations of all components in one YAML file.
//!
//! Every key is optional. `docs/configuration.md` is made from the comments in this file and is checked by a
//! test, so a comment on a field is written for the operator.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use kymo_engine::{EngineConfig, FlushConfig, HeadConfig, RetentionConfig, TiersConfig, WalConfig};
use kymo_query::{EngineOptions, Feature};
use serde::{Deserialize, Serialize};

use crate::{
    access::{Access, AccessConfig},
    ingest::TypeAndUnit,
    listen::TlsConfigError,
};

/// Address that Kymo listens on when nothing else is said; the port spells KYMO on a phone pad.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5966);

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("read configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, or has a key or value that does not exist.
    #[error("configuration {path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A value of the engine's part is out of range.
    #[error("configuration field {problem}")]
    Engine {
        /// The field, and what it must be.
        problem: String,
    },
    /// The certificate or its key.
    #[error("configuration field server.tls: {0}")]
    Tls(#[from] TlsConfigError),
    /// A value is out of range.
    #[error("configuration field {field}: {reason}")]
    Invalid {
        /// Path of the field.
        field: &'static str,
        /// What it must be.
        reason: String,
    },
}

/// The whole configuration file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The HTTP server.
    pub(crate) server: ServerConfig,
    /// Who may do what. Without users and tokens everybody may do everything.
    pub(crate) access: AccessConfig,
    /// Where data is stored.
    pub(crate) storage: StorageConfig,
    /// The write-ahead log. Changes need a restart.
    pub(crate) wal: WalConfig,
    /// The part of the store that is in memory. Changes need a restart.
    pub(crate) head: HeadConfig,
    /// When data moves from memory to blocks. Changes need a restart.
    pub(crate) flush: FlushConfig,
    /// How long data is kept. Changes need a restart.
    pub(crate) retention: RetentionConfig,
    /// What is kept beside the samples, for longer: rollups. Changes need a restart.
    pub(crate) tiers: TiersConfig,
    /// PromQL queries.
    pub(crate) query: QueryConfig,
    /// Receiving remote write.
    pub(crate) remote_write: RemoteWriteConfig,
    /// Answering remote read.
    pub(crate) remote_read: RemoteReadConfig,
    /// Kymo's metrics about itself.
    pub(crate) self_metrics: SelfMetricsConfig,
    /// Labels that tell this server from others: added to what remote read and federation hand out.
    pub(crate) external_labels: BTreeMap<String, String>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Address and port to listen on. `--listen` wins over it. Change needs a restart.
    pub(crate) listen: SocketAddr,
    /// Origin that browsers may call the API from: `*` for any, empty for none.
    pub(crate) cors_origin: String,
    /// Whether the admin API (`/api/v1/admin/tsdb/...`) answers. It deletes data.
    pub(crate) admin_api: bool,
    /// How long running requests may take to end when the server stops. Change needs a restart.
    pub(crate) drain_timeout_ms: u64,
    /// Connections at once. One too many takes the place of that which has asked nothing for the longest time. At most half
    /// of the file handles that the process may have. Change needs a restart.
    pub(crate) connections_max: usize,
    /// How long a request's head, or the form in its body, may take to arrive; a connection without a request is closed
    /// after as long.
    pub(crate) request_timeout_ms: u64,
    /// After how long a connection is closed whose client takes nothing of an answer.
    pub(crate) stalled_timeout_ms: u64,
    /// `cert_file` and `key_file`, PEM files of a certificate chain and its key: with both, the server speaks HTTPS only. They
    /// are read again when they change, and on a reload. Changes of their names need a restart.
    pub(crate) tls: TlsConfig,
}

/// Certificate and key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl TlsConfig {
    /// Whether there is TLS.
    pub(crate) fn is_on(&self) -> bool {
        !self.cert_file.as_os_str().is_empty()
    }
}

impl ServerConfig {
    pub(crate) const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) const fn stalled_timeout(&self) -> Duration {
        Duration::from_millis(self.stalled_timeout_ms)
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: LISTEN_DEFAULT,
            cors_origin: "*".to_owned(),
            admin_api: true,
            drain_timeout_ms: 10_000,
            connections_max: 4096,
            request_timeout_ms: 60_000,
            stalled_timeout_ms: 60_000,
            tls: TlsConfig::default(),
        }
    }
}

/// Where data is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StorageConfig {
    /// Directory of all data. `--data-dir` wins over it. Change needs a restart.
    pub(crate) data_dir: PathBuf,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("./kymo-data") }
    }
}

/// PromQL queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QueryConfig {
    /// Longest time for one query, waiting included. A request may ask for less.
    pub(crate) timeout_ms: u64,
    /// Queries that run at once; the others wait. Next is the client that has the fewest running, and clients take turns: a
    /// client is a user or a token, or an address without them. Change needs a restart.
    pub(crate) concurrency_max: u32,
    /// Queries that may wait; more are refused with status 503, those of the client first that has the most waiting. Change
    /// needs a restart.
    pub(crate) waiting_max: usize,
    /// Most samples that one query may hold in memory.
    pub(crate) samples_max: usize,
    /// Most memory that one query may take: samples, labels, what it selects from memory, decoded chunks. The text of
    /// its answer has the same bound. Queries that run at once may take as much each. Federation and remote read have
    /// the same bound on what they select.
    pub(crate) memory_bytes_max: u64,
    /// How far back a query looks for the newest sample of a series.
    pub(crate) lookback_ms: u64,
    /// Parts of PromQL that are off unless named, by upstream's names: `promql-experimental-functions`,
    /// `promql-extended-range-selectors`, `promql-binop-fill-modifiers`, `promql-delayed-name-removal`,
    /// `promql-per-step-stats`, `use-start-timestamps`, `type-and-unit-labels`. The last one concerns remote write 2.0,
    /// too: type and unit of a metric become the labels `__type__` and `__unit__`. `--enable-feature` adds to them.
    pub(crate) features: Vec<String>,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 120_000,
            concurrency_max: 20,
            waiting_max: 1000,
            samples_max: 50_000_000,
            memory_bytes_max: 2 << 30,
            lookback_ms: 300_000,
            features: Vec::new(),
        }
    }
}

impl QueryConfig {
    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How queries are parsed and evaluated.
    pub(crate) fn engine_options(&self) -> EngineOptions {
        let options = EngineOptions {
            samples_max: self.samples_max,
            memory_bytes_max: self.memory_bytes_max,
            ..EngineOptions::default()
        };
        let features = self.features.iter().filter_map(|name| Feature::from_name(name));
        features.fold(options, EngineOptions::with)
    }

    /// Whether type and unit of what is received become labels.
    pub(crate) fn type_and_unit(&self) -> TypeAndUnit {
        let is_on = self.features.iter().any(|name| name == Feature::TypeAndUnitLabels.name());
        if is_on { TypeAndUnit::Labels } else { TypeAndUnit::Metadata }
    }

    /// The first name among the features that is none.
    fn unknown_feature(&self) -> Option<&str> {
        self.features.iter().map(String::as_str).find(|name| Feature::from_name(name).is_none())
    }
}

/// Receiving remote write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RemoteWriteConfig {
    /// Memory for the bodies of all requests that are received and stored at once, compressed and not; the others
    /// wait. Change needs a restart.
    pub(crate) memory_bytes_max: u64,
    /// Requests that may wait; more are refused with status 503. Change needs a restart.
    pub(crate) waiting_max: usize,
    /// Longest time that a request may wait, and that its body may take to arrive.
    pub(crate) timeout_ms: u64,
}

impl Default for RemoteWriteConfig {
    fn default() -> Self {
        Self { memory_bytes_max: 512 << 20, waiting_max: 1000, timeout_ms: 30_000 }
    }
}

impl RemoteWriteConfig {
    /// The memory in KiB.
    pub(crate) fn memory_kib(&self) -> u32 {
        u32::try_from(self.memory_bytes_max / 1024).unwrap_or(u32::MAX)
    }

    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// Answering remote read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RemoteReadConfig {
    /// Most samples in one answer of the kind `SAMPLES`, which is built in memory.
    pub(crate) samples_max: usize,
    /// Requests that are answered at once; the others wait. Change needs a restart.
    pub(crate) concurrency_max: u32,
    /// Size at which an answer in chunks starts a new frame.
    pub(crate) frame_bytes_max: usize,
}

impl Default for RemoteReadConfig {
    fn default() -> Self {
        Self { samples_max: 50_000_000, concurrency_max: 10, frame_bytes_max: 1 << 20 }
    }
}

/// Kymo's metrics about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SelfMetricsConfig {
    /// Whether Kymo stores its own metrics, with `job="kymo-self"`. Change needs a restart.
    pub(crate) enabled: bool,
    /// How often it does. Change needs a restart.
    pub(crate) interval_ms: u64,
}

impl Default for SelfMetricsConfig {
    fn default() -> Self {
        Self { enabled: true, interval_ms: 5000 }
    }
}

impl Config {
    /// The configuration in `text`, which was read from `path`, checked.
    pub(crate) fn parse(path: &std::path::Path, text: &str) -> Result<Self, ConfigError> {
        // An empty document is null to YAML, and the whole default to us.
        let blank = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let config = if blank {
            Self::default()
        } else {
            serde_saphyr::from_str(text)
                .map_err(|error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() })?
        };
        let config = config.with_selectors()?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration with the selectors of its policies parsed.
    fn with_selectors(mut self) -> Result<Self, ConfigError> {
        for policy in &mut self.tiers.policies {
            let parsed = kymo_query::promql::parse_selector(&policy.selector);
            policy.matchers = parsed.map_err(|error| ConfigError::Invalid {
                field: "tiers.policies.selector",
                reason: format!("{:?}: {error}", policy.selector),
            })?;
        }
        Ok(self)
    }

    /// The engine's part.
    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            wal: self.wal.clone(),
            head: self.head.clone(),
            flush: self.flush.clone(),
            retention: self.retention.clone(),
            tiers: self.tiers.clone(),
        }
    }

    /// The configuration as YAML, every field spelled out.
    pub(crate) fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).unwrap_or_else(|error| format!("# {error}\n"))
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// With the first field that is out of range.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let positive: [(&'static str, u64); 14] = [
            ("server.connections_max", self.server.connections_max as u64),
            ("server.request_timeout_ms", self.server.request_timeout_ms),
            ("server.stalled_timeout_ms", self.server.stalled_timeout_ms),
            ("query.timeout_ms", self.query.timeout_ms),
            ("query.concurrency_max", self.query.concurrency_max.into()),
            ("query.samples_max", self.query.samples_max as u64),
            ("query.memory_bytes_max", self.query.memory_bytes_max),
            ("query.lookback_ms", self.query.lookback_ms),
            ("remote_write.memory_bytes_max", self.remote_write.memory_bytes_max / 1024),
            ("remote_write.timeout_ms", self.remote_write.timeout_ms),
            ("remote_read.samples_max", self.remote_read.samples_max as u64),
            ("remote_read.concurrency_max", self.remote_read.concurrency_max.into()),
            ("remote_read.frame_bytes_max", self.remote_read.frame_bytes_max as u64),
            ("self_metrics.interval_ms", self.self_metrics.interval_ms),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError::Invalid { field, reason: "must be greater than 0".to_owned() });
            }
        }
        self.engine().validate().map_err(|problem| ConfigError::Engine { problem })?;
        if self.query.lookback_ms > i64::MAX as u64 {
            return Err(ConfigError::Invalid {
                field: "query.lookback_ms",
                reason: "is out of range".to_owned(),
            });
        }
        if let Some(name) = self.query.unknown_feature() {
            let known = Feature::ALL.map(Feature::name).join(", ");
            let reason = format!("there is no feature {name:?}; there are {known}");
            return Err(ConfigError::Invalid { field: "query.features", reason });
        }
        if self.server.tls.is_on() == self.server.tls.key_file.as_os_str().is_empty() {
            let reason = "needs both cert_file and key_file".to_owned();
            return Err(ConfigError::Invalid { field: "server.tls", reason });
        }
        Access::new(&self.access)?;
        if self.external_labels.keys().any(|name| name.is_empty() || name == "__name__") {
            let reason = "names must not be empty or __name__".to_owned();
            return Err(ConfigError::Invalid { field: "external_labels", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
