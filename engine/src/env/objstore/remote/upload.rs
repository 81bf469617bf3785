//! Objects that are written in parts.

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use object_store::{MultipartUpload, ObjectStoreExt, path::Path};

use super::{RemoteStore, bug, put_whole, runtime::Task};
use crate::env::{ObjectError, ObjectErrorKind, ObjectStore, Upload};

/// Length of a part, the same for all but the last: some stores insist. 10,000 of them, which is what S3 takes, are 80 GB.
const PART_BYTES: usize = 8 << 20;
/// Parts that are on their way at once. With the one that is being filled three are in memory.
const PARTS_MAX: usize = 2;

type Parts = Box<dyn MultipartUpload>;

/// An upload that keeps few parts in memory. What fits into one part is an ordinary object: three requests less.
pub(super) struct RemoteUpload {
    store: RemoteStore,
    key: String,
    path: Path,
    buf: BytesMut,
    len: u64,
    /// Once there is more than one part.
    parts: Option<Parts>,
    on_their_way: VecDeque<Task<object_store::Result<()>>>,
}

impl RemoteUpload {
    pub(super) fn new(store: RemoteStore, key: &str, path: Path) -> Self {
        let (buf, on_their_way) = (BytesMut::new(), VecDeque::new());
        Self { store, key: key.to_owned(), path, buf, len: 0, parts: None, on_their_way }
    }

    /// Sends what is in the buffer.
    fn send(&mut self) -> Result<(), ObjectError> {
        let body = self.buf.split().freeze();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let (remote, path) = (Arc::clone(&self.store.store), self.path.clone());
                let begun = async move { remote.put_multipart(&path).await };
                none.insert(self.store.ask("write", &self.key, begun)?)
            }
        };
        let part = parts.put_part(body.into());
        self.on_their_way.push_back(self.store.runtime.spawn(part));
        self.wait_until(PARTS_MAX)
    }

    /// Waits until no more than so many parts are on their way.
    fn wait_until(&mut self, parts: usize) -> Result<(), ObjectError> {
        while self.on_their_way.len() > parts {
            let Some(part) = self.on_their_way.pop_front() else { break };
            let sent = part.wait().ok_or_else(|| bug(&self.store.explainer, "write", &self.key))?;
            sent.map_err(|error| self.store.explainer.error("write", &self.key, &error))?;
        }
        Ok(())
    }

    /// Puts the parts together.
    fn complete(&mut self, mut parts: Parts) -> Result<(), ObjectError> {
        let completed = self.store.ask("write", &self.key, async move { parts.complete().await });
        match completed {
            // The answer was lost, and at the second attempt there was no such upload any more.
            Err(error)
                if error.kind == ObjectErrorKind::NotFound
                    && self.store.size(&self.key).is_ok_and(|size| size == self.len) =>
            {
                Ok(())
            }
            completed => completed.map(drop),
        }
    }
}

impl Upload for RemoteUpload {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), ObjectError> {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(PART_BYTES - self.buf.len()));
            self.buf.extend_from_slice(taken);
            bytes = rest;
            // Only what is followed by something is known not to be the last part.
            if self.buf.len() == PART_BYTES && !bytes.is_empty() {
                self.send()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, ObjectError> {
        if self.parts.is_none() {
            let body = self.buf.split().freeze();
            let put = put_whole(Arc::clone(&self.store.store), self.path.clone(), body.into());
            self.store.ask("write", &self.key, put)?;
            return Ok(self.len);
        }
        self.send()?;
        self.wait_until(0)?;
        if let Some(parts) = self.parts.take() {
            self.complete(parts)?;
        }
        Ok(self.len)
    }
}

impl Drop for RemoteUpload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        let waited = std::mem::take(&mut self.on_their_way);
        // Nobody waits for it: what stays behind is for the store to clear up, which buckets can be told to.
        drop(self.store.runtime.spawn(async move { drop(parts.abort().await) }));
        drop(waited);
    }
}
