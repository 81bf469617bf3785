//! Object storage as the engine sees it: whole objects under keys, and one conditional write.
//!
//! * `folder` - objects as files of a folder, the default
//! * `remote` - buckets of S3, Google and Azure (`object-storage`)
//! * `places` - which store a place is
//! * `probe` - whether the conditional writes of a store hold
//! * `fault` - a double: errors, lost answers and cut objects on demand (`test-util`)

#[cfg(any(test, feature = "test-util"))]
mod fault;
mod folder;
mod places;
mod probe;
#[cfg(feature = "object-storage")]
mod remote;
#[cfg(any(test, feature = "test-util"))]
mod suite;
#[cfg(test)]
mod tests;

use std::{error::Error as StdError, fmt, io, ops::Range};

use bytes::Bytes;

#[cfg(any(test, feature = "test-util"))]
pub use fault::{FaultObjects, ObjectFault};
pub use folder::FolderStore;
#[cfg(any(test, feature = "test-util"))]
pub use places::KnownPlaces;
pub(crate) use places::SystemPlaces;
pub use places::{PlaceOptions, Places};
pub use probe::{ProbeError, Probed, probe};
#[cfg(feature = "object-storage")]
pub use remote::RemoteStore;
#[cfg(any(test, feature = "test-util"))]
pub use suite::keeps_its_promises;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key: components separated by `/`, none of them empty, `.` or `..`.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, milliseconds, by the clock of the store; 0 where it has none.
    pub modified_ms: i64,
}

/// A place for objects.
///
/// **Durability.** An object is durable when the call that writes it returns. Objects appear whole or not at all, and
/// are never changed in place.
///
/// **Visibility.** What has been written is read and listed from then on, by everybody. (All stores named here promise
/// this; S3 since December 2020.)
///
/// **Lost answers.** An error may mean that the call has been carried out and its answer was lost. So may
/// [`ObjectErrorKind::AlreadyExists`] of [`ObjectStore::create`] where the store retries by itself: who must know has to
/// look what the object is.
pub trait ObjectStore: Send + Sync + fmt::Debug {
    /// A whole object.
    ///
    /// # Errors
    /// [`ObjectErrorKind::NotFound`], and errors of the store.
    fn get(&self, key: &str) -> Result<Bytes, ObjectError>;

    /// Parts of an object, each as long as was asked for.
    ///
    /// # Errors
    /// [`ObjectErrorKind::NotFound`], [`ObjectErrorKind::Damaged`] when the object ends before, and errors of the store.
    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError>;

    /// Length of an object.
    ///
    /// # Errors
    /// [`ObjectErrorKind::NotFound`], and errors of the store.
    fn size(&self, key: &str) -> Result<u64, ObjectError>;

    /// Writes an object, replacing one of this key.
    ///
    /// # Errors
    /// Errors of the store.
    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError>;

    /// Writes an object unless there is one of this key. Of several that try at once, one succeeds.
    ///
    /// # Errors
    /// [`ObjectErrorKind::AlreadyExists`], and errors of the store.
    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError>;

    /// Begins to write an object of unknown length, replacing one of this key when it is finished.
    ///
    /// # Errors
    /// Errors of the store.
    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError>;

    /// Removes an object. None of this key is no error.
    ///
    /// # Errors
    /// Errors of the store.
    fn delete(&self, key: &str) -> Result<(), ObjectError>;

    /// The objects whose keys begin with `prefix` (empty, or ending with `/`) and are behind `after`, sorted by key.
    ///
    /// # Errors
    /// Errors of the store.
    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError>;

    /// Asks that uploads leave so many bytes of the room to others. A store that has its room to itself leaves nothing.
    fn leave_free(&self, _bytes: u64) {}
}

/// An object that is being written. Dropped before it is finished it leaves nothing, or what a later clean-up removes.
pub trait Upload: Send {
    /// Adds bytes.
    ///
    /// # Errors
    /// Errors of the store. The upload cannot go on.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError>;

    /// Makes the object, and returns its length.
    ///
    /// # Errors
    /// Errors of the store.
    fn finish(self: Box<Self>) -> Result<u64, ObjectError>;
}

/// What an error of a store asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectErrorKind {
    /// There is no object of this key.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// The store does not accept who asks: settings must change.
    Denied,
    /// The store has no room.
    Full,
    /// The object is not what it was when it was written.
    Damaged,
    /// The store does not answer, or not in time: try again.
    Unavailable,
    /// The store cannot do what it was asked for.
    Unsupported,
}

/// An error of a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} object {key}: {source}")]
pub struct ObjectError {
    /// What it asks of the caller.
    pub kind: ObjectErrorKind,
    /// What failed, as a verb.
    pub action: &'static str,
    /// The object, or the prefix of a listing.
    pub key: String,
    /// Why.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl ObjectError {
    /// An error of this kind.
    pub fn new(
        kind: ObjectErrorKind,
        action: &'static str,
        key: &str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, action, key: key.to_owned(), source: source.into() }
    }

    /// The error of the operating system for the file of an object.
    #[must_use]
    pub fn io(action: &'static str, key: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ObjectErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ObjectErrorKind::AlreadyExists,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ObjectErrorKind::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ObjectErrorKind::Full,
            io::ErrorKind::UnexpectedEof => ObjectErrorKind::Damaged,
            io::ErrorKind::Unsupported => ObjectErrorKind::Unsupported,
            _ => ObjectErrorKind::Unavailable,
        };
        Self::new(kind, action, key, source)
    }
}

/// Passes what is written on to an upload.
pub struct UploadWriter(Box<dyn Upload>);

impl UploadWriter {
    /// A writer to `upload`.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>) -> Self {
        Self(upload)
    }

    /// Makes the object, and returns its length.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn finish(self) -> Result<u64, ObjectError> {
        self.0.finish()
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadWriter").finish_non_exhaustive()
    }
}

impl io::Write for UploadWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).map_err(io::Error::other)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
