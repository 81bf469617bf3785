//! Segment files: their names, how one is begun, and what becomes of those no longer needed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::wal::{SEGMENT_VERSION, SegmentHeader};

use super::WalError;
use crate::env::{File, Fs, OpenMode};

/// A file with a higher number is not ours. Half of what a place in the log can name, so that there are numbers left
/// for more rotations than a life has seconds, whatever lies in the directory.
const NUMBER_MAX: u64 = (u32::MAX / 2) as u64;

/// A file that is not yet a segment, and has no number that it could have been.
const NEW_NAME: &str = "new.tmp";

/// What lies in the directory of a log.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers of the segments, ascending.
    pub(super) segments: Vec<u64>,
    /// Names of the spare files.
    pub(super) spares: Vec<String>,
    /// The highest number any segment or spare has. It is never given out again: a spare may hold
    /// frames that would be valid in it.
    pub(super) number_max: u64,
}

/// The files of one log.
#[derive(Debug, Clone)]
pub(super) struct SegmentFiles {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
}

/// Why a segment could not be begun.
#[derive(Debug)]
pub(super) enum BeginError {
    /// Nothing has changed.
    Refused(WalError),
    /// A sync failed: what is on disk is unknown.
    Sync { path: PathBuf, source: io::Error },
}

impl SegmentFiles {
    /// The path of segment `number`.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        path(&self.dir, number)
    }

    /// Begins segment `number` in the file `spare`, or a new one: allocated in full, its header and its
    /// name durable.
    ///
    /// The file gets its name last: a crash on the way leaves a spare, or a file called [`NEW_NAME`].
    pub(super) fn begin(&self, number: u64, spare: Option<&str>) -> Result<Arc<dyn File>, BeginError> {
        let (name, file) = match spare {
            Some(name) => (name.to_owned(), self.open(&self.dir.join(name)).map_err(BeginError::Refused)?),
            None => (NEW_NAME.to_owned(), self.create().map_err(BeginError::Refused)?),
        };
        let from = self.dir.join(name);
        let filled = self.fill(&file, number, &from);
        if spare.is_none() && matches!(filled, Err(BeginError::Refused(_))) {
            // Gives back the room that was found; if it cannot, the next attempt finds the file.
            self.fs.remove(&from).ok();
        }
        filled?;
        let to = self.path(number);
        let rename = self.fs.rename(&from, &to);
        rename.map_err(WalError::io("rename", &from)).map_err(BeginError::Refused)?;
        self.fs.sync_dir(&self.dir).map_err(|source| BeginError::Sync { path: self.dir.clone(), source })?;
        Ok(file)
    }

    fn fill(&self, file: &Arc<dyn File>, number: u64, path: &Path) -> Result<(), BeginError> {
        file.allocate(self.segment_bytes)
            .map_err(|source| BeginError::Refused(self.no_room(path, source)))?;
        let header = SegmentHeader { version: SEGMENT_VERSION, segment: number, space: 0 };
        let write = file.write_at(&header.encode(), 0);
        write.map_err(WalError::io("write", path)).map_err(BeginError::Refused)?;
        file.sync_data().map_err(|source| BeginError::Sync { path: path.to_owned(), source })
    }

    fn create(&self) -> Result<Arc<dyn File>, WalError> {
        let path = self.dir.join(NEW_NAME);
        match self.fs.open(&path, OpenMode::CreateNew) {
            Ok(file) => Ok(file),
            // Left by an attempt that was cut short.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.open(&path),
            Err(source) => Err(self.no_room(&path, source)),
        }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn File>, WalError> {
        self.fs.open(path, OpenMode::ReadWrite).map_err(WalError::io("open", path))
    }

    fn no_room(&self, path: &Path, source: io::Error) -> WalError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let source = Arc::new(source);
            return WalError::NoSpace { dir: self.dir.clone(), bytes: self.segment_bytes, source };
        }
        WalError::io("allocate", path)(source)
    }

    /// Makes segment `number` a spare: its new name.
    pub(super) fn recycle(&self, number: u64) -> Result<String, WalError> {
        let name = spare_name(number);
        let from = self.path(number);
        self.fs.rename(&from, &self.dir.join(&name)).map_err(WalError::io("rename", from))?;
        Ok(name)
    }

    /// Removes segment `number`.
    pub(super) fn remove(&self, number: u64) -> Result<(), WalError> {
        let path = self.path(number);
        self.fs.remove(&path).map_err(WalError::io("remove", path))
    }

    /// Removes the spare called `name`.
    pub(super) fn remove_spare(&self, name: &str) -> Result<(), WalError> {
        let path = self.dir.join(name);
        self.fs.remove(&path).map_err(WalError::io("remove", path))
    }

    pub(super) fn sync_dir(&self) -> Result<(), WalError> {
        self.fs.sync_dir(&self.dir).map_err(WalError::io("sync", &self.dir))
    }
}

/// The path of segment `number` in `dir`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.wal"))
}

/// Paths of the segments in `dir` from number `from` on, ascending.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn paths_from(fs: &dyn Fs, dir: &Path, from: u64) -> Result<Vec<PathBuf>, WalError> {
    let numbers = list(fs, dir)?.segments.into_iter().filter(|number| *number >= from);
    Ok(numbers.map(|number| path(dir, number)).collect())
}

/// The segments and spares in `dir`; nothing when there is no such directory.
pub(super) fn list(fs: &dyn Fs, dir: &Path) -> Result<Listing, WalError> {
    let entries = match fs.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(WalError::io("list", dir)(error)),
    };
    let mut listing = Listing::default();
    for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
        let spare = entry.name.strip_prefix("spare-");
        let Some(number) = parse_number(spare.unwrap_or(&entry.name)) else { continue };
        listing.number_max = listing.number_max.max(number);
        if spare.is_some() {
            listing.spares.push(entry.name);
        } else {
            listing.segments.push(number);
        }
    }
    // The names sort as the numbers do.
    Ok(listing)
}

fn spare_name(number: u64) -> String {
    format!("spare-{number:016}.wal")
}

fn parse_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal").filter(|digits| digits.len() == 16)?;
    let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    (number <= NUMBER_MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(path(Path::new("wal"), 7), Path::new("wal/0000000000000007.wal"));
        assert_eq!(parse_number("0000000000000007.wal"), Some(7));
        for foreign in ["0000002147483648.wal", "7.wal", "+000000000000007.wal", "checkpoint-7.ckpt", ""] {
            assert_eq!(parse_number(foreign), None, "{foreign}");
        }
    }
}
