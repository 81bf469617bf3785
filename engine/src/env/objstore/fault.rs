//! A store that fails when a test wants it to.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{super::Rng, ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, Upload};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFault {
    /// It is not carried out.
    Fails,
    /// It is carried out, and the answer is lost.
    AnswerIsLost,
    /// It is carried out, tried again by the client, and the second answer is what the caller gets.
    IsRetried,
    /// An object that is written loses its second half.
    IsCut,
    /// The store does not accept who asks.
    Denied,
}

impl ObjectFault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fails, Self::AnswerIsLost, Self::IsRetried, Self::IsCut, Self::Denied];
}

/// Passes calls on to another store, but for the faults that are planned.
#[derive(Debug)]
pub struct FaultObjects {
    store: Arc<dyn ObjectStore>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// For the next calls, in order.
    next: VecDeque<Option<ObjectFault>>,
    /// Faults at random: the generator, how many calls of 1,000 fail, and how.
    random: Option<(Rng, u64, Vec<ObjectFault>)>,
    /// How many there were.
    counts: [u64; ObjectFault::ALL.len()],
    calls: u64,
}

impl FaultObjects {
    /// A store that does what `store` does.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, plan: Mutex::default() }
    }

    /// The next calls fail like this, one after the other.
    pub fn plan(&self, faults: impl IntoIterator<Item = Option<ObjectFault>>) {
        self.plan.lock().next.extend(faults);
    }

    /// From now on so many calls of 1,000 fail, in one of these ways.
    pub fn fail_at_random(&self, rng: Rng, per_mille: u64, faults: &[ObjectFault]) {
        self.plan.lock().random = Some((rng, per_mille, faults.to_vec()));
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut plan = self.plan.lock();
        plan.next.clear();
        plan.random = None;
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.plan.lock().calls
    }

    /// How many faults of each kind there were.
    pub fn counts(&self) -> impl Iterator<Item = (ObjectFault, u64)> {
        ObjectFault::ALL.into_iter().zip(self.plan.lock().counts)
    }

    fn fault(&self) -> Option<ObjectFault> {
        let mut plan = self.plan.lock();
        plan.calls += 1;
        let planned = plan.next.pop_front().flatten();
        let fault = planned.or_else(|| {
            let (rng, per_mille, faults) = plan.random.as_mut()?;
            let hit = rng.below(1_000) < *per_mille;
            let pick = usize::try_from(rng.below(faults.len() as u64)).unwrap_or(0);
            if hit { faults.get(pick).copied() } else { None }
        })?;
        let kind = ObjectFault::ALL.iter().position(|other| *other == fault)?;
        plan.counts[kind] += 1;
        Some(fault)
    }

    /// Carries out a call that changes something.
    fn change<T>(
        &self,
        action: &'static str,
        key: &str,
        call: impl Fn(&dyn ObjectStore, bool) -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        match self.fault() {
            None => call(&*self.store, false),
            Some(ObjectFault::IsCut) => call(&*self.store, true),
            Some(ObjectFault::AnswerIsLost) => {
                call(&*self.store, false)?;
                Err(unavailable(action, key))
            }
            Some(ObjectFault::IsRetried) => {
                drop(call(&*self.store, false));
                call(&*self.store, false)
            }
            Some(ObjectFault::Fails) => Err(unavailable(action, key)),
            Some(ObjectFault::Denied) => Err(denied(action, key)),
        }
    }

    /// Carries out a call that only looks.
    fn look<T>(
        &self,
        action: &'static str,
        key: &str,
        call: impl Fn(&dyn ObjectStore) -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        match self.fault() {
            None | Some(ObjectFault::IsRetried | ObjectFault::IsCut) => call(&*self.store),
            Some(ObjectFault::Fails | ObjectFault::AnswerIsLost) => Err(unavailable(action, key)),
            Some(ObjectFault::Denied) => Err(denied(action, key)),
        }
    }
}

fn unavailable(action: &'static str, key: &str) -> ObjectError {
    ObjectError::new(ObjectErrorKind::Unavailable, action, key, "planned fault")
}

fn denied(action: &'static str, key: &str) -> ObjectError {
    ObjectError::new(ObjectErrorKind::Denied, action, key, "planned fault")
}

/// The body, or its first half.
fn cut(body: &Bytes, is_cut: bool) -> Bytes {
    if is_cut { body.slice(..body.len() / 2) } else { body.clone() }
}

impl ObjectStore for FaultObjects {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.look("read", key, |store| store.get(key))
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        self.look("read", key, |store| store.get_ranges(key, ranges))
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        self.look("look for", key, |store| store.size(key))
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.change("write", key, |store, is_cut| store.put(key, cut(&body, is_cut)))
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        // A cut object of a conditional write is what no store makes: it has the length beforehand.
        self.change("create", key, |store, _| store.create(key, body.clone()))
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        let upload = self.look("write", key, |store| store.upload(key))?;
        let fault = self.fault();
        Ok(Box::new(FaultUpload { upload, fault, key: key.to_owned(), len: 0 }))
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.change("remove", key, |store, _| store.delete(key))
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.look("list", prefix, |store| store.list(prefix, after))
    }
}

struct FaultUpload {
    upload: Box<dyn Upload>,
    fault: Option<ObjectFault>,
    key: String,
    len: u64,
}

impl Upload for FaultUpload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.len += bytes.len() as u64;
        let is_cut = self.fault == Some(ObjectFault::IsCut);
        self.upload.write(if is_cut { &bytes[..bytes.len() / 2] } else { bytes })
    }

    fn finish(self: Box<Self>) -> Result<u64, ObjectError> {
        match self.fault {
            Some(ObjectFault::Fails) => Err(unavailable("write", &self.key)),
            Some(ObjectFault::Denied) => Err(denied("write", &self.key)),
            Some(ObjectFault::AnswerIsLost) => {
                self.upload.finish()?;
                Err(unavailable("write", &self.key))
            }
            // The client believes that all is there.
            Some(ObjectFault::IsCut) => self.upload.finish().map(|_| self.len),
            Some(ObjectFault::IsRetried) | None => self.upload.finish(),
        }
    }
}
