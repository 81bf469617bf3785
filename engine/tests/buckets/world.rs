//! Servers of object storage, and stores on them.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io::{Read, Write},
    net::TcpStream,
    sync::Once,
};

use kymo_engine::{PlaceOptions, RemoteStore};

/// The bucket of all tests; each has a prefix of its own.
pub(crate) const BUCKET: &str = "kymo-tests";

/// The value of an environment variable that names a server. Says that `test` is skipped if there is none.
pub(crate) fn server(variable: &str, test: &str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        // Not `eprintln`, which the test harness keeps to itself.
        writeln!(std::io::stderr(), "SKIPPED {test}: {variable} names no server").unwrap();
    }
    value
}

/// The endpoint of the S3 that keeps its promises, with the bucket in it.
pub(crate) fn s3(test: &str) -> Option<String> {
    static MADE: Once = Once::new();
    let endpoint = server("KYMO_S3_ENDPOINT", test)?;
    MADE.call_once(|| drop(request(&endpoint, "PUT", &format!("/{BUCKET}"))));
    Some(endpoint)
}

/// A place of its own for each test and each run.
pub(crate) fn fresh_place(test: &str) -> String {
    format!("s3://{BUCKET}/{test}-{:016x}", RandomState::new().hash_one(test))
}

pub(crate) fn options(endpoint: &str) -> PlaceOptions {
    PlaceOptions::new([
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "not-to-be-shown"),
        ("aws_endpoint", endpoint),
        ("aws_region", "us-east-1"),
        ("aws_allow_http", "true"),
    ])
}

/// A store on a new prefix of the server behind `endpoint`.
pub(crate) fn fresh_store(endpoint: &str, test: &str) -> RemoteStore {
    RemoteStore::open(&fresh_place(test), &options(endpoint)).unwrap()
}

/// Asks a server that does not want to know who asks, and returns what it answers.
pub(crate) fn request(endpoint: &str, method: &str, path: &str) -> String {
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
