//! The file system as the engine sees it: what is promised to be on disk after which call.

use std::{
    any::Any,
    fmt, io,
    ops::{Deref, Range},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How [`Fs::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; writing fails.
    Read,
    /// The file must exist; reading and writing.
    ReadWrite,
    /// The file must not exist and is created empty; reading and writing.
    CreateNew,
}

/// One file or directory in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last component of its path. Names that are not UTF-8 are not ours and are left out of listings.
    pub name: String,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A file system.
///
/// **Durability.** A power loss keeps of a file exactly what was there when its last [`File::sync_data`]
/// began, plus any part of what was written since: some 512-byte sectors of it, in no order, and possibly the
/// length without the bytes (which then read as zeros). A file that was created, renamed or removed is so
/// after a power loss only if [`Fs::sync_dir`] of its directory has returned since; until then either state
/// may be found. Syncing a file does not sync its name: a new file needs both. A killed process loses
/// nothing that was written.
///
/// **Order.** [`Fs::rename`] replaces its target atomically: readers, and a crash, find the old file or the
/// new one. Changes of names in one directory become durable in the order they were made.
///
/// **Failed syncs.** After a failed [`File::sync_data`] nothing is known about what was written since the last
/// successful one, and a later success does not change that: the kernel may have dropped the pages. Callers
/// must treat the file as lost from there on.
///
/// Errors are the operating system's, without the path; callers add it.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Creates `path` and every missing directory above it. The new names are not synced.
    ///
    /// # Errors
    /// When a component exists and is no directory, and on I/O errors.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Opens one file.
    ///
    /// # Errors
    /// `NotFound` or `AlreadyExists` where `mode` asks for the opposite, and I/O errors.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// What lies directly in `dir`, sorted by name.
    ///
    /// # Errors
    /// `NotFound` when the directory does not exist, and I/O errors.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Gives the file `from` the name `to`, replacing a file of that name atomically. Open handles and
    /// mappings of either file stay valid.
    ///
    /// # Errors
    /// `NotFound` when `from` does not exist, and I/O errors.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file `from` the name `to` as well: both are one file, which is there as long as one of its names is.
    ///
    /// # Errors
    /// `NotFound` when `from` does not exist, `AlreadyExists` when `to` does, `CrossesDevices`, `Unsupported` or
    /// `PermissionDenied` where there are no such names, and I/O errors.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file. Open handles and mappings stay valid.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, and I/O errors.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with everything in it.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, and I/O errors.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes every creation, renaming and removal directly in `dir` durable.
    ///
    /// # Errors
    /// I/O errors; the names of the directory are then unknown after a power loss.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The length of a file in bytes.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, and I/O errors.
    fn file_len(&self, path: &Path) -> io::Result<u64>;

    /// Whether a file or directory of this name exists.
    ///
    /// # Errors
    /// I/O errors other than `NotFound`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// A view of a whole file, for files that are never changed once they are mapped. The view outlives
    /// the file's name. An I/O error while reading through it may end the process (SIGBUS): where that is
    /// not wanted use [`File::read_at`].
    ///
    /// # Errors
    /// `NotFound` when it does not exist, and I/O errors.
    fn map(&self, path: &Path) -> io::Result<Mapping>;

    /// A whole file, copied to memory.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, `UnexpectedEof` when less comes than the file is long, and I/O errors.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Bytes that may still be written to the file system that holds `path`.
    ///
    /// # Errors
    /// `NotFound` when `path` does not exist, and I/O errors.
    fn available_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Takes the exclusive lock named `path` (a file, created when missing) until the guard is dropped or the
    /// process ends.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else holds it, and I/O errors.
    fn lock(&self, path: &Path) -> io::Result<LockGuard>;

    /// Takes a share of the lock named `path`, which must exist and need not be writable: others may take
    /// shares as well, and nobody gets the lock alone until all are dropped.
    ///
    /// # Errors
    /// `WouldBlock` when somebody holds it alone, `NotFound` when it does not exist, and I/O errors.
    fn lock_shared(&self, path: &Path) -> io::Result<LockGuard>;
}

/// An open file. All methods may be called from several threads at once; writes to ranges that do not
/// overlap do not disturb each other.
pub trait File: Send + Sync + fmt::Debug {
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, and I/O errors.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file where needed (a gap reads as zeros). Not durable
    /// before [`File::sync_data`].
    ///
    /// # Errors
    /// `StorageFull` when there is no room, and I/O errors; any part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes every completed write, and the length, durable.
    ///
    /// # Errors
    /// I/O errors: see "failed syncs" at [`Fs`].
    fn sync_data(&self) -> io::Result<()>;

    /// Reserves room for the first `len` bytes: the file is at least `len` long afterwards, new bytes read
    /// as zeros, and writing within them never fails with `StorageFull`. Never shortens the file.
    ///
    /// # Errors
    /// `StorageFull` when there is no room (the file may then be longer than before, but not than `len`),
    /// and I/O errors.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Cuts the file to `len` bytes, or grows it with zeros (which reserves no room).
    ///
    /// # Errors
    /// I/O errors.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds no bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The bytes of a file that does not change, shared: a clone is a reference count.
#[derive(Clone)]
pub struct Mapping(Bytes);

#[derive(Clone)]
enum Bytes {
    Mapped(Arc<memmap2::Mmap>),
    Owned(Arc<Vec<u8>>),
}

impl Mapping {
    /// The view of a file that the operating system mapped.
    pub(super) fn mapped(map: memmap2::Mmap) -> Self {
        Self(Bytes::Mapped(Arc::new(map)))
    }

    /// Gives back the memory that reading these bytes has taken of the process. They can be read again all the same.
    pub(crate) fn release(&self, range: Range<usize>) {
        if let Bytes::Mapped(map) = &self.0 {
            super::os_fs::release(map, range);
        }
    }
}

impl From<Vec<u8>> for Mapping {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Owned(Arc::new(bytes)))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len()).finish()
    }
}

/// A lock on a path, released when dropped.
pub struct LockGuard {
    path: PathBuf,
    _held: Box<dyn Any + Send + Sync>,
}

impl LockGuard {
    /// A guard over `held`, whose `Drop` releases the lock of `path`.
    pub(super) fn new(path: &Path, held: Box<dyn Any + Send + Sync>) -> Self {
        Self { path: path.to_owned(), _held: held }
    }

    /// The path that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("path", &self.path).finish_non_exhaustive()
    }
}
