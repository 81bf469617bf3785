//! The traffic: recorded pages of real exporters, replicated into a fleet.
//!
//! - [`recording`] reads the pages into one column per series
//! - [`fleet`] says what each copy of each series is worth at each scrape
//! - [`plan`] cuts the fleet into the requests of each connection, and writes their bodies
//!
//! Everything follows from the recording and a few numbers ([`Setup`]), with no state between scrapes:
//! whoever knows them can tell long afterwards what any request held.

pub(crate) mod fleet;
pub(crate) mod plan;
pub(crate) mod recording;
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Which protocol a load speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Remote write 1.0.
    #[value(name = "1")]
    V1,
    /// Remote write 2.0.
    #[value(name = "2")]
    V2,
}

/// All that a load follows from, besides the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Copies of each recorded exporter.
    pub(crate) instances: usize,
    /// Most series; targets that would exceed it are left out.
    pub(crate) series_max: usize,
    /// Connections, among which the targets are shared.
    pub(crate) connections: usize,
    /// Samples per request.
    pub(crate) batch: usize,
    /// Time between two scrapes of a target.
    pub(crate) interval_ms: i64,
    /// Time of the first scrape.
    pub(crate) start_ms: i64,
    /// Scrapes of each target.
    pub(crate) scrapes: u64,
    /// Scrapes are late by up to this much.
    pub(crate) jitter_ms: i64,
    /// What distinguishes two loads that are alike otherwise.
    pub(crate) seed: u64,
    /// Version of the protocol.
    pub(crate) protocol: Protocol,
}

/// A number that follows from `seed` and `parts` and looks random.
pub(crate) fn hash(seed: u64, parts: &[u64]) -> u64 {
    let mut bytes = Vec::with_capacity(parts.len() * 8);
    parts.iter().for_each(|part| bytes.extend_from_slice(&part.to_le_bytes()));
    xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, seed)
}
