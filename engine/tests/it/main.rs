//! The engine through its public interface, on file systems in memory.
//!
//! * `basics` - append, select, flush, restart, delete, retention
//! * `model` - random operations against a naive model
//! * `crash` - a crash at every sync point of a workload
//! * `disk_full` - writes are refused while the disk is full, and go on when there is room

mod basics;
mod crash;
mod disk_full;
mod model;
mod support;
