//! The engine through its public interface, on file systems in memory.
//!
//! * `basics` - append, select, flush, restart, delete, retention
//! * `format_1` - a data directory that an earlier build wrote
//! * `model` - random operations against a naive model
//! * `cold` - blocks in object storage
//! * `crash` - a crash at every sync point of a workload
//! * `damage` - random bytes of blocks changed: what is answered was written, and what is missing is named
//! * `example` - what the documentation shows
//! * `disk_full` - writes are refused while the disk is full, and go on when there is room
//! * `pressure` - memory under churn, and when it gets short
//! * `snapshot` - copies of a store that runs, and stores from copies
//! * `rollups` - tables of rollups beside the samples
//! * `summaries` - what chunks amount to, instead of their samples
//! * `upkeep` - memory, disk and time: what keeps a store in shape
//! * `verify` - checks of, and looks at, a store that nobody has open

#[cfg(test)]
mod basics;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod example;
#[cfg(test)]
mod format_1;
#[cfg(test)]
mod model;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod rollups;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod summaries;
#[cfg(test)]
mod support;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod verify;
