//! The manifest: which blocks are live, what is deleted, and where replay begins.
//!
//! A [`Version`] is one state of it, immutable and shared; an [`Edit`] is one change. [`ManifestStore::apply`] makes
//! a batch of edits durable as a whole, and only then visible. What no version names does not exist: files of
//! that kind are removed at start.
//!
//! * `version` - [`Version`], and how edits change it
//! * `edit` - [`Edit`] and its parts, and their conversion to and from bytes
//! * `invariants` - what must hold of every version, and why
//! * `store` - [`ManifestStore`]: the log of edits on disk
//! * `log` - one file of it
//! * `error`

mod edit;
mod error;
mod invariants;
mod log;
mod store;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use store::{ManifestFile, read, write};
pub use {
    edit::{BlockMeta, ColdBlock, ColdState, Edit, RollupProgress, Tombstone, WalStart},
    error::ManifestError,
    invariants::Violation,
    store::{ManifestStats, ManifestStore},
    version::Version,
};
