//! What a store promises, and how it fails.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kymo_engine::{
    ObjectError, ObjectErrorKind, ObjectStore, PlaceOptions, ProbeError, RemoteStore, keeps_object_promises,
    probe_conditional_writes,
};

use super::{
    proxy::{self, Fate},
    world::{BUCKET, fresh_place, fresh_store, options, request, s3, server},
};

/// Bytes that are not the same anywhere.
fn noise(len: usize) -> Vec<u8> {
    let byte = |at: usize| {
        let [a, b, c, ..] = (at * 31 + at / 251).to_le_bytes();
        a ^ b ^ c
    };
    (0..len).map(byte).collect()
}

fn failed<T>(result: Result<T, ObjectError>) -> ObjectError {
    let Err(error) = result else { panic!("it succeeded") };
    assert!(!format!("{error} {error:?}").contains("not-to-be-shown"), "{error:?}");
    error
}

#[test]
fn a_bucket_keeps_its_promises() {
    let Some(endpoint) = s3("a_bucket_keeps_its_promises") else { return };
    keeps_object_promises(&fresh_store(&endpoint, "promises"));
    // Two places of which one's name begins with the other's.
    let place = fresh_place("promises");
    let long = RemoteStore::open(&format!("{place}-long"), &options(&endpoint)).unwrap();
    long.put("a", Bytes::from_static(b"1")).unwrap();
    keeps_object_promises(&RemoteStore::open(&place, &options(&endpoint)).unwrap());
}

#[test]
fn conditional_writes_of_a_bucket_hold() {
    let Some(endpoint) = s3("conditional_writes_of_a_bucket_hold") else { return };
    let store = fresh_store(&endpoint, "probe");
    for seed in 0..5 {
        probe_conditional_writes(&store, seed).unwrap();
    }
    assert_eq!(store.list("", None).unwrap(), []);
}

#[test]
fn a_large_object_is_sent_in_parts_and_read_in_ranges() {
    let Some(endpoint) = s3("a_large_object_is_sent_in_parts_and_read_in_ranges") else { return };
    let store = fresh_store(&endpoint, "large");
    for len in [0, 1, 8 << 20, (8 << 20) + 1, 16 << 20, (20 << 20) + 3] {
        let body = noise(len);
        let mut upload = store.upload("large").unwrap();
        for piece in body.chunks(1_000_003) {
            upload.write(piece).unwrap();
        }
        assert_eq!(upload.finish().unwrap(), len as u64);
        assert_eq!(store.size("large").unwrap(), len as u64);
        assert!(store.get("large").unwrap() == body, "{len}");
    }
    let body = noise((20 << 20) + 3);
    let ranges = [7..9, 0..1, 9_000_000..9_100_000, 9_120_000..9_120_001, 5..5, (20 << 20)..(20 << 20) + 3];
    let expected = ranges.clone().map(|range| &body[range.start..range.end]);
    let asked = ranges.map(|range| range.start as u64..range.end as u64);
    assert_eq!(store.get_ranges("large", &asked).unwrap(), expected);
    for range in [(20 << 20)..(20 << 20) + 4, (30 << 20)..(30 << 20) + 1] {
        assert_eq!(failed(store.get_ranges("large", &[range])).kind, ObjectErrorKind::Damaged);
    }
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let Some(endpoint) = s3("an_upload_that_is_given_up_leaves_nothing") else { return };
    let place = fresh_place("given-up");
    let prefix = place.rsplit('/').next().unwrap();
    let store = RemoteStore::open(&place, &options(&endpoint)).unwrap();
    let mut upload = store.upload("a").unwrap();
    upload.write(&noise(20 << 20)).unwrap();
    let uploads = || request(&endpoint, "GET", &format!("/{BUCKET}?uploads"));
    assert!(uploads().contains(prefix), "it is sent in parts");
    drop(upload);
    // It is given up by another thread; each look at it is a request.
    assert!((0..1_000).any(|_| !uploads().contains(prefix)), "{}", uploads());
    assert_eq!(store.list("", None).unwrap(), []);
}

#[test]
fn a_store_is_used_from_any_thread() {
    let Some(endpoint) = s3("a_store_is_used_from_any_thread") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = fresh_store(&endpoint, "runtime");
        store.put("a", Bytes::from_static(b"1")).unwrap();
        let mut upload = store.upload("b").unwrap();
        upload.write(&noise(9 << 20)).unwrap();
        drop(store);
        upload.finish().unwrap();
    });
}

