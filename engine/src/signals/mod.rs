//! What differs between signals: row type, sort key, merge rule.
//!
//! * `metrics` - samples of time series

pub(crate) mod metrics;
