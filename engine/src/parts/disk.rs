//! Parts of objects in a file of the data directory, for those that memory has no room for.
//!
//! The file consists of slots of one part each; which part a slot holds, and its checksum, is known in memory only. So the
//! file is begun anew at each start: there is no form on disk to keep, nothing to sync, and nothing of an earlier life to
//! mistrust. Whatever goes wrong is a miss.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use hashbrown::HashMap;
use kymo_formats::checksum::crc32;
use parking_lot::Mutex;
use tracing::warn;

use super::PART_BYTES;
use crate::env::{File, Fs, OpenMode};

/// The directory in the data directory.
const DIR: &str = "cache";

/// The file, and what is in it. The part that goes first is the one that came first and was not asked for since.
#[derive(Debug)]
pub(super) struct DiskParts {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    file: Arc<dyn File>,
    slots_max: usize,
    leave_free_bytes: AtomicU64,
    slots: Mutex<Slots>,
    pub(super) hits: AtomicU64,
}

type Key = (Arc<str>, usize);

#[derive(Debug, Default)]
struct Slots {
    by_key: HashMap<Key, usize>,
    slots: Vec<Slot>,
    /// The slot that is looked at next when one is needed.
    hand: usize,
}

#[derive(Debug, Default)]
struct Slot {
    key: Option<Key>,
    len: usize,
    crc: u32,
    asked_for: bool,
}

impl DiskParts {
    /// An empty file of at most `bytes_max` bytes in the data directory `dir`; none where that is less than a part, or
    /// where there can be no file.
    pub(super) fn open(fs: &Arc<dyn Fs>, dir: &Path, bytes_max: u64) -> Option<Self> {
        let dir = dir.join(DIR);
        if let Err(error) = fs.remove_dir_all(&dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(dir = %dir.display(), %error, "cannot remove an earlier cache");
            return None;
        }
        let slots_max = usize::try_from(bytes_max / PART_BYTES as u64).unwrap_or(usize::MAX);
        if slots_max == 0 {
            return None;
        }
        let opened = fs.create_dir_all(&dir).and_then(|()| fs.open(&dir.join("parts"), OpenMode::CreateNew));
        let file = opened.map_err(|error| warn!(dir = %dir.display(), %error, "no cache on disk")).ok()?;
        Some(Self {
            fs: Arc::clone(fs),
            dir,
            file,
            slots_max,
            leave_free_bytes: AtomicU64::new(0),
            slots: Mutex::default(),
            hits: AtomicU64::new(0),
        })
    }

    /// Leaves so many bytes of the disk to others from now on, and gives back what takes them already.
    pub(super) fn leave_free(&self, bytes: u64) {
        self.leave_free_bytes.store(bytes, Ordering::Relaxed);
        let is_short = self.fs.available_bytes(&self.dir).is_ok_and(|available| available < bytes);
        let mut slots = self.slots.lock();
        if is_short && !slots.slots.is_empty() {
            *slots = Slots::default();
            drop(self.file.set_len(0));
        }
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        (self.slots.lock().slots.len() * PART_BYTES) as u64
    }

