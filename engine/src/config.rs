//! Settings of the engine.

use serde::{Deserialize, Serialize};

use crate::{head::HeadConfig, tier::TiersConfig, wal::WalConfig};

/// Settings of an engine. Every field has a default that suits a server with a 15 s scrape interval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// The write-ahead log.
    pub wal: WalConfig,
    /// The part in memory.
    pub head: HeadConfig,
    /// When data moves from memory to blocks.
    pub flush: FlushConfig,
    /// How long data is kept.
    pub retention: RetentionConfig,
    /// What is kept beside the samples, for longer.
    pub tiers: TiersConfig,
}

/// When data moves from memory to blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlushConfig {
    /// Longest time between two flushes, in milliseconds. A restart replays at most as much of the log.
    pub interval_ms: i64,
    /// Bytes of log since the last flush above which the next one begins.
    pub wal_bytes_max: u64,
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self { interval_ms: 30 * 60 * 1_000, wal_bytes_max: 512 << 20 }
    }
}

/// How long data is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Age in milliseconds after which data goes; older samples are refused. 0 = kept for ever.
    pub age_ms: i64,
    /// Bytes of blocks above which the oldest go. 0 = no limit.
    pub bytes_max: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { age_ms: 15 * 24 * 60 * 60 * 1_000, bytes_max: 0 }
    }
}

impl EngineConfig {
    /// The default settings, but nothing is ever dropped for its age, and nothing rolled up. For data that is not of
    /// today.
    #[must_use]
    pub fn keep_everything() -> Self {
        let retention = RetentionConfig { age_ms: 0, bytes_max: 0 };
        Self { retention, tiers: TiersConfig::none(), ..Self::default() }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The name of a bad field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        self.wal.validate().map_err(|error| error.to_string())?;
        self.head.validate()?;
        self.tiers.validate()?;
        if self.flush.interval_ms <= 0 {
            return Err(format!("flush.interval_ms must be greater than 0, not {}", self.flush.interval_ms));
        }
        if self.flush.wal_bytes_max < self.wal.segment_bytes {
            return Err(format!(
                "flush.wal_bytes_max must be at least wal.segment_bytes = {}, not {}",
                self.wal.segment_bytes, self.flush.wal_bytes_max
            ));
        }
        if self.retention.age_ms < 0 {
            return Err(format!("retention.age_ms must not be negative, not {}", self.retention.age_ms));
        }
        let raw_ms = self.tiers.raw.as_ref().map_or(0, |raw| raw.retention_ms);
        if raw_ms > 0 && (self.retention.age_ms == 0 || raw_ms < self.retention.age_ms) {
            return Err(format!(
                "tiers.raw.retention_ms must be 0 or at least retention.age_ms = {}, which must not be 0 then, not {raw_ms}",
                self.retention.age_ms
            ));
        }
        Ok(())
    }
}
