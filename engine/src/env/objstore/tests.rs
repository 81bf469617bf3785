//! What every store promises.

use std::{path::Path, sync::Arc};

use super::*;
use crate::env::{Fs, MemFs, OsFs};

fn keys(store: &dyn ObjectStore) -> Vec<String> {
    store.list("", None).unwrap().into_iter().map(|object| object.key).collect()
}

fn kind<T: fmt::Debug>(result: Result<T, ObjectError>) -> ObjectErrorKind {
    result.unwrap_err().kind
}

#[test]
fn a_folder_keeps_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    for (fs, root) in [
        (Arc::new(MemFs::default()) as Arc<dyn Fs>, Path::new("/objects")),
        (Arc::new(OsFs), &dir.path().join("deep/objects")),
    ] {
        keeps_its_promises(&FolderStore::open(Arc::clone(&fs), root).unwrap());
        // What was left of the upload that was given up is not there, nor when it is opened again.
        let again = FolderStore::open(fs, root).unwrap();
        assert_eq!(keys(&again), ["a/b/c", "b"]);
    }
}

#[test]
fn an_upload_leaves_the_room_that_it_is_asked_to_leave() {
    let fs = MemFs::default();
    let store = FolderStore::open(Arc::new(fs.clone()), Path::new("/objects")).unwrap();
    fs.set_capacity(Some(1_000));
    let free = fs.available_bytes(Path::new("/objects")).unwrap();
    store.leave_free(free - 10);
    let mut upload = store.upload("a").unwrap();
    upload.write(&[0; 10]).unwrap();
    assert_eq!(kind(upload.write(&[0])), ObjectErrorKind::Full);
    drop(upload);
    assert_eq!(fs.available_bytes(Path::new("/objects")).unwrap(), free, "nothing is left of it");
    store.create("commit", Bytes::from_static(b"what is small is not held up")).unwrap();
    store.leave_free(0);
    let mut upload = store.upload("a").unwrap();
    upload.write(&[0; 11]).unwrap();
    assert_eq!(upload.finish().unwrap(), 11);
}

#[test]
fn a_store_without_faults_keeps_its_promises() {
    let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/objects")).unwrap();
    keeps_its_promises(&FaultObjects::new(Arc::new(folder)));
}

#[test]
fn of_many_that_create_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(Arc::new(OsFs), dir.path()).unwrap();
    for key in ["x/1", "x/2", "x/3"] {
        let winners = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match store.create(key, Bytes::from_static(b"mine")) {
                    Ok(()) => drop(winners.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                    Err(error) => assert_eq!(error.kind, ObjectErrorKind::AlreadyExists),
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
    }
}

#[test]
fn faults_are_those_that_were_planned() {
    let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/objects")).unwrap();
    let store = FaultObjects::new(Arc::new(folder));
    let body = Bytes::from_static(b"body");
    store.plan([Some(ObjectFault::Fails), Some(ObjectFault::AnswerIsLost), None]);
    assert_eq!(kind(store.create("a", body.clone())), ObjectErrorKind::Unavailable);
    assert_eq!(kind(store.create("a", body.clone())), ObjectErrorKind::Unavailable);
    assert_eq!(kind(store.create("a", body.clone())), ObjectErrorKind::AlreadyExists);
    store.plan([Some(ObjectFault::IsRetried), Some(ObjectFault::IsCut), None, Some(ObjectFault::Denied)]);
    assert_eq!(kind(store.create("b", body.clone())), ObjectErrorKind::AlreadyExists);
    store.put("c", body).unwrap();
    assert_eq!(store.size("c").unwrap(), 2);
    assert_eq!(kind(store.get("c")), ObjectErrorKind::Denied);
    assert_eq!(store.counts().map(|(_, count)| count).collect::<Vec<_>>(), [1, 1, 1, 1, 1]);
}
