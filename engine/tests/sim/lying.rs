//! A file system whose syncs take their time, and that may not do what it says: how bugs are planted that the simulation
//! has to find.
//!
//! What a component forgets (a sync, a write, an error) is the same to the store as a file system that forgets it for it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kymo_engine::{Clock as _, DirEntry, File, Fs, LockGuard, Mapping, Millis, OpenMode, Rng, SimClock};

/// One of so many syncs is slow, by up to so many milliseconds.
const SLOW_SYNCS: u64 = 48;
const SLOW_SYNC_MS_MAX: u64 = 90_000;

/// What is not done. Files are named by a part of their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Such files are not synced.
    NoSync(&'static str),
    /// The directory of this name is not synced.
    NoDirSync(&'static str),
    /// Of every so many writes to such files one is left out.
    LostWrites(&'static str, u64),
    /// Errors of writes to such files, and of their syncs, are swallowed.
    SwallowedErrors(&'static str),
    /// Such files are removed, for good, as soon as the next one has its name.
    EarlyRemoval(&'static str),
    /// Such files are cut to so many eighths when they are read: whoever reads ends too early.
    ShortReads(&'static str, usize),
    /// Data goes so many milliseconds before its time.
    EarlyRetention(i64),
    /// Rows of tiers go so many milliseconds before their time.
    EarlyRows(i64),
    /// Of every so many such objects in the bucket one is gone a while after it was made.
    LostObjects(&'static str, u64),
}

/// Bugs of each kind that the simulation must find.
pub(crate) const PLANTED: [(&str, Lie); 18] = [
    ("the log is not synced", Lie::NoSync(".wal")),
    ("blocks are not synced", Lie::NoSync(".blk")),
    ("the manifest is not synced", Lie::NoSync(".log")),
    ("checkpoints are not synced", Lie::NoSync("checkpoint-")),
    ("names of blocks are not synced", Lie::NoDirSync("blocks")),
    ("names of segments and checkpoints are not synced", Lie::NoDirSync("wal")),
    ("a write to the log is lost", Lie::LostWrites(".wal", 40)),
    ("an edit of the manifest is lost", Lie::LostWrites(".log", 4)),
    ("a write to a block is lost", Lie::LostWrites(".blk", 9)),
    ("errors of the log are swallowed", Lie::SwallowedErrors(".wal")),
    ("segments are removed when the next begins", Lie::EarlyRemoval(".wal")),
    ("checkpoints are read in part", Lie::ShortReads("checkpoint-", 6)),
    ("data goes an hour early", Lie::EarlyRetention(3_600_000)),
    ("objects of tiers are not synced", Lie::NoSync(".unfinished")),
    ("names of commits to tiers are not synced", Lie::NoDirSync("_delta_log")),
    ("rows of tiers go three hours early", Lie::EarlyRows(3 * 3_600_000)),
    ("objects of rows are lost", Lie::LostObjects(".parquet", 5)),
    ("commits to tiers are lost", Lie::LostObjects("_delta_log/", 5)),
];

/// A file system with at most one [`Lie`].
#[derive(Debug)]
pub(crate) struct LyingFs {
    inner: Arc<dyn Fs>,
    lie: Option<Lie>,
    pace: Pace,
    writes: Arc<AtomicU64>,
}

/// How long syncs take.
#[derive(Debug, Clone)]
struct Pace {
    clock: Arc<SimClock>,
    syncs: Arc<AtomicU64>,
    slow: Arc<AtomicU64>,
}

impl Pace {
    /// A sync takes place.
    fn pass(&self) {
        let mut rng =
            Rng::new(self.syncs.fetch_add(1, Ordering::Relaxed) ^ self.clock.now().0.cast_unsigned());
        if rng.below(SLOW_SYNCS) == 0 {
            self.slow.fetch_add(1, Ordering::Relaxed);
            self.clock.advance(Millis(rng.below(SLOW_SYNC_MS_MAX).cast_signed()));
        }
    }
}

impl LyingFs {
    /// Tells `lie` of `inner`. Syncs move `clock` now and then, and are counted in `slow` then.
    pub(crate) fn new(
        inner: Arc<dyn Fs>,
        lie: Option<Lie>,
        clock: &Arc<SimClock>,
        slow: &Arc<AtomicU64>,
    ) -> Self {
        let pace = Pace { clock: Arc::clone(clock), syncs: Arc::default(), slow: Arc::clone(slow) };
        Self { inner, lie, pace, writes: Arc::default() }
    }

    /// Removes the files of this kind beside `path`.
    fn remove_others(&self, path: &Path, kind: &str) -> io::Result<()> {
        let Some(dir) = path.parent() else { return Ok(()) };
        for entry in self.inner.list(dir)? {
            let other = dir.join(&entry.name);
            if is(&other, kind) && other != path {
                self.inner.remove(&other)?;
            }
        }
        self.inner.sync_dir(dir)
    }
}

fn is(path: &Path, kind: &str) -> bool {
    path.to_string_lossy().contains(kind)
}

impl Fs for LyingFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.inner.open(path, mode)?;
        let (path, lie, pace) = (path.to_owned(), self.lie, self.pace.clone());
        Ok(Arc::new(LyingFile { file, path, lie, pace, writes: Arc::clone(&self.writes) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        match self.lie {
            Some(Lie::EarlyRemoval(kind)) if is(to, kind) => self.remove_others(to, kind),
            _ => Ok(()),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.pace.pass();
        match self.lie {
            Some(Lie::NoDirSync(name)) if dir.file_name().is_some_and(|dir| dir == name) => Ok(()),
            _ => self.inner.sync_dir(dir),
        }
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        self.inner.file_len(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        match self.lie {
            Some(Lie::ShortReads(kind, eighths)) if is(path, kind) => {
                let bytes = self.inner.read(path)?;
                Ok(bytes[..bytes.len() / 8 * eighths].to_vec().into())
            }
            _ => self.inner.map(path),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.inner.available_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.inner.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<LockGuard> {
        self.inner.lock_shared(path)
    }
}

#[derive(Debug)]
struct LyingFile {
    file: Arc<dyn File>,
    path: PathBuf,
    lie: Option<Lie>,
    pace: Pace,
    writes: Arc<AtomicU64>,
}

impl LyingFile {
    fn swallow(&self, result: io::Result<()>) -> io::Result<()> {
        match self.lie {
            Some(Lie::SwallowedErrors(kind)) if is(&self.path, kind) => Ok(()),
            _ => result,
        }
    }
}

impl File for LyingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.lie {
            Some(Lie::LostWrites(kind, every))
                if is(&self.path, kind)
                    && self.writes.fetch_add(1, Ordering::Relaxed) % every == every - 1 =>
            {
                Ok(())
            }
            _ => self.swallow(self.file.write_at(bytes, offset)),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.pace.pass();
        match self.lie {
            Some(Lie::NoSync(kind)) if is(&self.path, kind) => Ok(()),
            _ => self.swallow(self.file.sync_data()),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