#[test]
fn requests_that_are_too_many_are_made_again() {
    let Some(endpoint) = s3("requests_that_are_too_many_are_made_again") else { return };
    let requests = AtomicU64::new(0);
    let busy = move |_: &str, _: &str| {
        if requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) { Fate::SlowDown } else { Fate::Passes }
    };
    keeps_object_promises(&fresh_store(&proxy::start(&endpoint, busy), "busy"));
    let store = fresh_store(&proxy::start(&endpoint, |_: &str, _: &str| Fate::SlowDown), "busy");
    let error = failed(store.get("a"));
    assert_eq!(error.kind, ObjectErrorKind::Unavailable);
    assert!(error.to_string().contains("SlowDown"), "{error}");
}

#[test]
fn an_answer_that_is_lost_may_say_that_it_is_there_already() {
    let Some(endpoint) = s3("an_answer_that_is_lost_may_say_that_it_is_there_already") else { return };
    for (fate, kinds) in [
        (Fate::DoneAndSlowDown, &[ObjectErrorKind::AlreadyExists][..]),
        (Fate::AnswerIsLost, &[ObjectErrorKind::AlreadyExists, ObjectErrorKind::Unavailable]),
    ] {
        let puts = AtomicU64::new(0);
        let rule = move |method: &str, _: &str| {
            let is_first = method == "PUT" && puts.fetch_add(1, Ordering::Relaxed) == 0;
            if is_first { fate } else { Fate::Passes }
        };
        let store = fresh_store(&proxy::start(&endpoint, rule), "lost");
        let error = failed(store.create("a", Bytes::from_static(b"mine")));
        assert!(kinds.contains(&error.kind), "{fate:?}: {error}");
        assert_eq!(store.get("a").unwrap(), "mine");
    }
}

#[test]
fn who_is_not_let_in_is_told_what_to_check() {
    let Some(endpoint) = s3("who_is_not_let_in_is_told_what_to_check") else { return };
    let store = fresh_store(&proxy::start(&endpoint, |_: &str, _: &str| Fate::Denied), "denied");
    let calls = [failed(store.get("a")), failed(store.put("a", Bytes::new())), failed(store.list("", None))];
    for error in calls {
        assert_eq!(error.kind, ObjectErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("check credentials"), "{error}");
    }
    let store = RemoteStore::open("s3://kymo-has-no-such-bucket/a", &options(&endpoint)).unwrap();
    let calls = [failed(store.get("a")), failed(store.put("a", Bytes::new())), failed(store.list("", None))];
    for error in calls {
        assert_eq!(error.kind, ObjectErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("no such bucket"), "{error}");
    }
}

#[test]
fn conditional_writes_of_a_hostile_store_are_found_out() {
    let test = "conditional_writes_of_a_hostile_store_are_found_out";
    let Some(stores) = server("KYMO_HOSTILE_S3", test) else { return };
    for url in stores.split(',') {
        let (endpoint, bucket) = url.rsplit_once('/').unwrap();
        let options = PlaceOptions::new([
            ("aws_access_key_id", "S3RVER"),
            ("aws_secret_access_key", "S3RVER"),
            ("aws_endpoint", endpoint),
            ("aws_allow_http", "true"),
        ]);
        let store = RemoteStore::open(&format!("s3://{bucket}/kymo"), &options).unwrap();
        store.put("a", Bytes::from_static(b"it works")).unwrap();
        let error = probe_conditional_writes(&store, 1).unwrap_err();
        assert!(matches!(error, ProbeError::Broken { .. }), "{url}: {error}");
    }
}

#[test]
fn azure_keeps_its_promises() {
    let Some(_) = server("KYMO_AZURITE_ENDPOINT", "azure_keeps_its_promises") else { return };
    // The emulator does not list from a name on, which the client has to know; so it finds it by its own variable.
    let options = PlaceOptions::new([("azure_storage_use_emulator", "true")]);
    let place = fresh_place("azure").replace("s3://", "az://");
    let store = RemoteStore::open(&place, &options).unwrap();
    keeps_object_promises(&store);
    probe_conditional_writes(&store, 1).unwrap();
    let mut upload = store.upload("large").unwrap();
    upload.write(&noise(20 << 20)).unwrap();
    assert_eq!(upload.finish().unwrap(), 20 << 20);
    assert!(store.get("large").unwrap() == noise(20 << 20));
}
