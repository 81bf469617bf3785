//! The Prometheus API, `/api/v1/...`.
//!
//! * `query` - instant and range queries; `encode`, `histogram` - values as JSON; `stats` - what a query cost
//! * `labels`, `metadata`, `exemplars`, `language` - what editors and dashboards ask beside queries
//! * `status`, `features` - about the server; `cardinality` - what its series are made of
//! * `discovery` - what a server that neither scrapes nor alerts has to say about scraping and alerting

mod cardinality;
pub(super) mod discovery;
mod encode;
pub(super) mod exemplars;
pub(super) mod features;
mod histogram;
pub(super) mod labels;
pub(super) mod language;
pub(super) mod metadata;
pub(super) mod query;
mod stats;
pub(super) mod status;
