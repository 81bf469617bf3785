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
    engine::{Inner, create_durably},
    env::{Fs, OpenMode},
    error::Error,
    flush::{self, OpenChunks},
    manifest::{self, Version},
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
    /// Files: blocks, checkpoint, segments of the log.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes of these that take no room of their own: files of the store under a second name.
    pub linked_bytes: u64,
}

impl Inner {
    /// See [`crate::Engine::snapshot`].
    pub(crate) fn snapshot(&self, dir: &Path) -> Result<SnapshotReport, Error> {
        check_vacant(&*self.env.fs, dir)?;
        // Nothing that the version names goes away meanwhile.
        let _no_merge = self.compacting.lock();
        let mut no_flush = self.flushing.lock();
        // What is not in a block is in the checkpoint then, and the log need not be copied.
        flush::flush_alone(self, &mut no_flush, OpenChunks::Keep)?;
        let version = self.manifest.current();
        let files = Files { blocks: &self.block_dir, wal: &self.wal_dir, segments: Vec::new() };
        let report = copy(&self.env.fs, &files, &version, dir, How::Link)?;
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
    let files = Files { blocks: &blocks, wal: &wal, segments };
    copy(fs, &files, &manifest.version, to, How::Copy)
}

/// Where the files of a store are.
struct Files<'a> {
    blocks: &'a Path,
    wal: &'a Path,
    /// Segments of the log that belong to it.
    segments: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A second name where the file system can, since these files never change.
    Link,
    /// Bytes of its own.
    Copy,
}

/// Refuses a directory with something in it.
fn check_vacant(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    match fs.list(dir) {
        Ok(entries) if entries.is_empty() => Ok(()),
        Ok(_) => Err(Error::Occupied { path: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}

fn copy(
    fs: &Arc<dyn Fs>,
    files: &Files<'_>,
    version: &Version,
    to: &Path,
    how: How,
) -> Result<SnapshotReport, Error> {
    let copied = copy_files(fs, files, version, to, how);
    if copied.is_err() {
        // On a full disk the room is wanted back; what cannot be removed is no data directory.
        drop(fs.remove_dir_all(to));
    }
    copied
}

fn copy_files(
    fs: &Arc<dyn Fs>,
    files: &Files<'_>,
    version: &Version,
    to: &Path,
    how: How,
) -> Result<SnapshotReport, Error> {
    let (block_dir, wal_dir, manifest_dir) = (to.join("blocks"), to.join("wal"), to.join("manifest"));
    create_durably(&**fs, to)?;
    for dir in [&block_dir, &wal_dir, &manifest_dir] {
        fs.create_dir_all(dir).map_err(Error::io("create", dir))?;
    }
    let mut report = SnapshotReport { blocks: version.blocks().len(), ..SnapshotReport::default() };
    for block in version.blocks() {
        let from = block_path(files.blocks, block.id);
        transfer(&**fs, &from, &block_path(&block_dir, block.id), how, &mut report)?;
    }
    if let Some(number) = version.wal_start().checkpoint {
        let from = checkpoint_file::path(files.wal, number);
        transfer(&**fs, &from, &checkpoint_file::path(&wal_dir, number), how, &mut report)?;
    }
    for segment in &files.segments {
        let to = wal_dir.join(segment.file_name().unwrap_or_default());
        transfer(&**fs, segment, &to, How::Copy, &mut report)?;
    }
    for dir in [&block_dir, &wal_dir] {
        fs.sync_dir(dir).map_err(Error::io("sync", dir))?;
    }
    manifest::write(fs, &manifest_dir, version)?;
    fs.sync_dir(to).map_err(Error::io("sync", to))?;
    Ok(report)
}

/// Gives the file at `from` to the copy, under the name `to`. The name is not durable yet.
fn transfer(fs: &dyn Fs, from: &Path, to: &Path, how: How, report: &mut SnapshotReport) -> Result<(), Error> {
    let bytes = fs.file_len(from).map_err(Error::io("look at", from))?;
    report.files += 1;
    report.bytes += bytes;
    if how == How::Link {
        match fs.link(from, to) {
            Ok(()) => {
                report.linked_bytes += bytes;
                return Ok(());
            }
            // Another file system, or one without links.
            Err(error) if has_no_link(error.kind()) => {}
            Err(error) => return Err(Error::io("link", to)(error)),
        }
    }
    copy_bytes(fs, from, to, bytes)
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
