//! Copies of a whole store: of one that runs, as it is at one moment; and of a copy, to where a store is to be.
//!
//! A copy is a data directory like any other. Its manifest is written last: until then it is none, and whoever opens or
//! checks it is told so.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::info;

use crate::{
    block::block_path,
    checkpoint_file,
    engine::{Inner, LOCK, create_durably},
    env::{Fs, LockGuard, OpenMode},
    error::Error,
    flush::{self, OpenChunks},
    manifest::{self, Version},
    rollup::LOCAL_DIR,
    verify,
    wal::segment_paths_from,
};

/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What a copy consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Live blocks.
    pub blocks: usize,
    /// Files: blocks, checkpoint, segments of the log, rollups in the data directory.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes of these that take no room of their own: files of the store under a second name.
    pub linked_bytes: u64,
}

impl Inner {
    /// See [`crate::Engine::snapshot`].
    pub(crate) fn snapshot(&self, dir: &Path) -> Result<SnapshotReport, Error> {
        let fs = &self.env.fs;
        let target = Target::claim(&**fs, dir)?;
        // Nothing that the version names goes away meanwhile.
        let _no_merge = self.compacting.lock();
        let mut no_flush = self.flushing.lock();
        // Tables of rollups, too, are copied between two changes of them.
        let _no_rollup = self.rollups.lock_tables();
        let copied = flush::flush_alone(self, &mut no_flush, OpenChunks::Keep).and_then(|_| {
            // What is not in a block is in the checkpoint now, and the log need not be copied.
            let version = self.manifest.current();
            let leave_bytes = self.reserve_bytes();
            let source = Source {
                blocks: &self.block_dir,
                wal: &self.wal_dir,
                rollups: &self.wal_dir.with_file_name(LOCAL_DIR),
                segments: Vec::new(),
                version: &version,
            };
            Copier { fs, how: How::Link { leave_bytes }, report: SnapshotReport::default() }
                .copy(&source, dir)
        });
        let report = target.keep_if(copied)?;
        info!(dir = %dir.display(), blocks = report.blocks, bytes = report.bytes, "snapshot written");
        Ok(report)
    }
}

/// Copies the store in `from`, a snapshot or any other data directory that nobody has open, to `to`, after every byte of
/// it was checked. `to` must not exist, or be empty.
///
/// # Errors
/// When `from` is damaged ([`Error::DamagedCopy`]), in use or no store, when there is something in `to`, and when
/// reading or writing fails: `to` is no data directory then.
pub fn restore(fs: &Arc<dyn Fs>, from: &Path, to: &Path) -> Result<SnapshotReport, Error> {
    check_vacant(&**fs, to)?;
    let checked = verify(fs, from)?;
    if let Some(file) = checked.files.iter().find(|file| !file.damages.is_empty()) {
        return Err(Error::DamagedCopy { path: file.path.clone() });
    }
    let _lock = verify::share_lock(&**fs, from)?;
    let Some(manifest) = manifest::read(&**fs, &from.join("manifest"))? else {
        return Err(Error::NoStore { path: from.to_owned() });
    };
    let (blocks, wal) = (from.join("blocks"), from.join("wal"));
    let segments = segment_paths_from(&**fs, &wal, manifest.version.wal_start().segment)?;
    let rollups = from.join(LOCAL_DIR);
    let source =
        Source { blocks: &blocks, wal: &wal, rollups: &rollups, segments, version: &manifest.version };
    let target = Target::claim(&**fs, to)?;
    let copier = Copier { fs, how: How::Copy, report: SnapshotReport::default() };
    target.keep_if(copier.copy(&source, to))
}

/// A directory that nothing is in, and that nobody else makes a store of meanwhile.
struct Target<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    lock: LockGuard,
}

impl<'a> Target<'a> {
    fn claim(fs: &'a dyn Fs, dir: &'a Path) -> Result<Self, Error> {
        // Before the lock, which would be left among what is there.
        check_vacant(fs, dir)?;
        create_durably(fs, dir)?;
        let path = dir.join(LOCK);
        let lock = fs.lock(&path).map_err(|source| Error::Locked { path, source })?;
        check_vacant(fs, dir)?;
        Ok(Self { fs, dir, lock })
    }

    /// Lets go of the directory, and of what is in it if the copy failed: on a full disk the room is wanted back. What
    /// cannot be removed is no data directory.
    fn keep_if<T>(self, copied: Result<T, Error>) -> Result<T, Error> {
        if copied.is_err() {
            drop(self.fs.remove_dir_all(self.dir));
        }
        drop(self.lock);
        copied
    }
}

