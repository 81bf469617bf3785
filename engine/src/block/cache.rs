//! Open readers by block id.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{BlockError, BlockReader, block_path, cold::ColdObject};
use crate::env::Fs;

/// Bytes of sections from object storage above which readers are let go of that are not asked for.
const COLD_BYTES_MAX: usize = 256 << 20;

/// The readers of the live blocks. A reader stays usable, and its file mapped, for as long as somebody
/// holds it, also after the block has left the version and its file is gone.
#[derive(Debug)]
pub struct BlockCache {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    readers: Mutex<BTreeMap<u64, Arc<BlockReader>>>,
    /// Blocks that are not in the directory.
    cold: Mutex<BTreeMap<u64, Arc<ColdObject>>>,
}

/// Memory of what was read of the live blocks, in bytes, by component. The mapped files themselves are the kernel's,
/// which takes them back when it must.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockCacheBytes {
    /// Decoded timestamp columns.
    pub timestamps: usize,
    /// Which series match regular expressions that were asked for.
    pub matchers: usize,
    /// Indexes of blocks in object storage.
    pub cold: usize,
}

impl BlockCache {
    /// An empty cache over the blocks in `dir`.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, dir: PathBuf) -> Self {
        Self { fs, dir, readers: Mutex::default(), cold: Mutex::default() }
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
        let object = self.cold.lock().get(&id).cloned();
        let opened = match object {
            Some(object) => BlockReader::open_cold(object, id)?,
            None => BlockReader::open(&*self.fs, &block_path(&self.dir, id), id)?,
        };
        let opened = Arc::new(opened);
        let mut readers = self.readers.lock();
        // Not a file that was to go meanwhile: it would take its room for as long as it is mapped.
        if self.cold.lock().contains_key(&id) != opened.is_cold() {
            return Ok(opened);
        }
        let reader = Arc::clone(readers.entry(id).or_insert(opened));
        if reader.is_cold() {
            let_go_of_others(&mut readers, id);
        }
        Ok(reader)
    }

    /// The block `id` is read from object storage from now on. Who has it open goes on with its file.
    pub(crate) fn set_cold(&self, id: u64, object: ColdObject) {
        let mut readers = self.readers.lock();
        self.cold.lock().insert(id, Arc::new(object));
        readers.remove(&id);
    }

    /// Lets go of the readers of all blocks but `live`, those of the current version.
    pub fn retain(&self, live: &BTreeSet<u64>) {
        self.readers.lock().retain(|id, _| live.contains(id));
        self.cold.lock().retain(|id, _| live.contains(id));
    }

    /// Memory of what was read.
    #[must_use]
    pub fn bytes(&self) -> BlockCacheBytes {
        let readers: Vec<_> = self.readers.lock().values().cloned().collect();
        let sum = |bytes: fn(&BlockReader) -> usize| readers.iter().map(|reader| bytes(reader)).sum();
        BlockCacheBytes {
            timestamps: sum(BlockReader::timestamp_cache_bytes),
            matchers: sum(BlockReader::matcher_cache_bytes),
            cold: sum(BlockReader::fetched_bytes),
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

/// Lets go of blocks in object storage, the oldest first, until their indexes take no more memory than they may.
fn let_go_of_others(readers: &mut BTreeMap<u64, Arc<BlockReader>>, wanted: u64) {
    let mut bytes: usize = readers.values().map(|reader| reader.fetched_bytes()).sum();
    readers.retain(|id, reader| {
        if bytes <= COLD_BYTES_MAX || *id == wanted || !reader.is_cold() {
            return true;
        }
        bytes -= reader.fetched_bytes();
        false
    });
}
