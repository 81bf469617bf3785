//! One file of the manifest: written with a snapshot, then appended to.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::{
    manifest::{LOG_HEADER_BYTES, LOG_VERSION, LogHeader, decode_edits, encode_edit},
    wal::{Frame, encode_frame, find_frame, lsn_at, payload_checksum},
};

use super::{Edit, ManifestError, Version, edit::RecordError};
use crate::env::{File, Fs, OpenMode};

/// The only kind of frame there is.
const KIND_BATCH: u8 = 1;
/// Edits in one frame of a snapshot: bounds the frame, whatever the number of blocks.
const SNAPSHOT_FRAME_EDITS: usize = 1000;
/// A file that is not yet complete.
const NEW_NAME: &str = "new.tmp";

/// The file that edits are appended to.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    /// Where the next batch goes.
    end: u64,
}

/// Numbers of the manifest files in `dir`, ascending.
pub(super) fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<u64>, ManifestError> {
    let entries = fs.list(dir).map_err(ManifestError::io("list", dir))?;
    Ok(entries.iter().filter_map(|entry| parse_number(&entry.name)).collect())
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.log"))
}

fn parse_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    // A frame's place has 32 bits for it; a file with more is not ours.
    (number <= u64::from(u32::MAX)).then_some(number)
}

/// Writes file `number` with a snapshot of `version`: durable, its name included, once this returns.
///
/// # Errors
/// When it fails before the rename nothing has changed; see [`CreateError`].
pub(super) fn create(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    number: u64,
    version: &Version,
) -> Result<Log, CreateError> {
    let bytes = snapshot(version, number);
    let new = dir.join(NEW_NAME);
    let file =
        write_new(&**fs, &new, &bytes).map_err(|source| CreateError::Unchanged(new.clone(), source))?;
    let to = path(dir, number);
    fs.rename(&new, &to).map_err(|source| CreateError::Unchanged(new, source))?;
    fs.sync_dir(dir).map_err(CreateError::Unknown)?;
    Ok(Log { file, path: to, number, end: bytes.len() as u64 })
}

/// Why a file could not be written.
#[derive(Debug)]
pub(super) enum CreateError {
    /// The file before is still the one.
    Unchanged(PathBuf, io::Error),
    /// The directory could not be synced: either file may be found after a power loss.
    Unknown(io::Error),
}

