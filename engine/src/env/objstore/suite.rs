//! What every store promises, as a suite that each of them passes.
#![expect(clippy::unwrap_used, reason = "a suite of assertions, for tests")]

use bytes::Bytes;

use super::{ObjectError, ObjectErrorKind, ObjectStore};

/// The conformance suite: an empty store keeps every promise. What it writes is left there.
///
/// # Panics
/// When it does not.
pub fn keeps_its_promises(store: &dyn ObjectStore) {
    let body = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert_eq!(keys(store, "", None), Vec::<String>::new());
    assert_eq!(kind(store.get("a/none")), ObjectErrorKind::NotFound);
    assert_eq!(kind(store.size("a/none")), ObjectErrorKind::NotFound);
    assert_eq!(kind(store.get_ranges("a/none", &[0..1, 2..3])), ObjectErrorKind::NotFound);
    store.delete("a/none").unwrap();

    store.create("a/1", body("first")).unwrap();
    assert_eq!(kind(store.create("a/1", body("second"))), ObjectErrorKind::AlreadyExists);
    assert_eq!(store.get("a/1").unwrap(), "first");
    store.put("a/1", body("third one")).unwrap();
    assert_eq!((store.get("a/1").unwrap(), store.size("a/1").unwrap()), (body("third one"), 9));
    let parts = store.get_ranges("a/1", &[6..9, 0..5, 2..2]).unwrap();
    assert_eq!(parts, [body("one"), body("third"), body("")]);
    assert_eq!(kind(store.get_ranges("a/1", &[0..2, 6..10])), ObjectErrorKind::Damaged);

    let mut upload = store.upload("a/b/c").unwrap();
    upload.write(b"one ").unwrap();
    upload.write(b"two").unwrap();
    assert_eq!(keys(store, "", None), ["a/1"], "an upload is not seen before it is finished");
    assert_eq!(upload.finish().unwrap(), 7);
    assert_eq!(store.get("a/b/c").unwrap(), "one two");
    let mut abandoned = store.upload("a/d").unwrap();
    abandoned.write(b"lost").unwrap();
    drop(abandoned);

    store.put("b", Bytes::new()).unwrap();
    assert_eq!(keys(store, "", None), ["a/1", "a/b/c", "b"]);
    assert_eq!(keys(store, "a/", None), ["a/1", "a/b/c"]);
    assert_eq!(keys(store, "a/", Some("a/1")), ["a/b/c"]);
    assert_eq!(keys(store, "none/", None), Vec::<String>::new());
    store.delete("a/1").unwrap();
    assert_eq!(keys(store, "", None), ["a/b/c", "b"]);
}

fn keys(store: &dyn ObjectStore, prefix: &str, after: Option<&str>) -> Vec<String> {
    store.list(prefix, after).unwrap().into_iter().map(|object| object.key).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, ObjectError>) -> ObjectErrorKind {
    result.unwrap_err().kind
}
