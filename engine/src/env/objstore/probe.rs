//! Whether the conditional writes of a store hold: commits of several writers rest on nothing else.
//!
//! Some stores take `If-None-Match` and pay no attention to it, others look first and write later. Both answer all
//! writers that they have made the same commit, and the rows of all but one are lost without a word.

use std::{ops::Range, sync::Arc, thread};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{
    super::{Rng, spawn_scoped},
    ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, Upload,
};

/// Where the probe writes, for the seconds that it takes.
const PREFIX: &str = ".probe";
/// Writers that race for one key.
const RACERS: usize = 16;
/// Races. The first also opens connections, so that not all of its writers are there at the same time.
const RACES: usize = 4;

/// Why a store is not written to.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It could not be found out. It may be later.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The store does not keep what it promises.
    #[error(
        "conditional writes do not hold, {seen}: several writers could make the same commit, and the rows of all but \
         one would be lost"
    )]
    Broken {
        /// What happened.
        seen: String,
    },
}

/// Finds out whether `store` keeps its promise about conditional writes. `seed` makes keys that nobody else has. What it
/// writes it removes.
///
/// # Errors
/// When it does not keep it, or that could not be found out.
pub fn probe(store: &dyn ObjectStore, seed: u64) -> Result<(), ProbeError> {
    let key = |name: &str| format!("{PREFIX}/{seed:016x}-{name}");
    let twice = key("twice");
    let mut result = create_twice(store, &twice);
    let mut keys = vec![twice];
    for race in 0..RACES {
        if result.is_ok() {
            let contested = key(&format!("race-{race}"));
            result = create_at_once(store, &contested);
            keys.push(contested);
        }
    }
    let removed = keys.iter().try_for_each(|key| store.delete(key));
    result.and(removed.map_err(ProbeError::from))
}

