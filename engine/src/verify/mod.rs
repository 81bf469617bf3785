//! A whole data directory checked without changing it: what is damaged, and where.
//!
//! * `report` - what a check found
//! * `block` - one block: checksums, every chunk decoded, sums against the manifest
//! * `summaries` - the summaries of its chunks against their samples
//! * `index` - its label index against the labels of its series
//! * `tiers` - tables of rollups: their logs, and all rows
//!
//! It takes a share of the directory's lock, so that no server writes meanwhile, and several checks may.

mod block;
mod index;
mod report;
mod summaries;
mod tiers;

use std::{io, ops::Range, path::Path, sync::Arc};

use crate::{
    block::block_path,
    checkpoint_file,
    engine::LOCK,
    env::{Fs, LockGuard, OpenMode},
    error::Error,
    manifest::{self, ManifestError, ManifestFile, Version},
    wal::{self, CheckedSegment},
};

pub use report::{CheckedFile, Damage, FileKind, Unreadable, VerifyReport};

/// Bytes that are read at once when it is tried whether a file can be read.
const READ_BYTES: usize = 1 << 20;

/// Checks every file of the data directory `dir`, and changes nothing.
///
/// # Errors
/// When it cannot be checked: another process has it open, it is none, or a file may not be read.
pub fn verify(fs: &Arc<dyn Fs>, dir: &Path) -> Result<VerifyReport, Error> {
    let _lock = share_lock(&**fs, dir)?;
    let mut report = VerifyReport::default();
    let version = check_manifest(&**fs, dir, &mut report)?;
    check_blocks(&**fs, &dir.join("blocks"), version.as_ref(), &mut report)?;
    check_log(&**fs, &dir.join("wal"), version.as_ref(), &mut report)?;
    tiers::check(fs, dir, &mut report)?;
    Ok(report)
}

/// Keeps engines from opening the directory, as far as any has ever: a copy may lack the lock's file.
pub(crate) fn share_lock(fs: &dyn Fs, dir: &Path) -> Result<Option<LockGuard>, Error> {
    let path = dir.join(LOCK);
    match fs.lock_shared(&path) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) if source.kind() == io::ErrorKind::WouldBlock => Err(Error::Locked { path, source }),
        Err(error) => Err(Error::io("lock", &path)(error)),
    }
}

