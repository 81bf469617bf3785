//! The engine in a simulated world: a disk that loses power, fills up and fails, a bucket that fails in other ways, a
//! clock that jumps, and all of it from one seed. A plain map says what must be there.
//!
//! * `seeds` - which seeds are run, and what a planted bug has to be found by
//! * `run` - one run: lives of an engine, their ends, and the checks between them
//! * `operations` - what writers, readers and operators do
//! * `model` - what the store must and may hold
//! * `tiers` - rollups: the place where they lie, how it fails, and what rows must be
//! * `lying` - bugs planted on purpose
//! * `report` - counts
//!
//! See docs/testing.md for how to replay a seed and to run more of them.

#[cfg(test)]
mod lying;
#[cfg(test)]
mod model;
#[cfg(test)]
mod report;
#[cfg(test)]
mod run;
#[cfg(test)]
mod seeds;
#[cfg(test)]
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "the integration tests use all of it")]
mod support;
#[cfg(test)]
mod tiers;
