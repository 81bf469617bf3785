//! The manifest on disk, and its current version.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::{Mutex, RwLock};

use super::{
    Edit, ManifestError, Version,
    log::{self, AppendError, CreateError, Log},
};
use crate::env::{Env, Fs};

/// A new file is begun after so many edits, or as many as the last snapshot had if that is more: so
/// the cost of snapshots stays a constant factor, and a start reads at most twice what it needs.
const SNAPSHOT_EDITS: usize = 64;

/// The manifest of one data directory. All methods may be called from several threads at once.
#[derive(Debug)]
pub struct ManifestStore {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    current: RwLock<Arc<Version>>,
    next_id: AtomicU64,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    edits_since_snapshot: usize,
    snapshot_after: usize,
    failed: Option<ManifestError>,
    stats: ManifestStats,
}

/// The manifest as it lies on disk, read without opening it for changes.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Bytes of a batch at its end that was cut short, and that the next start cuts off.
    pub(crate) torn_bytes: u64,
}

/// Reads the manifest in `dir`; `None` when there is none.
///
/// # Errors
/// As [`ManifestStore::open`].
pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> Result<Option<ManifestFile>, ManifestError> {
    let Some(number) = log::list(fs, dir)?.pop() else { return Ok(None) };
    let log::Content { path, version, end, len, .. } = log::read(fs, dir, number)?;
    Ok(Some(ManifestFile { path, version, bytes: len as u64, torn_bytes: (len - end) as u64 }))
}

/// Writes a manifest that says `version` into `dir`, which has none: durable, its name included, once this returns.
///
/// # Errors
/// I/O errors.
pub(crate) fn write(fs: &Arc<dyn Fs>, dir: &Path, version: &Version) -> Result<(), ManifestError> {
    log::create(fs, dir, 1, version).map(drop).map_err(|error| error.into_error(dir))
}

/// What the manifest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ManifestStats {
    /// Edits applied since it was opened.
    pub edits_total: u64,
    /// Batches of them.
    pub batches_total: u64,
    /// Files begun with a snapshot.
    pub snapshots_total: u64,
    /// Number of the current file.
    pub file: u64,
    /// Whether it takes no more edits.
    pub failed: bool,
}

