//! Object storage over the network: S3 and what speaks like it, Google's, Azure's.
//!
//! * `open` - which store a URL is, and how long it is tried to be reached
//! * `upload` - objects in parts
//! * `runtime` - the thread on which requests are made
//! * `error` - what errors mean

mod error;
mod open;
mod runtime;
mod upload;

use std::{future::Future, ops::Range, sync::Arc};

use bytes::Bytes;
use error::Explainer;
use futures_util::TryStreamExt;
use object_store::{ObjectStoreExt, PutMode, PutPayload, coalesce_ranges, path::Path};
use runtime::Runtime;
use upload::RemoteUpload;

use super::{ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, PlaceOptions, Upload};

/// Ranges that are no farther apart than this are read with one request: two thirds of what a query reads would be read
/// for nothing with object storage's usual megabyte.
const COALESCE_BYTES: u64 = 64 << 10;

/// A bucket, or what is below a prefix of it.
///
/// A request that fails in a way which may pass is tried again, for seconds; then the error is
/// [`ObjectErrorKind::Unavailable`]. Whoever looks after tiers tries again later.
#[derive(Debug, Clone)]
pub struct RemoteStore {
    store: Arc<dyn object_store::ObjectStore>,
    /// Without `/` at its ends.
    prefix: String,
    runtime: Runtime,
    explainer: Explainer,
}

impl RemoteStore {
    /// The place `url`: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Credentials and endpoints are
    /// those of the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`) or of the machine, unless `options` have others. Nothing is
    /// asked of it yet.
    ///
    /// # Errors
    /// [`ObjectErrorKind::Unsupported`] when URL, options or environment cannot be right, and when there is no thread.
    pub fn open(url: &str, options: &PlaceOptions) -> Result<Self, ObjectError> {
        let (store, prefix) = open::bucket(url, options)?;
        let runtime = Runtime::start().map_err(|source| ObjectError::io("open", "", source))?;
        Ok(Self { store, prefix, runtime, explainer: Explainer::new(url, options.secrets()) })
    }

    fn path(&self, action: &'static str, key: &str) -> Result<Path, ObjectError> {
        let path = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        let parsed = Path::parse(path);
        parsed.map_err(|error| {
            self.explainer.problem(ObjectErrorKind::Unsupported, action, key, &error.to_string())
        })
    }

    /// Runs a request on the thread of the store.
    fn ask<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let answer = self.runtime.run(request).ok_or_else(|| bug(&self.explainer, action, key))?;
        answer.map_err(|error| self.explainer.error(action, key, &error))
    }

    fn put_with(
        &self,
        action: &'static str,
        key: &str,
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ObjectError> {
        let (store, path) = (Arc::clone(&self.store), self.path(action, key)?);
        self.ask(action, key, async move { store.put_opts(&path, body.into(), mode.into()).await }).map(drop)
    }

    /// The error for an object that ends before what was asked for, if that is why.
    fn too_short(&self, key: &str, ranges: &[Range<u64>]) -> Option<ObjectError> {
        let end = ranges.iter().map(|range| range.end).max()?;
        let size = self.size(key).ok().filter(|size| *size < end)?;
        let problem = format!("bytes up to {end} of {size} were asked for");
        Some(self.explainer.problem(ObjectErrorKind::Damaged, "read", key, &problem))
    }
}

/// The error for a request that ended without a result.
fn bug(explainer: &Explainer, action: &'static str, key: &str) -> ObjectError {
    explainer.problem(ObjectErrorKind::Unavailable, action, key, "the request ended by a bug")
}

impl ObjectStore for RemoteStore {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        let (store, path) = (Arc::clone(&self.store), self.path("read", key)?);
        self.ask("read", key, async move { store.get(&path).await?.bytes().await })
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        let (store, path) = (Arc::clone(&self.store), self.path("read", key)?);
        // No store answers a request for nothing.
        let wanted: Vec<Range<u64>> =
            ranges.iter().filter(|range| range.start < range.end).cloned().collect();
        let read = self.ask("read", key, async move {
            let fetch = |range: Range<u64>| whole_range(&*store, &path, range);
            coalesce_ranges(&wanted, fetch, COALESCE_BYTES).await
        });
        let mut read = match read {
            Ok(read) => read.into_iter(),
            Err(error) if error.kind == ObjectErrorKind::NotFound => return Err(error),
            Err(error) => return Err(self.too_short(key, ranges).unwrap_or(error)),
        };
        let part = |range: &Range<u64>| {
            if range.start < range.end { read.next().unwrap_or_default() } else { Bytes::new() }
        };
        Ok(ranges.iter().map(part).collect())
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        let (store, path) = (Arc::clone(&self.store), self.path("look for", key)?);
        self.ask("look for", key, async move { store.head(&path).await }).map(|meta| meta.size)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.put_with("write", key, body, PutMode::Overwrite)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.put_with("create", key, body, PutMode::Create)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        let path = self.path("write", key)?;
        Ok(Box::new(RemoteUpload::new(self.clone(), key, path)))
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let (store, path) = (Arc::clone(&self.store), self.path("remove", key)?);
        match self.ask("remove", key, async move { store.delete(&path).await }) {
            Err(error) if error.kind == ObjectErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        let below = format!("{}/{prefix}", self.prefix);
        let below = self.path_of_listing(below.trim_matches('/'))?;
        let after = after.map(|after| self.path("list", after)).transpose()?;
        let store = Arc::clone(&self.store);
        let listed = self.ask("list", prefix, async move {
            let listing = match &after {
                Some(after) => store.list_with_offset(below.as_ref(), after),
                None => store.list(below.as_ref()),
            };
            listing.try_collect::<Vec<_>>().await
        });
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let info = |meta: object_store::ObjectMeta| ObjectInfo {
            key: meta.location.as_ref().get(skipped..).unwrap_or_default().to_owned(),
            size: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        };
        let mut objects: Vec<ObjectInfo> = match listed {
            Ok(listed) => listed.into_iter().map(info).collect(),
            // Only a bucket that is not there is not found.
            Err(error) if error.kind == ObjectErrorKind::NotFound => {
                return Err(ObjectError { kind: ObjectErrorKind::Denied, ..error });
            }
            Err(error) => return Err(error),
        };
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }
}

impl RemoteStore {
    fn path_of_listing(&self, below: &str) -> Result<Option<Path>, ObjectError> {
        if below.is_empty() {
            return Ok(None);
        }
        let error = |error: object_store::path::Error| {
            self.explainer.problem(ObjectErrorKind::Unsupported, "list", below, &error.to_string())
        };
        Path::parse(below).map(Some).map_err(error)
    }
}

/// The bytes of a range, all of them: what is cut out of them later has to be there.
async fn whole_range(
    store: &dyn object_store::ObjectStore,
    path: &Path,
    range: Range<u64>,
) -> object_store::Result<Bytes> {
    let expected = range.end - range.start;
    let bytes = store.get_range(path, range).await?;
    if bytes.len() as u64 == expected {
        return Ok(bytes);
    }
    let source = format!("{} bytes came of {expected} that were asked for", bytes.len()).into();
    Err(object_store::Error::Generic { store: "range", source })
}

/// One object in one request.
async fn put_whole(
    store: Arc<dyn object_store::ObjectStore>,
    path: Path,
    body: PutPayload,
) -> object_store::Result<()> {
    store.put(&path, body).await.map(drop)
}
