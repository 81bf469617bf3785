//! The machine's file system.
#![expect(clippy::disallowed_methods, reason = "this is where the machine's files are reached")]

use std::{
    fs, io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::fs::{DirEntry, File, Fs, LockGuard, Mapping, OpenMode};

/// Files of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl Fs for OsFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::CreateNew);
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = metadata.is_dir();
            entries.push(DirEntry { name, len: if is_dir { 0 } else { metadata.len() }, is_dir });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        let file = fs::File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Mapping::from(Vec::new()));
        }
        Ok(Mapping::mapped(map_file(&file)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = fs::read(path)?;
        if (bytes.len() as u64) < fs::metadata(path)?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        // Not truncated: what another process wrote there is its own until the lock is ours.
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(LockGuard::new(path, Box::new(file))),
            Err(fs::TryLockError::WouldBlock) => Err(held_elsewhere(path)),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_shared(&self, path: &Path) -> io::Result<LockGuard> {
        let file = fs::File::open(path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(LockGuard::new(path, Box::new(file))),
            Err(fs::TryLockError::WouldBlock) => Err(held_elsewhere(path)),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The error of a lock that somebody else holds.
pub(super) fn held_elsewhere(path: &Path) -> io::Error {
    let path: PathBuf = path.to_owned();
    io::Error::new(
        io::ErrorKind::WouldBlock,
        format!("{} is locked: another process or engine uses this directory", path.display()),
    )
}

#[expect(unsafe_code, reason = "a mapping is a view of memory that others could change")]
fn map_file(file: &fs::File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the engine never changes or shortens a file that it maps (`Fs::map` says so), and holds the
    // directory's lock against other engines. Readers check sums and bounds of every byte they use, so that
    // a foreign change gives wrong answers or errors, never access outside the mapping; a foreign
    // truncation ends the process, as an I/O error does.
    unsafe { memmap2::Mmap::map(file) }
}

/// Takes the pages of the range out of the process: its resident memory is what operators watch.
#[expect(unsafe_code, reason = "advice that would destroy private pages")]
pub(super) fn release(map: &memmap2::Mmap, range: Range<usize>) {
    if range.end <= map.len() && range.start < range.end {
        // SAFETY: the mapping is shared and read-only, so that a page taken out is read from the file again, with the same
        // bytes.
        let released = unsafe {
            map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
        };
        if let Err(error) = released {
            tracing::debug!(%error, "pages of a mapping stay in memory");
        }
    }
}

#[derive(Debug)]
struct OsFile(fs::File);

impl File for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.allocate_by_writing(len),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl OsFile {
    /// For file systems without `fallocate`: zeros written behind the end reserve room as well.
    fn allocate_by_writing(&self, len: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let mut offset = self.len()?;
        while offset < len {
            let step = usize::try_from(len - offset).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write_at(&ZEROS[..step], offset)?;
            offset += step as u64;
        }
        Ok(())
    }
}
