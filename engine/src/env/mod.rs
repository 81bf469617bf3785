//! The only door to the outside: files, time, randomness, threads.
//!
//! Everything else in the engine takes an [`Env`], so that a test decides what time it is, which write
//! fails, and what is left on disk after a crash.
//!
//! * `fs` - the traits [`Fs`] and [`File`], with their promises on durability and order
//! * `os_fs` - the machine's file system
//! * `mem_fs`, `fault_fs` - doubles: what a crash leaves behind, and faults on demand (`test-util`)
//! * `objstore` - object storage, and a folder that is one
//! * `memory` - how much memory there is
//! * `clock`, `rng`, `spawn` - time, randomness, threads

mod clock;
#[cfg(any(test, feature = "test-util"))]
mod fault_fs;
mod fs;
#[cfg(any(test, feature = "test-util"))]
mod mem_fs;
mod memory;
mod objstore;
mod os_fs;
mod rng;
mod spawn;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use objstore::SystemPlaces;
pub(crate) use spawn::{spawn_background, spawn_scoped};

#[cfg(feature = "object-storage")]
pub use objstore::RemoteStore;
#[cfg(any(test, feature = "test-util"))]
pub use {
    clock::SimClock,
    fault_fs::FaultFs,
    mem_fs::MemFs,
    objstore::{FaultObjects, KnownPlaces, ObjectFault, keeps_its_promises},
};
pub use {
    clock::{Clock, SystemClock},
    fs::{DirEntry, File, Fs, LockGuard, Mapping, OpenMode},
    memory::memory_bytes,
    objstore::{
        FolderStore, ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, PlaceOptions, Places, ProbeError,
        Probed, Upload, UploadWriter, probe,
    },
    os_fs::OsFs,
    rng::Rng,
    spawn::spawn,
};

/// The outside world as one value, cheap to clone.
#[derive(Debug, Clone)]
pub struct Env {
    /// Where files live.
    pub fs: Arc<dyn Fs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The seed of every generator: fixed in tests, the operating system's otherwise.
    pub seed: u64,
    /// Threads that a task may be shared among: the machine's cores, and one in tests, which want the same order each
    /// time. What is computed does not depend on it.
    pub threads: usize,
    /// Where tiers lie that are not in the data directory.
    pub places: Arc<dyn Places>,
}

impl Env {
    /// The machine's files and clock, and a seed nobody can guess.
    #[must_use]
    pub fn system() -> Self {
        Self {
            fs: Arc::new(OsFs),
            clock: Arc::new(SystemClock::new()),
            seed: rng::os_seed(),
            threads: cores(),
            places: Arc::new(SystemPlaces::new(Arc::new(OsFs))),
        }
    }

    /// Files in `fs`, a clock that only tests move, a fixed seed, and one thread.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn simulated(fs: Arc<dyn Fs>, seed: u64) -> Self {
        let places = Arc::new(SystemPlaces::new(Arc::clone(&fs)));
        Self { fs, clock: Arc::new(SimClock::default()), seed, threads: 1, places }
    }

    /// A generator of its own for each `purpose`, so that one more draw in one place moves no other.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::new(self.seed ^ xxhash_rust::xxh3::xxh3_64(purpose.as_bytes()))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
