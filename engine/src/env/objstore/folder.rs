//! Objects as files of a folder.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use hashbrown::HashSet;
use parking_lot::Mutex;

use super::{
    super::{DirEntry, File, Fs, OpenMode},
    ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, Upload,
};

/// Where objects lie until they are whole. Removed when the folder is opened; not listed.
const UNFINISHED: &str = ".unfinished";

/// A folder that keeps what [`ObjectStore`] promises, also when the power goes: an object is written under another name,
/// synced, and gets its key by a rename, or by a link where it must not replace another.
///
/// `object_store`'s own local store makes the same promises since its `with_fsync`; this one goes through [`Fs`], so
/// that the simulation crashes it at each of its syncs.
#[derive(Debug)]
pub struct FolderStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    /// Counts unfinished files.
    next: AtomicU64,
    /// Directories that are there and durable.
    known: Mutex<HashSet<PathBuf>>,
    /// Bytes of the file system that uploads leave to others.
    leave_free_bytes: AtomicU64,
}

impl FolderStore {
    /// Opens the folder `root`, and makes it if it is missing. One process may have it open for writing.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(fs: Arc<dyn Fs>, root: &Path) -> Result<Self, ObjectError> {
        let unfinished = root.join(UNFINISHED);
        let error = |action| move |source| ObjectError::io(action, "", source);
        if fs.exists(&unfinished).map_err(error("look for"))? {
            fs.remove_dir_all(&unfinished).map_err(error("clean up"))?;
        }
        let store = Self::read_only(fs, root);
        store.inner.make_dir(&unfinished).map_err(error("make the folder of"))?;
        Ok(store)
    }

    /// The folder `root` as it is, for who does not write: it need not be there.
    #[must_use]
    pub fn read_only(fs: Arc<dyn Fs>, root: &Path) -> Self {
        let inner = Inner {
            fs,
            root: root.to_owned(),
            next: AtomicU64::new(0),
            known: Mutex::default(),
            leave_free_bytes: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.inner.root.join(key)
    }

    fn open_object(&self, key: &str) -> Result<Arc<dyn File>, ObjectError> {
        let opened = self.inner.fs.open(&self.path(key), OpenMode::Read);
        opened.map_err(|source| ObjectError::io("read", key, source))
    }

    /// Writes a file beside the objects.
    fn write_unfinished(
        &self,
        action: &'static str,
        key: &str,
        body: &[u8],
    ) -> Result<Unfinished, ObjectError> {
        let mut file = Unfinished::create(&self.inner, action, key)?;
        file.append(body)?;
        Ok(file)
    }

    /// Appends the objects below `dir`, which is `prefix` among the keys.
    fn list_dir(&self, dir: &Path, prefix: &str, objects: &mut Vec<ObjectInfo>) -> std::io::Result<()> {
        let entries = match self.inner.fs.list(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for DirEntry { name, len, is_dir } in entries {
            if prefix.is_empty() && name == UNFINISHED {
                continue;
            }
            if is_dir {
                self.list_dir(&dir.join(&name), &format!("{prefix}{name}/"), objects)?;
            } else {
                let key = format!("{prefix}{name}");
                objects.push(ObjectInfo { key, size: len, modified_ms: 0 });
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Makes a directory and those above it, durably.
    fn make_dir(&self, dir: &Path) -> std::io::Result<()> {
        if self.known.lock().contains(dir) {
            return Ok(());
        }
        if dir != self.root
            && let Some(parent) = dir.parent()
        {
            self.make_dir(parent)?;
        }
        self.fs.create_dir_all(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.fs.sync_dir(parent)?;
        }
        self.known.lock().insert(dir.to_owned());
        Ok(())
    }
}

impl ObjectStore for FolderStore {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        let read = self.inner.fs.read(&self.path(key));
        read.map(Bytes::from).map_err(|source| ObjectError::io("read", key, source))
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        let error = |source| ObjectError::io("read", key, source);
        let file = self.open_object(key)?;
        let len = file.len().map_err(error)?;
        let read = |range: &Range<u64>| {
            if range.end > len || range.start > range.end {
                let problem = format!("bytes {} to {} of {len} were asked for", range.start, range.end);
                return Err(ObjectError::new(ObjectErrorKind::Damaged, "read", key, problem));
            }
            let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut bytes = vec![0; size];
            file.read_at(&mut bytes, range.start).map_err(error)?;
            Ok(Bytes::from(bytes))
        };
        ranges.iter().map(read).collect()
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        let len = self.inner.fs.file_len(&self.path(key));
        len.map_err(|source| ObjectError::io("look for", key, source))
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.write_unfinished("write", key, &body)?.publish(Publish::Replace).map(drop)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.write_unfinished("create", key, &body)?.publish(Publish::New).map(drop)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        Ok(Box::new(Unfinished::create(&self.inner, "write", key)?))
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.path(key);
        match self.inner.fs.remove(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(|source| ObjectError::io("remove", key, source))?,
        }
        let synced = path.parent().map_or(Ok(()), |dir| self.inner.fs.sync_dir(dir));
        synced.map_err(|source| ObjectError::io("remove", key, source))
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        let mut objects = Vec::new();
        let listed = self.list_dir(&self.inner.root.join(prefix), prefix, &mut objects);
        listed.map_err(|source| ObjectError::io("list", prefix, source))?;
        objects.retain(|object| after.is_none_or(|after| &*object.key > after));
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn leave_free(&self, bytes: u64) {
        self.inner.leave_free_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// How a file gets its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publish {
    Replace,
    New,
}

/// A file that has no key yet.
#[derive(Debug)]
struct Unfinished {
    inner: Arc<Inner>,
    file: Arc<dyn File>,
    path: PathBuf,
    key: String,
    action: &'static str,
    len: u64,
    /// Whether the file has to be removed.
    is_there: bool,
}

impl Unfinished {
    fn create(inner: &Arc<Inner>, action: &'static str, key: &str) -> Result<Self, ObjectError> {
        let number = inner.next.fetch_add(1, Ordering::Relaxed);
        let path = inner.root.join(UNFINISHED).join(number.to_string());
        let file = inner.fs.open(&path, OpenMode::CreateNew);
        let file = file.map_err(|source| ObjectError::io(action, key, source))?;
        Ok(Self { inner: Arc::clone(inner), file, path, key: key.to_owned(), action, len: 0, is_there: true })
    }

    fn error(&self, source: std::io::Error) -> ObjectError {
        ObjectError::io(self.action, &self.key, source)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.file.write_at(bytes, self.len).map_err(|source| self.error(source))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Only uploads are large enough to take the room that others need.
    fn check_room(&self, bytes: u64) -> Result<(), ObjectError> {
        let left = self.inner.leave_free_bytes.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(());
        }
        let available =
            self.inner.fs.available_bytes(&self.inner.root).map_err(|source| self.error(source))?;
        if bytes.saturating_add(left) <= available {
            return Ok(());
        }
        let problem = format!("{available} bytes are free, and {left} are left to the log and to flushes");
        Err(ObjectError::new(ObjectErrorKind::Full, self.action, &self.key, problem))
    }

    /// Gives the file its key, durably, and returns its length.
    fn publish(mut self, how: Publish) -> Result<u64, ObjectError> {
        let published = self.move_to_key(how);
        published.map_err(|source| self.error(source))?;
        Ok(self.len)
    }

    fn move_to_key(&mut self, how: Publish) -> std::io::Result<()> {
        let to = self.inner.root.join(&self.key);
        let dir = to.parent().unwrap_or(&self.inner.root).to_owned();
        self.inner.make_dir(&dir)?;
        self.file.sync_data()?;
        match how {
            Publish::Replace => {
                self.inner.fs.rename(&self.path, &to)?;
                self.is_there = false;
            }
            Publish::New => self.inner.fs.link(&self.path, &to)?,
        }
        self.inner.fs.sync_dir(&dir)
    }
}

impl Upload for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.check_room(bytes.len() as u64)?;
        self.append(bytes)
    }

    fn finish(self: Box<Self>) -> Result<u64, ObjectError> {
        self.publish(Publish::Replace)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_there {
            // What cannot be removed now is removed when the folder is opened.
            drop(self.inner.fs.remove(&self.path));
        }
    }
}