fn create_twice(store: &dyn ObjectStore, key: &str) -> Result<(), ProbeError> {
    let broken = |seen: &str| Err(ProbeError::Broken { seen: seen.to_owned() });
    // The answer to the first may be lost, and that to its repetition be that it is there.
    match store.create(key, Bytes::from_static(b"first")) {
        Err(error) if error.kind != ObjectErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    match store.create(key, Bytes::from_static(b"second")) {
        Err(error) if error.kind == ObjectErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
        Ok(()) => return broken("a second writer was told that it made an object that was there"),
    }
    if store.get(key)? != "first" {
        return broken("a second writer was refused, and replaced the object all the same");
    }
    Ok(())
}

/// Lets all writers begin at the same moment.
fn create_at_once(store: &dyn ObjectStore, key: &str) -> Result<(), ProbeError> {
    let gate = RwLock::new(());
    let race = |racer: usize| {
        drop(gate.read());
        store.create(key, body_of(racer))
    };
    let results: Vec<Result<(), ObjectError>> = thread::scope(|scope| {
        let race = &race;
        let closed = gate.write();
        let spawn = |racer| spawn_scoped(scope, "kymo-probe", move || race(racer));
        let racers: Vec<_> = (0..RACERS).map(spawn).collect();
        drop(closed);
        let bug = || ObjectError::new(ObjectErrorKind::Unavailable, "create", key, "a writer ended by a bug");
        let join = |racer: thread::ScopedJoinHandle<'_, _>| racer.join().unwrap_or_else(|_| Err(bug()));
        let error = |source| ObjectError::io("create", key, source);
        racers.into_iter().map(|racer| racer.map_err(error).and_then(join)).collect()
    });
    judge(store, key, results)
}

fn body_of(racer: usize) -> Bytes {
    Bytes::from(format!("racer {racer}"))
}

/// Whether the race had one winner.
fn judge(
    store: &dyn ObjectStore,
    key: &str,
    results: Vec<Result<(), ObjectError>>,
) -> Result<(), ProbeError> {
    let mut winners = Vec::new();
    let mut failed = None;
    for (racer, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => winners.push(racer),
            Err(error) if error.kind == ObjectErrorKind::AlreadyExists => {}
            Err(error) => failed = Some(error),
        }
    }
    if winners.len() > 1 {
        let seen = format!("{} of {RACERS} writers won the same key", winners.len());
        return Err(ProbeError::Broken { seen });
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    let found = store.get(key)?;
    // Without a winner the answer to it was lost, and that to its repetition came instead.
    let is_of_winner = winners
        .first()
        .map_or_else(|| (0..RACERS).any(|racer| body_of(racer) == found), |winner| body_of(*winner) == found);
    if is_of_winner {
        return Ok(());
    }
    let seen = format!("what one of {RACERS} writers was told that it made is not what is there");
    Err(ProbeError::Broken { seen })
}

/// A store that is written to once its conditional writes have been seen to hold.
#[derive(Debug)]
pub struct Probed {
    store: Arc<dyn ObjectStore>,
    verdict: Mutex<Verdict>,
    /// Makes keys that nobody else has, and new ones for each probe.
    rng: Mutex<Rng>,
}

/// What the probe said.
#[derive(Debug, Clone)]
enum Verdict {
    /// It could not be asked yet.
    Unknown,
    Holds,
    /// For good: a store that is wrong now and then may be right at the next probe, and wrong at the next commit.
    Broken(String),
}

impl Probed {
    /// `store`, to be probed before the first write. `seed` makes keys that nobody else has.
    pub fn new(store: Arc<dyn ObjectStore>, seed: u64) -> Self {
        Self { store, verdict: Mutex::new(Verdict::Unknown), rng: Mutex::new(Rng::new(seed)) }
    }

    /// The store, if it may be written to.
    fn writable(&self, action: &'static str, key: &str) -> Result<&dyn ObjectStore, ObjectError> {
        let refused = |why: String| {
            let why = format!("this place is only read until the server is started again, because {why}");
            ObjectError::new(ObjectErrorKind::Unsupported, action, key, why)
        };
        let mut verdict = self.verdict.lock();
        match &*verdict {
            Verdict::Holds => return Ok(&*self.store),
            Verdict::Broken(why) => return Err(refused(why.clone())),
            Verdict::Unknown => {}
        }
        let seed = self.rng.lock().next_u64();
        match probe(&*self.store, seed) {
            Ok(()) => {
                *verdict = Verdict::Holds;
                Ok(&*self.store)
            }
            Err(ProbeError::Object(error)) => Err(error),
            Err(broken @ ProbeError::Broken { .. }) => {
                *verdict = Verdict::Broken(broken.to_string());
                Err(refused(broken.to_string()))
            }
        }
    }
}

impl ObjectStore for Probed {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.store.get(key)
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        self.store.get_ranges(key, ranges)
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        self.store.size(key)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.writable("write", key)?.put(key, body)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.writable("create", key)?.create(key, body)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        self.writable("write", key)?.upload(key)
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.writable("remove", key)?.delete(key)
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.store.list(prefix, after)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::env::{FaultObjects, FolderStore, MemFs, ObjectFault};

    /// How a store cheats.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Cheat {
        /// It pays no attention to the condition.
        Ignores,
        /// It says no, and writes.
        RefusesAndWrites,
        /// It looks, and writes when others have looked, too.
        LooksFirst,
    }

    #[derive(Debug)]
    struct Liar {
        store: FolderStore,
        cheat: Cheat,
        looked: AtomicUsize,
    }

    impl Liar {
        fn new(cheat: Cheat) -> Arc<Self> {
            Arc::new(Self { store: folder(), cheat, looked: AtomicUsize::new(0) })
        }

        /// Waits until others have looked, or there seem to be none.
        fn look(&self, key: &str) -> bool {
            let is_there = self.store.size(key).is_ok();
            let looked = self.looked.fetch_add(1, Ordering::SeqCst);
            let others = || self.looked.load(Ordering::SeqCst) > looked + 2;
            (0..10_000).take_while(|_| !others()).for_each(|_| thread::yield_now());
            is_there
        }
    }

    impl ObjectStore for Liar {
        fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
            self.store.get(key)
        }

        fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
            self.store.get_ranges(key, ranges)
        }

        fn size(&self, key: &str) -> Result<u64, ObjectError> {
            self.store.size(key)
        }

        fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
            self.store.put(key, body)
        }

        fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
            let exists = || ObjectError::new(ObjectErrorKind::AlreadyExists, "create", key, "so it says");
            match self.cheat {
                Cheat::Ignores => self.store.put(key, body),
                Cheat::RefusesAndWrites => {
                    let is_there = self.store.size(key).is_ok();
                    self.store.put(key, body)?;
                    if is_there { Err(exists()) } else { Ok(()) }
                }
                Cheat::LooksFirst if self.look(key) => Err(exists()),
                Cheat::LooksFirst => self.store.put(key, body),
            }
        }

        fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
            self.store.upload(key)
        }

        fn delete(&self, key: &str) -> Result<(), ObjectError> {
            self.store.delete(key)
        }

        fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
            self.store.list(prefix, after)
        }
    }

    fn folder() -> FolderStore {
        FolderStore::open(Arc::new(MemFs::default()), Path::new("/objects")).unwrap()
    }

    #[test]
    fn an_honest_store_passes_and_is_left_clean() {
        let store = folder();
        probe(&store, 1).unwrap();
        assert_eq!(store.list("", None).unwrap(), []);
    }

    #[test]
    fn a_store_that_cheats_is_found_out() {
        for (cheat, seen) in [
            (Cheat::Ignores, "a second writer was told that it made an object that was there"),
            (Cheat::RefusesAndWrites, "a second writer was refused, and replaced the object all the same"),
            (Cheat::LooksFirst, "of 16 writers won the same key"),
        ] {
            let store = Liar::new(cheat);
            let error = probe(&*store, 1).unwrap_err();
            assert!(
                matches!(error, ProbeError::Broken { .. }) && error.to_string().contains(seen),
                "{error}"
            );
            assert_eq!(store.list("", None).unwrap(), [], "{cheat:?}");
        }
    }

    #[test]
    fn a_store_that_cheats_is_read_and_never_written_to() {
        let liar = Liar::new(Cheat::Ignores);
        liar.put("old", Bytes::from_static(b"old")).unwrap();
        let store = Probed::new(Arc::<Liar>::clone(&liar), 1);
        for _ in 0..2 {
            let errors = [
                store.put("a", Bytes::new()).unwrap_err(),
                store.create("a", Bytes::new()).unwrap_err(),
                store.upload("a").map(drop).unwrap_err(),
                store.delete("old").unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind, ObjectErrorKind::Unsupported, "{error}");
                assert!(error.to_string().contains("rows of all but one would be lost"), "{error}");
            }
        }
        assert_eq!((store.get("old").unwrap(), store.size("old").unwrap()), (Bytes::from_static(b"old"), 3));
        assert_eq!(store.list("", None).unwrap().len(), 1);
    }

    #[test]
    fn what_could_not_be_found_out_is_found_out_later() {
        let faults = Arc::new(FaultObjects::new(Arc::new(folder())));
        let store = Probed::new(Arc::<FaultObjects>::clone(&faults), 1);
        for call in 0..24 {
            faults.heal();
            faults.plan((0..call).map(|_| None).chain([Some(ObjectFault::Fails)]));
            let error = store.put("a", Bytes::from_static(b"1")).unwrap_err();
            assert_eq!(error.kind, ObjectErrorKind::Unavailable, "{call}");
            assert!(store.size("a").is_err());
        }
        faults.heal();
        store.put("a", Bytes::from_static(b"1")).unwrap();
        let calls = faults.calls();
        store.put("a", Bytes::from_static(b"2")).unwrap();
        assert_eq!(faults.calls(), calls + 1, "it is asked once");
    }

    #[test]
    fn an_answer_that_is_lost_is_no_lie() {
        let faults = FaultObjects::new(Arc::new(folder()));
        // The first of the two, and all of a race.
        faults.plan([Some(ObjectFault::IsRetried), None, None]);
        faults.plan((0..RACERS).map(|_| Some(ObjectFault::IsRetried)));
        probe(&faults, 1).unwrap();
    }
}
