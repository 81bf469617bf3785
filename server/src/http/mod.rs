//! HTTP: one file per protocol, and what they share.
//!
//! * `prometheus` - the Prometheus API
//! * `remote_write`, `remote_read`, `federate` - how other Prometheus servers write and read; `chunks` is for reading
//! * `admin`, `tiers`, `health`, `ui` - operation; `access` - lets requests through whose senders may make them
//! * `router`, `middleware` - who answers what, and what holds for all
//! * `error` - errors and their status codes
//! * `answer`, `json`, `number` - answers as Go would write them
//! * `params`, `time` - what requests ask for
//! * `gate`, `fair_gate`, `work` - bounds on what runs at once, and blocking work that ends when its caller leaves
//! * `caller` - who is asking; `body` - what they send

mod access;
mod admin;
mod answer;
mod body;
mod caller;
mod chunks;
mod error;
mod fair_gate;
mod federate;
mod gate;
mod health;
mod json;
mod middleware;
mod number;
mod params;
mod prometheus;
mod remote_read;
mod remote_write;
mod router;
mod tiers;
mod time;
mod ui;
mod work;

pub(crate) use {
    caller::Peer,
    fair_gate::FairGate,
    gate::Gate,
    number::push_seconds,
    router::router,
    time::{parse_duration, parse_time},
};