    pub(super) fn get(&self, key: &Arc<str>, part: usize) -> Option<Bytes> {
        let key = (Arc::clone(key), part);
        let (at, len, crc) = {
            let mut slots = self.slots.lock();
            let at = *slots.by_key.get(&key)?;
            let slot = slots.slots.get_mut(at)?;
            slot.asked_for = true;
            (at, slot.len, slot.crc)
        };
        let mut bytes = vec![0; len];
        let read = self.file.read_at(&mut bytes, (at * PART_BYTES) as u64);
        // It may have been replaced meanwhile.
        if read.is_err() || crc32(&bytes) != crc {
            self.slots.lock().forget(&key, at);
            return None;
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(bytes.into())
    }

    pub(super) fn insert(&self, key: &Arc<str>, part: usize, bytes: &[u8]) {
        let key = (Arc::clone(key), part);
        let mut slots = self.slots.lock();
        if bytes.len() > PART_BYTES || slots.by_key.contains_key(&key) {
            return;
        }
        let may_grow = slots.slots.len() < self.slots_max && self.has_room();
        let Some(at) = slots.take(may_grow) else { return };
        // Under the lock: a reader of the slot's earlier part finds a checksum that does not fit, or the part whole.
        if self.file.write_at(bytes, (at * PART_BYTES) as u64).is_ok() {
            slots.slots[at] =
                Slot { key: Some(key.clone()), len: bytes.len(), crc: crc32(bytes), asked_for: false };
            slots.by_key.insert(key, at);
        }
    }

    fn has_room(&self) -> bool {
        let needed = self.leave_free_bytes.load(Ordering::Relaxed).saturating_add(PART_BYTES as u64);
        self.fs.available_bytes(&self.dir).is_ok_and(|available| available >= needed)
    }
}

impl Slots {
    /// A slot for a new part.
    fn take(&mut self, may_grow: bool) -> Option<usize> {
        if may_grow {
            self.slots.push(Slot::default());
            return Some(self.slots.len() - 1);
        }
        // Twice around at most: the first time each gets a second chance.
        for _ in 0..2 * self.slots.len() {
            let at = self.hand % self.slots.len();
            self.hand = at + 1;
            let slot = &mut self.slots[at];
            if !std::mem::take(&mut slot.asked_for) {
                if let Some(key) = slot.key.take() {
                    self.by_key.remove(&key);
                }
                return Some(at);
            }
        }
        None
    }

    fn forget(&mut self, key: &Key, at: usize) {
        if self.by_key.get(key) == Some(&at) {
            self.by_key.remove(key);
            if let Some(slot) = self.slots.get_mut(at) {
                slot.key = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{FaultFs, MemFs};

    fn part(n: u8) -> Vec<u8> {
        vec![n; PART_BYTES - 3]
    }

    fn key() -> Arc<str> {
        "blocks/a".into()
    }

    fn open(fs: &Arc<dyn Fs>, parts: u64) -> Option<DiskParts> {
        DiskParts::open(fs, Path::new("/data"), parts * PART_BYTES as u64)
    }

    #[test]
    fn it_keeps_what_is_asked_for_within_its_bytes() {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::default());
        let disk = open(&fs, 3).unwrap();
        for n in 0..40_u8 {
            disk.insert(&key(), usize::from(n), &part(n));
            assert_eq!(disk.get(&key(), 0).unwrap(), part(0), "asked for each time");
            assert!(fs.file_len(Path::new("/data/cache/parts")).unwrap() <= 3 * PART_BYTES as u64);
        }
        assert_eq!(disk.get(&key(), 39).unwrap(), part(39));
        assert!(disk.get(&key(), 20).is_none());
        drop(disk);
        assert!(open(&fs, 3).unwrap().get(&key(), 0).is_none(), "begun anew");
        assert!(open(&fs, 0).is_none() && !fs.exists(Path::new("/data/cache")).unwrap());
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::default());
        let disk = open(&fs, 3).unwrap();
        disk.insert(&key(), 1, &part(1));
        fs.open(Path::new("/data/cache/parts"), OpenMode::ReadWrite).unwrap().write_at(&[9], 100).unwrap();
        assert!(disk.get(&key(), 1).is_none());
        disk.insert(&key(), 1, &part(1));
        assert_eq!(disk.get(&key(), 1).unwrap(), part(1));
    }

    #[test]
    fn a_full_disk_is_left_to_others() {
        let faults = FaultFs::new();
        let fs: Arc<dyn Fs> = Arc::new(faults.clone());
        let disk = open(&fs, 100).unwrap();
        faults.set_capacity(Some(10 * PART_BYTES as u64));
        disk.leave_free(6 * PART_BYTES as u64);
        (0..20).for_each(|n| disk.insert(&key(), n, &part(1)));
        assert!(disk.bytes() <= 4 * PART_BYTES as u64 && disk.bytes() > 0, "{}", disk.bytes());
        disk.leave_free(9 * PART_BYTES as u64);
        assert_eq!(disk.bytes(), 0, "given back");
        faults.set_capacity(Some(0));
        disk.insert(&key(), 1, &part(1));
        assert!(disk.get(&key(), 1).is_none());
    }
}