fn write_new(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<Arc<dyn File>> {
    if fs.exists(path)? {
        fs.remove(path)?;
    }
    let file = fs.open(path, OpenMode::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    Ok(file)
}

fn snapshot(version: &Version, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; LOG_HEADER_BYTES];
    for edits in version.to_edits().chunks(SNAPSHOT_FRAME_EDITS) {
        encode_batch(edits, number, &mut bytes, 0);
    }
    let header = LogHeader { version: LOG_VERSION, number, snapshot_end: bytes.len() as u64 };
    bytes[..LOG_HEADER_BYTES].copy_from_slice(&header.encode());
    bytes
}

/// Appends the frame of one batch to `out`, whose first byte lies at `base` in the file.
fn encode_batch(edits: &[Edit], number: u64, out: &mut Vec<u8>, base: u64) {
    let mut payload = Vec::new();
    edits.iter().for_each(|edit| encode_edit(&edit.to_record(), &mut payload));
    let offset = u32::try_from(base + out.len() as u64).expect("a new file is begun long before 4 GiB");
    let frame = Frame {
        kind: KIND_BATCH,
        flags: 0,
        shard: 0,
        space: 0,
        lsn: lsn_at(number, offset),
        payload: &payload,
    };
    encode_frame(&frame, payload_checksum(&payload), out);
}

impl Log {
    /// Opens file `number` and reads it back: the version it leads to, and the number of edits behind its
    /// snapshot. A torn batch at its end, which was never acknowledged, is cut off.
    pub(super) fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        number: u64,
    ) -> Result<(Self, Version, usize), ManifestError> {
        let Content { path, version, edits, end, len } = read(&**fs, dir, number)?;
        let file = fs.open(&path, OpenMode::ReadWrite).map_err(ManifestError::io("open", &path))?;
        if end < len {
            tracing::info!(path = %path.display(), offset = end, "torn batch of the manifest cut off");
            file.set_len(end as u64).map_err(ManifestError::io("truncate", &path))?;
        }
        // What was read may be in the kernel only, its name included, when a process was killed before its
        // sync. From here on it counts, so that a power loss must not take it back.
        file.sync_data().map_err(ManifestError::io("sync", &path))?;
        fs.sync_dir(dir).map_err(ManifestError::io("sync", dir))?;
        Ok((Self { file, path, number, end: end as u64 }, version, edits))
    }

    /// Appends a batch, durably.
    pub(super) fn append(&mut self, edits: &[Edit]) -> Result<(), AppendError> {
        let mut bytes = Vec::new();
        encode_batch(edits, self.number, &mut bytes, self.end);
        self.file.write_at(&bytes, self.end).map_err(|source| match source.kind() {
            // The frame is not whole, so a reader takes it for torn, and the next batch overwrites it.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::NoSpace(source),
            _ => AppendError::Unknown("write", source),
        })?;
        self.file.sync_data().map_err(|source| AppendError::Unknown("sync", source))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Why a batch could not be appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// It is not in the manifest.
    NoSpace(io::Error),
    /// It may or may not be found after a restart.
    Unknown(&'static str, io::Error),
}

/// What a file holds.
pub(super) struct Content {
    pub(super) path: PathBuf,
    /// What its batches lead to.
    pub(super) version: Version,
    /// Edits behind the snapshot.
    pub(super) edits: usize,
    /// Where the last whole batch ends.
    pub(super) end: usize,
    /// Length of the file; behind `end` is a torn batch.
    pub(super) len: usize,
}

/// Reads file `number` back, and changes nothing.
pub(super) fn read(fs: &dyn Fs, dir: &Path, number: u64) -> Result<Content, ManifestError> {
    let path = path(dir, number);
    let bytes = fs.read(&path).map_err(ManifestError::io("read", &path))?;
    let mut reading = Reading { path: &path, number, bytes: &bytes, version: Version::default(), edits: 0 };
    let end = reading.read()?;
    let Reading { version, edits, .. } = reading;
    Ok(Content { version, edits, end, len: bytes.len(), path })
}

/// A file as it is read back.
struct Reading<'a> {
    path: &'a Path,
    number: u64,
    bytes: &'a [u8],
    version: Version,
    /// Edits behind the snapshot.
    edits: usize,
}

impl Reading<'_> {
    /// Applies every batch: the offset behind the last one.
    fn read(&mut self) -> Result<usize, ManifestError> {
        let header = LogHeader::decode(self.bytes).map_err(|error| self.corrupt(error.offset, error.what))?;
        if header.version > LOG_VERSION {
            let path = self.path.to_owned();
            return Err(ManifestError::Version { path, found: header.version, known: LOG_VERSION });
        }
        if header.number != self.number {
            return Err(self.corrupt(16, "manifest number"));
        }
        let mut offset = LOG_HEADER_BYTES;
        while offset < self.bytes.len() {
            match Frame::decode(self.bytes, self.number, offset) {
                Ok(frame) => {
                    let end = offset + frame.encoded_bytes();
                    self.apply(frame.payload, offset, end as u64 > header.snapshot_end)?;
                    offset = end;
                }
                Err(error) if self.is_damage(offset, &header) => {
                    return Err(self.corrupt(offset, error.what));
                }
                Err(_) => break,
            }
        }
        if (offset as u64) < header.snapshot_end {
            return Err(self.corrupt(offset, "manifest snapshot"));
        }
        Ok(offset)
    }

    /// Whether what does not decode at `offset` once did: the snapshot, or a batch with another one behind it.
    fn is_damage(&self, offset: usize, header: &LogHeader) -> bool {
        (offset as u64) < header.snapshot_end || find_frame(self.bytes, self.number, offset + 1).is_some()
    }

    fn apply(&mut self, payload: &[u8], offset: usize, counted: bool) -> Result<(), ManifestError> {
        let records = decode_edits(payload).map_err(|error| self.corrupt(offset, error.what))?;
        let edits = records.into_iter().map(Edit::from_record).collect::<Result<Vec<_>, _>>();
        let edits = edits.map_err(|error| self.refuse(error, offset))?;
        if counted {
            self.edits += edits.len();
        }
        self.version =
            self.version.after(&edits).map_err(|violation| self.corrupt(offset, violation.rule))?;
        Ok(())
    }

    fn refuse(&self, error: RecordError, offset: usize) -> ManifestError {
        match error {
            RecordError::Unknown { kind, version } => ManifestError::UnknownEdit {
                path: self.path.to_owned(),
                offset: offset as u64,
                kind,
                version,
            },
            RecordError::Matcher => self.corrupt(offset, "matcher"),
        }
    }

    fn corrupt(&self, offset: usize, what: &'static str) -> ManifestError {
        ManifestError::Corrupt { path: self.path.to_owned(), offset: offset as u64, what }
    }
}
