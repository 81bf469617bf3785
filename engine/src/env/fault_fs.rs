//! A [`MemFs`] on which power fails at a chosen sync, and calls fail on demand.
//!
//! The crash test of a component: run its workload once on a fresh `FaultFs` and read
//! [`FaultFs::sync_points`]; then for every `n` below that run it again with [`FaultFs::crash_at`]`(n)`, open the
//! component on [`FaultFs::durable_image`] for a few seeds, and compare with what was acknowledged.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    fs::{DirEntry, File, Fs, LockGuard, Mapping, OpenMode},
    mem_fs::{MemFile, MemFs},
};

/// A file system in memory that fails as it is told; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultFs {
    mem: MemFs,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    operations: u64,
    sync_points: u64,
    crashed: bool,
    /// The file or directory whose sync the power failed in.
    crashed_in: Option<PathBuf>,
    crash_at: Option<u64>,
    fail_operation: Option<u64>,
    fail_sync: Option<u64>,
    cut_read: Option<u64>,
    no_links: bool,
}

/// What a call is to the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call<'a> {
    Plain,
    /// Of this file or directory.
    Sync(&'a Path),
}

/// Whether the call goes through.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    FailedSync,
}

impl FaultFs {
    /// An empty file system without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Faults over what `mem` holds already.
    #[must_use]
    pub fn over(mem: MemFs) -> Self {
        Self { mem, faults: Arc::default() }
    }

    /// The power fails when the sync point number `sync_point` (from 0) begins: that sync makes nothing
    /// durable, and every call from it on fails.
    pub fn crash_at(&self, sync_point: u64) {
        self.faults.lock().crash_at = Some(sync_point);
    }

    /// The power fails now.
    pub fn crash(&self) {
        self.faults.lock().crashed = true;
    }

    /// Whether the power has failed.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.faults.lock().crashed
    }

    /// The file or directory in whose sync the power has failed, if it was in one.
    #[must_use]
    pub fn crashed_in(&self) -> Option<PathBuf> {
        self.faults.lock().crashed_in.clone()
    }

    /// Calls of `sync_data` and `sync_dir` so far.
    #[must_use]
    pub fn sync_points(&self) -> u64 {
        self.faults.lock().sync_points
    }

    /// Calls of any kind so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.faults.lock().operations
    }

    /// The call number `operation` (from 0, counted over all kinds) fails with an I/O error, once.
    pub fn fail_operation(&self, operation: u64) {
        self.faults.lock().fail_operation = Some(operation);
    }

    /// The sync point number `sync_point` fails, once. What it would have made durable never will be.
    pub fn fail_sync(&self, sync_point: u64) {
        self.faults.lock().fail_sync = Some(sync_point);
    }

    /// The first read after `operation` calls of any kind is cut short, once.
    pub fn cut_read(&self, operation: u64) {
        self.faults.lock().cut_read = Some(operation);
    }

    /// From now on no file gets a second name, as between two file systems.
    pub fn refuse_links(&self) {
        self.faults.lock().no_links = true;
    }

    /// See [`MemFs::set_capacity`].
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.mem.set_capacity(bytes);
    }

    /// What is found after a power loss now: see [`MemFs::durable_image`].
    #[must_use]
    pub fn durable_image(&self, seed: u64) -> MemFs {
        self.mem.durable_image(seed)
    }

    fn gate(&self, call: Call<'_>) -> io::Result<Verdict> {
        self.faults.lock().gate(call)
    }

    fn plain(&self) -> io::Result<()> {
        self.gate(Call::Plain).map(|_| ())
    }

    fn read_gate(&self) -> io::Result<()> {
        self.plain()?;
        let mut faults = self.faults.lock();
        if faults.cut_read.is_some_and(|from| faults.operations > from) {
            faults.cut_read = None;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Faults {
    fn gate(&mut self, call: Call<'_>) -> io::Result<Verdict> {
        let operation = self.operations;
        self.operations += 1;
        let mut verdict = Verdict::Pass;
        if let Call::Sync(path) = call
            && !self.crashed
        {
            let sync_point = self.sync_points;
            self.sync_points += 1;
            self.crashed = self.crash_at.is_some_and(|at| sync_point >= at);
            self.crashed_in = self.crashed.then(|| path.to_owned());
            if self.fail_sync == Some(sync_point) {
                verdict = Verdict::FailedSync;
            }
        }
        if self.crashed {
            return Err(io::Error::other("the power has failed"));
        }
        if self.fail_operation == Some(operation) {
            return Err(injected());
        }
        Ok(verdict)
    }
}

fn injected() -> io::Error {
    io::Error::other("injected input/output error")
}

impl Fs for FaultFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.plain()?;
        self.mem.create_dir_all(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.plain()?;
        let file = self.mem.open_file(path, mode)?;
        Ok(Arc::new(FaultFile { file, path: path.to_owned(), fs: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.plain()?;
        self.mem.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plain()?;
        self.mem.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plain()?;
        if self.faults.lock().no_links {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.mem.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plain()?;
        self.mem.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.plain()?;
        self.mem.remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.gate(Call::Sync(dir))? {
            Verdict::Pass => self.mem.sync_dir(dir),
            Verdict::FailedSync => Err(injected()),
        }
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        self.plain()?;
        self.mem.file_len(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.plain()?;
        self.mem.exists(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        self.read_gate()?;
        self.mem.map(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_gate()?;
        self.mem.read(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.plain()?;
        self.mem.available_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.plain()?;
        self.mem.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<LockGuard> {
        self.plain()?;
        self.mem.lock_shared(path)
    }
}

#[derive(Debug)]
struct FaultFile {
    file: MemFile,
    path: PathBuf,
    fs: FaultFs,
}

impl File for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.fs.read_gate()?;
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.fs.plain()?;
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.fs.gate(Call::Sync(&self.path))? {
            Verdict::Pass => self.file.sync_data(),
            Verdict::FailedSync => {
                self.file.lose_unsynced();
                Err(injected())
            }
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.fs.plain()?;
        self.file.allocate(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fs.plain()?;
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.fs.plain()?;
        self.file.len()
    }
}
