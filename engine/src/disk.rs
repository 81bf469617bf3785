//! Room on the disk: asked for before a flush and before a merge. Ingestion comes first, so merges and rollups leave a
//! reserve for the log and for flushes.

use crate::{compaction::Choice, engine::Inner, error::Error};

impl Inner {
    /// Bytes that outputs of a merge may take.
    ///
    /// # Errors
    /// When the file system does not say how much is free.
    pub(crate) fn room_for_merges(&self) -> Result<u64, Error> {
        Ok(self.available_bytes()?.saturating_sub(self.reserve_bytes()))
    }

    /// What merges, rollups and snapshots that cannot be links leave alone: two segments of the log, and the blocks and the checkpoint of a flush, which are
    /// about as large as the head.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        let head = self.head.stats().bytes.total() as u64;
        self.config.wal.segment_bytes.saturating_mul(2).saturating_add(head)
    }

    fn available_bytes(&self) -> Result<u64, Error> {
        let available = self.env.fs.available_bytes(&self.block_dir);
        available.map_err(Error::io("look for room in", &self.block_dir))
    }

    /// Whether there is room for a flush, as far as that can be told: it writes at least what chunks have. One that
    /// cannot succeed would fill the disk again and again before it fails.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn check_room_for_flush(&self) -> Result<(), Error> {
        let (needed_bytes, available_bytes) = (self.head.chunk_bytes(), self.available_bytes()?);
        if needed_bytes <= available_bytes {
            return Ok(());
        }
        let path = self.block_dir.clone();
        Err(Error::NoRoom { operation: "a flush", path, needed_bytes, available_bytes })
    }

    /// That `choice`, which is due, has no room.
    pub(crate) fn no_room_for(&self, choice: &Choice, available_bytes: u64) -> Error {
        let version = self.manifest.current();
        let inputs = version.blocks().iter().filter(|block| choice.inputs.contains(&block.id));
        let needed_bytes = inputs.map(|block| block.bytes).sum();
        Error::NoRoom { operation: "a merge", path: self.block_dir.clone(), needed_bytes, available_bytes }
    }
}