impl ManifestStore {
    /// Opens the manifest in `dir`, or begins one where there is none.
    ///
    /// # Errors
    /// [`ManifestError::Corrupt`] with file and offset when it is damaged, [`ManifestError::Version`] and
    /// [`ManifestError::UnknownEdit`] when a later release wrote it, I/O errors.
    pub fn open(env: &Env, dir: &Path) -> Result<(Self, Arc<Version>), ManifestError> {
        let fs = Arc::clone(&env.fs);
        fs.create_dir_all(dir).map_err(ManifestError::io("create", dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs.sync_dir(parent).map_err(ManifestError::io("sync", parent))?;
        }
        let mut numbers = log::list(&*fs, dir)?;
        let (log, version, edits) = match numbers.pop() {
            Some(number) => Log::open(&fs, dir, number)?,
            None => (
                log::create(&fs, dir, 1, &Version::default()).map_err(|e| e.into_error(dir))?,
                Version::default(),
                0,
            ),
        };
        let version = Arc::new(version);
        let store = Self {
            dir: dir.to_owned(),
            current: RwLock::new(Arc::clone(&version)),
            next_id: AtomicU64::new(version.next_id()),
            writer: Mutex::new(Writer {
                log,
                edits_since_snapshot: edits,
                snapshot_after: SNAPSHOT_EDITS.max(version.to_edits().len()),
                failed: None,
                stats: ManifestStats::default(),
            }),
            fs,
        };
        // A crash came between the snapshot and this.
        numbers.into_iter().for_each(|number| store.remove(number));
        Ok((store, version))
    }

    /// The current version. Cheap: a reference count.
    #[must_use]
    pub fn current(&self) -> Arc<Version> {
        Arc::clone(&self.current.read())
    }

    /// Whether edits are taken at all.
    ///
    /// # Errors
    /// [`ManifestError::Failed`] once an earlier edit has.
    pub fn check(&self) -> Result<(), ManifestError> {
        self.writer.lock().failed.clone().map_or(Ok(()), Err)
    }

    /// A new id for a block or tombstone. It is given out again after a restart if nothing that bears it was
    /// committed: a file with such an id is in no version and is removed at start.
    pub fn allocate_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// Applies `edits` as a whole: durable, and then visible, once this returns. One caller after the other.
    ///
    /// # Errors
    /// [`ManifestError::Refused`] and [`ManifestError::NoSpace`]: nothing has changed. [`ManifestError::Failed`]:
    /// whether the edits are found after a restart is unknown, and no more are taken until then.
    pub fn apply(&self, edits: Vec<Edit>) -> Result<Arc<Version>, ManifestError> {
        let mut writer = self.writer.lock();
        if let Some(failed) = &writer.failed {
            return Err(failed.clone());
        }
        let before = self.current();
        if edits.is_empty() {
            return Ok(before);
        }
        let version = Arc::new(before.after(&edits)?);
        writer.append(&edits)?;
        self.next_id.fetch_max(version.next_id(), Relaxed);
        *self.current.write() = Arc::clone(&version);
        if writer.edits_since_snapshot >= writer.snapshot_after {
            self.snapshot(&mut writer, &version);
        }
        Ok(version)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> ManifestStats {
        let writer = self.writer.lock();
        ManifestStats { file: writer.log.number, failed: writer.failed.is_some(), ..writer.stats }
    }

    /// Goes on in a new file that begins with `version`. Failing here takes nothing back: the edits are
    /// durable in the file before.
    fn snapshot(&self, writer: &mut Writer, version: &Version) {
        match log::create(&self.fs, &self.dir, writer.log.number + 1, version) {
            Ok(log) => {
                let before = std::mem::replace(&mut writer.log, log);
                writer.edits_since_snapshot = 0;
                writer.snapshot_after = SNAPSHOT_EDITS.max(version.to_edits().len());
                writer.stats.snapshots_total += 1;
                self.remove(before.number);
            }
            Err(CreateError::Unchanged(path, error)) => {
                tracing::warn!(
                    path = %path.display(),
                    %error,
                    "manifest snapshot not written, tried again with the next edit"
                );
            }
            Err(CreateError::Unknown(source)) => {
                writer.fail("sync", self.dir.clone(), source);
            }
        }
    }

    /// Removes a file that a later one replaces. If it stays, the next start removes it.
    fn remove(&self, number: u64) {
        let path = log::path(&self.dir, number);
        if let Err(error) = self.fs.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "old manifest file not removed");
        }
    }
}

impl Writer {
    fn append(&mut self, edits: &[Edit]) -> Result<(), ManifestError> {
        match self.log.append(edits) {
            Ok(()) => {
                self.edits_since_snapshot += edits.len();
                self.stats.edits_total += edits.len() as u64;
                self.stats.batches_total += 1;
                Ok(())
            }
            Err(AppendError::NoSpace(source)) => {
                Err(ManifestError::NoSpace { path: self.log.path.clone(), source: Arc::new(source) })
            }
            Err(AppendError::Unknown(operation, source)) => {
                Err(self.fail(operation, self.log.path.clone(), source))
            }
        }
    }

    /// Takes no more edits from now on: the error that everybody gets.
    fn fail(&mut self, operation: &'static str, path: PathBuf, source: io::Error) -> ManifestError {
        tracing::error!(
            operation,
            path = %path.display(),
            error = %source,
            "manifest failed, no more edits are taken"
        );
        let error = ManifestError::Failed { operation, path, source: Arc::new(source) };
        self.failed.get_or_insert(error).clone()
    }
}

impl CreateError {
    fn into_error(self, dir: &Path) -> ManifestError {
        match self {
            Self::Unchanged(path, source) if source.kind() == io::ErrorKind::StorageFull => {
                ManifestError::NoSpace { path, source: Arc::new(source) }
            }
            Self::Unchanged(path, source) => ManifestError::io("write", path)(source),
            Self::Unknown(source) => ManifestError::io("sync", dir)(source),
        }
    }
}
