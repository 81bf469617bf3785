//! The operator's files: read where they lie, written under another name until they are whole.
#![expect(clippy::disallowed_methods, reason = "files of the operator's, no data of the store")]

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Bytes between a file and whoever writes to it.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}", path = path.display())]
pub(super) struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Makes the error of `action` on `path`.
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// A file that is read at any place.
#[derive(Debug)]
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    file: File,
    len: u64,
}

impl InputFile {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(FileError::of("open", path))?;
        let len = file.metadata().map_err(FileError::of("read", path))?.len();
        Ok(Self { path: path.to_owned(), file, len })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The bytes from `offset` on, `wanted` of them or as many as there are.
    pub(super) fn read_at(&self, offset: u64, wanted: usize) -> Result<Vec<u8>, FileError> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; wanted.min(left)];
        self.file.read_exact_at(&mut bytes, offset).map_err(FileError::of("read", &self.path))?;
        Ok(bytes)
    }

    /// Everything from the start.
    pub(super) fn into_inner(self) -> File {
        self.file
    }
}

/// All of a small file, if it exists.
pub(super) fn read_small(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
    match File::open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::of("open", path)(error)),
    }
    let file = InputFile::open(path)?;
    if file.len() > bytes_max {
        let error = io::Error::other(format!("{} bytes are more than {bytes_max}", file.len()));
        return Err(FileError::of("read", path)(error));
    }
    file.read_at(0, usize::try_from(file.len()).unwrap_or(usize::MAX)).map(Some)
}

pub(super) fn is_dir(path: &Path) -> Result<bool, FileError> {
    let metadata = std::fs::metadata(path).map_err(FileError::of("open", path))?;
    Ok(metadata.is_dir())
}

/// What lies in a directory, by name.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = std::fs::read_dir(dir).map_err(FileError::of("list", dir))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(FileError::of("list", dir))?;
    paths.sort();
    Ok(paths)
}

/// A file under way: under its name once it is whole and durable, else it never was.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    file: Option<BufWriter<File>>,
}

impl OutputFile {
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(FileError::of("create", &partial))?;
        let file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Self { path: path.to_owned(), partial, file })
    }

    /// Makes it durable, and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), FileError> {
        let file = self.file.take().map(BufWriter::into_inner).transpose();
        let file = file.map_err(|error| FileError::of("write", &self.partial)(error.into_error()))?;
        if let Some(file) = file {
            file.sync_all().map_err(FileError::of("sync", &self.partial))?;
        }
        let renamed = std::fs::rename(&self.partial, &self.path);
        renamed.map_err(FileError::of("rename", &self.partial))?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(FileError::of("sync", parent))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // It was not finished: what is there is of no use. If it cannot be removed its name says so.
            drop(std::fs::remove_file(&self.partial));
        }
    }
}