/// The version on disk; `None` when the manifest is damaged or gone.
fn check_manifest(fs: &dyn Fs, dir: &Path, report: &mut VerifyReport) -> Result<Option<Version>, Error> {
    let manifest_dir = dir.join("manifest");
    let exists = fs.exists(&manifest_dir).map_err(Error::io("look for", &manifest_dir))?;
    let read = if exists { manifest::read(fs, &manifest_dir) } else { Ok(None) };
    match read {
        Ok(Some(ManifestFile { path, version, bytes, torn_bytes })) => {
            if torn_bytes > 0 {
                report.notes.push(format!(
                    "{}: {torn_bytes} torn bytes at its end, cut off at the next start",
                    path.display()
                ));
            }
            let entries = version.blocks().len() as u64;
            report.files.push(CheckedFile { entries, ..CheckedFile::new(FileKind::Manifest, path, bytes) });
            Ok(Some(version))
        }
        Ok(None) if !has_blocks(fs, dir)? => Err(Error::NoStore { path: dir.to_owned() }),
        Ok(None) => {
            let mut file = CheckedFile::new(FileKind::Manifest, manifest_dir, 0);
            file.damage(None, "there is none, but there are blocks");
            report.files.push(file);
            Ok(None)
        }
        Err(ManifestError::Corrupt { path, offset, what }) => {
            let bytes = fs.file_len(&path).unwrap_or(0);
            let mut file = CheckedFile::new(FileKind::Manifest, path, bytes);
            file.damage(Some(offset), format!("invalid {what}"));
            report.files.push(file);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn has_blocks(fs: &dyn Fs, dir: &Path) -> Result<bool, Error> {
    let dir = dir.join("blocks");
    match fs.list(&dir) {
        Ok(entries) => Ok(entries.iter().any(|entry| id_of(&entry.name).is_some())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("list", &dir)(error)),
    }
}

/// The blocks of the version, or all that lie there when it is not known.
fn check_blocks(
    fs: &dyn Fs,
    dir: &Path,
    version: Option<&Version>,
    report: &mut VerifyReport,
) -> Result<(), Error> {
    let entries = fs.list(dir).map_err(Error::io("list", dir))?;
    for entry in &entries {
        match (id_of(&entry.name), version) {
            (Some(id), None) => report.files.push(block::check(fs, &dir.join(&entry.name), id, None)?),
            (Some(id), Some(version)) if version.block(id).is_some() && version.has_file(id) => {}
            _ => report.notes.push(format!(
                "{} is no live block, removed at the next start",
                dir.join(&entry.name).display()
            )),
        }
    }
    let Some(version) = version else { return Ok(()) };
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        version.blocks().iter().partition(|meta| version.has_file(meta.id));
    if !elsewhere.is_empty() {
        report.notes.push(format!("{} blocks lie in object storage, and are not checked", elsewhere.len()));
    }
    for meta in here {
        report.files.push(block::check(fs, &block_path(dir, meta.id), meta.id, Some(meta))?);
    }
    Ok(())
}

fn id_of(name: &str) -> Option<u64> {
    name.strip_suffix(".blk")?.parse().ok()
}

fn check_log(
    fs: &dyn Fs,
    dir: &Path,
    version: Option<&Version>,
    report: &mut VerifyReport,
) -> Result<(), Error> {
    let start = version.map(Version::wal_start);
    if let Some(number) = start.and_then(|start| start.checkpoint) {
        report.files.push(check_checkpoint(fs, dir, number)?);
    }
    let log = wal::check(fs, dir, start.map(|start| start.segment))?;
    for segment in log.segments {
        let torn_bytes = segment.torn_bytes;
        let file = wal_file(segment);
        if torn_bytes > 0 {
            report.notes.push(format!(
                "{}: {torn_bytes} bytes behind its last frame are left from an earlier use of the file, or from a write \
                 that was cut short; the next start cuts them off",
                file.path.display()
            ));
        }
        report.files.push(file);
    }
    for range in log.missing {
        for number in range {
            let mut file = CheckedFile::new(FileKind::WalSegment, wal::segment_path(dir, number), 0);
            file.damage(None, "the segment is missing");
            report.files.push(file);
        }
    }
    let quarantine = dir.join("quarantine");
    if fs.exists(&quarantine).map_err(Error::io("look for", &quarantine))? {
        let entries = fs.list(&quarantine).map_err(Error::io("list", &quarantine))?;
        let (count, bytes) = (entries.len(), entries.iter().map(|entry| entry.len).sum::<u64>());
        report.notes.push(format!(
            "{}: {count} files, {bytes} bytes that earlier starts found damaged",
            quarantine.display()
        ));
    }
    Ok(())
}

fn check_checkpoint(fs: &dyn Fs, dir: &Path, number: u64) -> Result<CheckedFile, Error> {
    let path = checkpoint_file::path(dir, number);
    let mut file = CheckedFile::new(FileKind::Checkpoint, path, 0);
    if !readable(fs, &mut file)? {
        return Ok(file);
    }
    match checkpoint_file::read(fs, dir, number) {
        Ok((frames, damaged)) => {
            file.entries = frames.len() as u64;
            damaged.into_iter().for_each(|Range { start, end }| {
                file.damage(Some(start as u64), format!("{} bytes hold no valid frame", end - start));
            });
        }
        Err(Error::Corrupt { source, .. }) => {
            file.damage(Some(source.offset as u64), format!("invalid {}", source.what))
        }
        Err(error) => return Err(error),
    }
    Ok(file)
}

fn wal_file(segment: CheckedSegment) -> CheckedFile {
    let mut file = CheckedFile::new(FileKind::WalSegment, segment.path, segment.bytes);
    file.entries = segment.frames;
    if segment.header_damaged {
        file.damage(Some(0), "the header is not this segment's");
    }
    if let Some(Range { start, end }) = segment.damaged {
        file.damage(Some(start), format!("{} bytes were written and hold no valid frame", end - start));
    }
    file
}

/// Reads a file from front to back without a mapping, under which an I/O error would end the process. Sets its
/// length; notes as damage where it cannot be read, and that it is missing.
fn readable(fs: &dyn Fs, file: &mut CheckedFile) -> Result<bool, Error> {
    let mut offset = 0;
    match read_through(fs, &file.path, &mut file.bytes, &mut offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::io("read", &file.path)(error))
        }
        Err(error) => {
            file.damage(Some(offset), format!("cannot be read: {error}"));
            Ok(false)
        }
    }
}

/// Reads a file to its end. `offset` is where the reading stands, also after an error.
fn read_through(fs: &dyn Fs, path: &Path, bytes: &mut u64, offset: &mut u64) -> io::Result<()> {
    let file = fs.open(path, OpenMode::Read)?;
    *bytes = file.len()?;
    let mut buf = vec![0; READ_BYTES];
    while *offset < *bytes {
        let len = usize::try_from(*bytes - *offset).unwrap_or(usize::MAX).min(READ_BYTES);
        file.read_at(&mut buf[..len], *offset)?;
        *offset += len as u64;
    }
    Ok(())
}
