//! The server as its users meet it: a process, a port on loopback, HTTP.
//!
//! * `harness` - starts and stops servers, sends requests
//! * `grafana` - what Grafana's Prometheus data source asks
//! * `remote_write`, `remote_read`, `federate` - other Prometheus servers
//! * `histograms` - native histograms from remote write to queries and remote read
//! * `features` - parts of PromQL that are off unless named
//! * `access` - who may do what, and what crosses the network in clear
//! * `connections` - slow, huge, many, and those that take nothing
//! * `bad_input` - requests that must not harm
//! * `transfer` - `kymo export` and `kymo import`; `blocks` - blocks that Prometheus's promtool made
//! * `damage` - a damaged store: what is found, named and left out
//! * `tiers` - what is told of rollups, rolling up on request, what a query has read
//! * `operation` - restarts, signals, admin calls, own metrics, the page
//! * `licences` - of all that we depend on
//! * `tidy` - rules for the repository itself

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy takes the helpers of tests for production code"
)]

mod access;
mod bad_input;
mod blocks;
mod connections;
mod damage;
mod features;
mod federate;
mod grafana;
mod harness;
mod histograms;
mod licences;
mod operation;
mod remote_read;
mod remote_write;
mod tidy;
mod tiers;
mod transfer;
