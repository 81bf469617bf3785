//! Settings of the head.

use serde::{Deserialize, Serialize};

/// Bounds of what the head keeps in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// Number of shards, a power of two. 0 = twice the number of cores, rounded up.
    pub shards: usize,
    /// Most series in memory. New ones are refused above it; 0 = no limit but memory.
    pub series_max: u64,
    /// Most series in memory of one metric. New ones are refused above it; 0 = no limit.
    pub metric_series_max: u64,
    /// Most distinct values in memory of one label name, `__name__` included. New series that would bring another
    /// value are refused above it; 0 = no limit.
    pub label_values_max: u64,
    /// Memory budget of the head in bytes. Above three quarters of it chunks are spilled early, above seven eighths
    /// idle series leave early, above it new series are refused, above five quarters all writes. 0 = half of the
    /// machine's (or cgroup's) memory.
    pub budget_bytes: u64,
    /// Most bytes of the label names and values of one series together.
    pub label_bytes_max: usize,
    /// Most labels of one series.
    pub labels_max: usize,
    /// Exemplars kept, of all series together.
    pub exemplars_max: usize,
    /// Metric families whose metadata is kept.
    pub metadata_families_max: usize,
    /// Samples further ahead of the clock than this are refused, in milliseconds.
    pub future_max_ms: i64,
    /// Series without samples for this long leave memory soon, in milliseconds.
    pub idle_ms: i64,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            series_max: 0,
            metric_series_max: 0,
            label_values_max: 0,
            budget_bytes: 0,
            label_bytes_max: 64 * 1_024,
            labels_max: 256,
            exemplars_max: 100_000,
            metadata_families_max: 100_000,
            future_max_ms: 10 * 60 * 1_000,
            idle_ms: 60 * 60 * 1_000,
        }
    }
}

impl HeadConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The name of a bad field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        if self.shards != 0 && (!self.shards.is_power_of_two() || self.shards > 1_024) {
            return Err(format!("head.shards must be a power of two of at most 1024, not {}", self.shards));
        }
        if self.labels_max == 0 || self.label_bytes_max == 0 {
            return Err("head.labels_max and head.label_bytes_max must be greater than 0".to_owned());
        }
        if self.label_bytes_max > 1 << 20 {
            return Err(format!(
                "head.label_bytes_max must be at most 1048576, not {}",
                self.label_bytes_max
            ));
        }
        if self.future_max_ms < 0 || self.idle_ms < 0 {
            return Err("head.future_max_ms and head.idle_ms must not be negative".to_owned());
        }
        Ok(())
    }
}
