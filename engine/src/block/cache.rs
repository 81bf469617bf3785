//! Open readers by block id.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{BlockError, BlockReader, block_path};
use crate::env::Fs;

/// The readers of the live blocks. A reader stays usable, and its file mapped, for as long as somebody
/// holds it, also after the block has left the version and its file is gone.
#[derive(Debug)]
pub struct BlockCache {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    readers: Mutex<BTreeMap<u64, Arc<BlockReader>>>,
}

/// Memory of what was read of the live blocks, in bytes, by component. The mapped files themselves are the kernel's,
/// which takes them back when it must.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockCacheBytes {
    /// Decoded timestamp columns.
    pub timestamps: usize,
    /// Which series match regular expressions that were asked for.
    pub matchers: usize,
}

impl BlockCache {
    /// An empty cache over the blocks in `dir`.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, dir: PathBuf) -> Self {
        Self { fs, dir, readers: Mutex::default() }
    }

    /// The reader of the block `id`, opened on first use.
    ///
    /// # Errors
    /// When the block cannot be opened.
    pub fn get(&self, id: u64) -> Result<Arc<BlockReader>, BlockError> {
        if let Some(reader) = self.readers.lock().get(&id) {
            return Ok(Arc::clone(reader));
        }
        // Opened outside the lock; of two openers at once the first one's reader counts for both.
        let opened = Arc::new(BlockReader::open(&*self.fs, &block_path(&self.dir, id), id)?);
        Ok(Arc::clone(self.readers.lock().entry(id).or_insert(opened)))
    }

    /// Lets go of the readers of all blocks but `live`, those of the current version.
    pub fn retain(&self, live: &BTreeSet<u64>) {
        self.readers.lock().retain(|id, _| live.contains(id));
    }

    /// Memory of what was read.
    #[must_use]
    pub fn bytes(&self) -> BlockCacheBytes {
        let readers: Vec<_> = self.readers.lock().values().cloned().collect();
        let sum = |bytes: fn(&BlockReader) -> usize| readers.iter().map(|reader| bytes(reader)).sum();
        BlockCacheBytes {
            timestamps: sum(BlockReader::timestamp_cache_bytes),
            matchers: sum(BlockReader::matcher_cache_bytes),
        }
    }

    /// Number of open readers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readers.lock().len()
    }

    /// Whether no reader is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
