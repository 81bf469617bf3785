//! The server among real parts: real peers, real signals, a real file system that is full.
//!
//! * `process` - starts, watches and ends processes; waits
//! * `kymo` - a running Kymo and the calls that these tests make
//! * `days` - three days of samples that tiers are made of
//! * `traffic` - remote-write senders that remember what was acknowledged
//! * `prometheus` - Debian's Prometheus and node_exporter: the same questions, the same answers
//! * `blocks` - out of Kymo, through a block of a real Prometheus, into another Kymo
//! * `differential` - random expressions, answered by Kymo as by Prometheus
//! * `tables` - the tables of rollups, read by DuckDB and `deltalake`
//! * `referee` - tiers, when the samples are gone, answer as Prometheus does with them
//! * `handles` - few file handles: connections wait, writes pause, nothing is lost
//! * `hostile` - clients that mean harm, all at once, beside senders that do not
//! * `kill` - `kill -9` under load loses nothing that was acknowledged
//! * `disk_full` - writes are refused, reads go on, writing resumes
//! * `one_process` - one process per directory; an orderly stop under load; another number of shards
//!
//! Random choices follow from a seed that a failure prints; `KYMO_SEED=...` repeats them, though not the
//! moments at which the machine runs which thread.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy takes the helpers of tests for production code"
)]

mod blocks;
mod days;
mod differential;
mod disk_full;
mod handles;
mod hostile;
mod kill;
mod kymo;
mod one_process;
mod process;
mod prometheus;
mod referee;
mod tables;
mod traffic;
