//! Blocks: immutable files that hold the samples of many series over some time, with their own index.
//!
//! * `writer` - series in order to a block file; `chunk_body` - what it takes as a chunk; `timestamps` - the
//!   timestamps that its chunks share
//! * `reader` - a block file, mapped, as an index and chunks; `summaries` - what its chunks amount to
//! * `cold` - a block in object storage
//! * `verify` - every byte of a block file against its checksums
//! * `column_cache` - decoded timestamps of an open block
//! * `pages` - which pages of a block's chunk data have been verified
//! * `cache` - open readers by block id
//! * `error` - what can go wrong

mod cache;
mod chunk_body;
mod cold;
mod column_cache;
mod error;
mod pages;
mod reader;
mod summaries;
mod timestamps;
mod verify;
mod writer;

use std::path::{Path, PathBuf};

use kymo_formats::block::meta::BlockSummary;

pub use cache::{BlockCache, BlockCacheBytes};
pub use chunk_body::{BlockChunk, ChunkBody, ChunkColumns};
pub(crate) use cold::{ColdObject, ColdReads};
pub use error::BlockError;
pub use reader::{BlockReader, BlockSeries};
pub use summaries::ChunkSummaries;
pub use writer::{BlockSpec, BlockWriter};

/// A block that has been written and is durable, or that has been opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its id.
    pub id: u64,
    /// Reserved for tenants; 0.
    pub space: u32,
    /// Where it lies.
    pub path: PathBuf,
    /// Length of the file.
    pub file_bytes: u64,
    /// What is in it.
    pub summary: BlockSummary,
}

/// The file of the block `id` in `dir`.
#[must_use]
pub fn block_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016}.blk"))
}

#[cfg(test)]
mod tests;