/// Refuses a directory with something in it.
fn check_vacant(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    match fs.list(dir) {
        Ok(entries) if entries.iter().all(|entry| entry.name == LOCK) => Ok(()),
        Ok(_) => Err(Error::Occupied { path: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}

/// What a store consists of, and where it is.
struct Source<'a> {
    blocks: &'a Path,
    wal: &'a Path,
    /// Tables of rollups; there need not be any.
    rollups: &'a Path,
    /// Segments of the log that belong to it.
    segments: Vec<PathBuf>,
    version: &'a Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A second name where the file system can, since blocks and checkpoints never change. Where it cannot, copies leave
    /// so many bytes of the disk to the store.
    Link { leave_bytes: u64 },
    /// Bytes of its own.
    Copy,
}

struct Copier<'a> {
    fs: &'a Arc<dyn Fs>,
    how: How,
    report: SnapshotReport,
}

impl Copier<'_> {
    /// Copies everything to `to`, durably, the manifest last.
    fn copy(mut self, source: &Source<'_>, to: &Path) -> Result<SnapshotReport, Error> {
        let fs = &**self.fs;
        let (block_dir, wal_dir, manifest_dir) = (to.join("blocks"), to.join("wal"), to.join("manifest"));
        for dir in [&block_dir, &wal_dir, &manifest_dir] {
            fs.create_dir_all(dir).map_err(Error::io("create", dir))?;
        }
        self.report.blocks = source.version.blocks().len();
        // The others lie in object storage, from where the copy reads them as well.
        for block in source.version.blocks().iter().filter(|block| source.version.has_file(block.id)) {
            self.transfer(&block_path(source.blocks, block.id), &block_path(&block_dir, block.id))?;
        }
        if let Some(number) = source.version.wal_start().checkpoint {
            let from = checkpoint_file::path(source.wal, number);
            self.transfer(&from, &checkpoint_file::path(&wal_dir, number))?;
        }
        for segment in &source.segments {
            self.transfer(segment, &wal_dir.join(segment.file_name().unwrap_or_default()))?;
        }
        for dir in [&block_dir, &wal_dir] {
            fs.sync_dir(dir).map_err(Error::io("sync", dir))?;
        }
        self.copy_dir(source.rollups, &to.join(LOCAL_DIR))?;
        // What the copy rolls up must not be taken for what this store has rolled up.
        manifest::write(self.fs, &manifest_dir, &source.version.for_copy())?;
        fs.sync_dir(to).map_err(Error::io("sync", to))?;
        Ok(self.report)
    }

    /// Copies what lies in `from`, durably, if it is there. Names that begin with a dot are of what was being written.
    fn copy_dir(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        let fs = Arc::clone(self.fs);
        let entries = match fs.list(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::io("list", from))?,
        };
        fs.create_dir_all(to).map_err(Error::io("create", to))?;
        for entry in entries.into_iter().filter(|entry| !entry.name.starts_with('.')) {
            let (from, to) = (from.join(&entry.name), to.join(&entry.name));
            if entry.is_dir { self.copy_dir(&from, &to) } else { self.transfer(&from, &to) }?;
        }
        fs.sync_dir(to).map_err(Error::io("sync", to))
    }

    /// Gives the file at `from` to the copy, under the name `to`. The name is not durable yet.
    fn transfer(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        let fs = &**self.fs;
        let bytes = fs.file_len(from).map_err(Error::io("look at", from))?;
        self.report.files += 1;
        self.report.bytes += bytes;
        if let How::Link { leave_bytes } = self.how {
            match fs.link(from, to) {
                Ok(()) => {
                    self.report.linked_bytes += bytes;
                    return Ok(());
                }
                // Another file system, or one without links.
                Err(error) if has_no_link(error.kind()) => check_room(fs, to, bytes, leave_bytes)?,
                Err(error) => return Err(Error::io("link", to)(error)),
            }
        }
        copy_bytes(fs, from, to, bytes)
    }
}

/// Whether a file of `bytes` bytes leaves as many as `leave_bytes` of the disk.
fn check_room(fs: &dyn Fs, file: &Path, bytes: u64, leave_bytes: u64) -> Result<(), Error> {
    let path = file.parent().unwrap_or(file).to_owned();
    let available = fs.available_bytes(&path).map_err(Error::io("look for room in", &path))?;
    let available_bytes = available.saturating_sub(leave_bytes);
    if bytes <= available_bytes {
        return Ok(());
    }
    Err(Error::NoRoom { operation: "a snapshot", path, needed_bytes: bytes, available_bytes })
}

const fn has_no_link(error: io::ErrorKind) -> bool {
    use io::ErrorKind;
    matches!(
        error,
        ErrorKind::CrossesDevices
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::TooManyLinks
    )
}

fn copy_bytes(fs: &dyn Fs, from: &Path, to: &Path, len: u64) -> Result<(), Error> {
    let source = fs.open(from, OpenMode::Read).map_err(Error::io("open", from))?;
    let target = fs.open(to, OpenMode::CreateNew).map_err(Error::io("create", to))?;
    let mut buf = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < len {
        let part = usize::try_from(len - offset).unwrap_or(usize::MAX).min(COPY_BYTES);
        source.read_at(&mut buf[..part], offset).map_err(Error::io("read", from))?;
        target.write_at(&buf[..part], offset).map_err(Error::io("write", to))?;
        offset += part as u64;
    }
    target.sync_data().map_err(Error::io("sync", to))
}
