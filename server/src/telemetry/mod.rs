//! Kymo's own signals.
//!
//! * `names` - every metric: name, kind, help
//! * `metrics` - counters that requests move
//! * `collect` - all metrics at one moment
//! * `text` - the text exposition format
//! * `self_store` - writes the metrics into the own store
//! * `process` - what the operating system says about the process
//! * `logging` - where log lines go

mod collect;
mod logging;
mod metrics;
mod names;
mod process;
mod self_store;
mod text;

pub(crate) use {
    collect::{Family, collect},
    logging::init_logging,
    metrics::Telemetry,
    process::{hostname, usage},
    self_store::run as run_self_store,
    text::exposition,
};

/// Memory of the part of the engine that is in memory.
pub(crate) fn head_bytes(stats: &kymo_engine::EngineStats) -> usize {
    stats.head.bytes.total()
}
