//! Places by name: which store a place is.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    ser::SerializeMap,
};

use super::{
    super::{Fs, rng::os_seed},
    FolderStore, ObjectError, ObjectErrorKind, ObjectStore, Probed,
};

/// What is shown instead of a secret.
const HIDDEN: &str = "<secret>";
/// Options whose values may be shown: of all others nobody knows whether they are secrets.
const SHOWN: [&str; 8] = [
    "allow_http",
    "connect_timeout",
    "endpoint",
    "proxy_url",
    "region",
    "skip_signature",
    "timeout",
    "virtual_hosted_style_request",
];
/// How the names of options may begin, the same for all options of a kind of store.
const PREFIXES: [&str; 3] = ["aws_", "azure_", "google_"];

/// Opens the places that tiers name.
pub trait Places: Send + Sync + fmt::Debug {
    /// The store `place`. It need not answer yet: that is found out, again and again, by who uses it.
    ///
    /// # Errors
    /// [`ObjectErrorKind::Unsupported`] when there cannot be such a place, whatever happens: names or options are wrong.
    /// After other errors it is tried again.
    fn open(&self, place: &str, options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError>;
}

/// The places of the world: folders (`file:///path`) and, with the feature `object-storage`, buckets (`s3://`, `gs://`,
/// `az://`). They are written to once a probe has shown that their conditional writes hold.
#[derive(Debug)]
pub(crate) struct SystemPlaces {
    fs: Arc<dyn Fs>,
}

impl SystemPlaces {
    /// Places whose folders are in `fs`.
    pub(crate) fn new(fs: Arc<dyn Fs>) -> Self {
        Self { fs }
    }

    fn folder(&self, path: &str, options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        if !path.starts_with('/') || !options.is_empty() {
            return Err(no_such(&format!("file://{path}"), "is to be file:///path, and has no options"));
        }
        Ok(Arc::new(FolderStore::open(Arc::clone(&self.fs), Path::new(path))?))
    }
}

impl Places for SystemPlaces {
    fn open(&self, place: &str, options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        let store = match place.split_once("://") {
            Some(("file", path)) => self.folder(path, options)?,
            Some((scheme, _)) if is_bucket(scheme) => open_bucket(place, options)?,
            _ => return Err(no_such(place, "is to be local, file:///…, s3://…, gs://… or az://…")),
        };
        Ok(Arc::new(Probed::new(store, os_seed())))
    }
}

/// Places that a test has made.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Clone, Default)]
pub struct KnownPlaces(BTreeMap<String, Arc<dyn ObjectStore>>);

#[cfg(any(test, feature = "test-util"))]
impl KnownPlaces {
    /// These and `place`, which is `store`.
    #[must_use]
    pub fn with(mut self, place: &str, store: Arc<dyn ObjectStore>) -> Self {
        self.0.insert(place.to_owned(), store);
        self
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Places for KnownPlaces {
    fn open(&self, place: &str, _options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        self.0.get(place).cloned().ok_or_else(|| no_such(place, "is not one of the test"))
    }
}

/// Whether URLs of this scheme are buckets.
pub(super) fn is_bucket(scheme: &str) -> bool {
    matches!(scheme, "s3" | "s3a" | "gs" | "az" | "azure" | "adl" | "abfs" | "abfss")
}

#[cfg(feature = "object-storage")]
fn open_bucket(place: &str, options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    Ok(Arc::new(super::RemoteStore::open(place, options)?))
}

#[cfg(not(feature = "object-storage"))]
fn open_bucket(place: &str, _options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    Err(no_such(place, "is a bucket, and this program was built without object storage"))
}

/// The error of a place that cannot be.
pub(super) fn no_such(place: &str, problem: &str) -> ObjectError {
    // Whoever wrote a password into a URL, before its host or among its parameters, does not want to see it in the log.
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    ObjectError::new(ObjectErrorKind::Unsupported, "open", "", format!("place {place:?}: {problem}"))
}

/// Options of a place: names and values, some of which are secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PlaceOptions(BTreeMap<String, OptionValue>);

impl PlaceOptions {
    /// These options.
    #[must_use]
    pub fn new<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs = options.into_iter();
        Self(pairs.map(|(name, value)| (name.to_owned(), OptionValue(value.to_owned()))).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, the secret ones, too.
    #[cfg(feature = "object-storage")]
    pub(super) fn reveal(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &*value.0))
    }

    /// The values that must not be shown.
    #[cfg(feature = "object-storage")]
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, value)| !is_shown(name, value)).map(|(_, value)| &*value.0)
    }

    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, if is_shown(name, value) { &*value.0 } else { HIDDEN }))
    }
}

fn is_shown(name: &str, value: &OptionValue) -> bool {
    let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    // `http://user:password@host` is a URL, too.
    SHOWN.contains(&name) && !value.0.contains('@')
}

impl fmt::Debug for PlaceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for PlaceOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.shown() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A value, which may be written as text, as a number or as true or false.
#[derive(Clone, PartialEq, Eq)]
struct OptionValue(String);

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar).map(Self)
    }
}

struct AnyScalar;

impl Visitor<'_> for AnyScalar {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, or true or false")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::MemFs;

    fn open(place: &str, options: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        SystemPlaces::new(Arc::new(MemFs::default())).open(place, options)
    }

    #[test]
    fn a_folder_is_a_place() {
        let store = open("file:///objects/kymo", &PlaceOptions::default()).unwrap();
        store.put("a", bytes::Bytes::from_static(b"1")).unwrap();
        assert_eq!(store.get("a").unwrap(), "1");
        assert_eq!(store.list("", None).unwrap().len(), 1, "the probe leaves nothing");
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_secrets() {
        let none = PlaceOptions::default();
        let secret = PlaceOptions::new([("no_such_option", "hush")]);
        for (place, options) in [
            ("nowhere", &none),
            ("ftp://host", &none),
            ("file://relative", &none),
            ("file:///a", &secret),
            ("s3://ann:hush@bucket/a", &none),
            ("s3://bucket/a", &secret),
            ("s3:///a", &none),
            ("gs://bucket?key=hush", &none),
        ] {
            let error = open(place, options).map(drop).unwrap_err();
            assert_eq!(error.kind, ObjectErrorKind::Unsupported, "{place}: {error}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{place}: {error:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = r#"{"aws_region": "eu-1", "aws_secret_access_key": "hush", "allow_http": true, "timeout": 5,
            "endpoint": "http://a:hush@b"}"#;
        let options: PlaceOptions = serde_json::from_str(text).unwrap();
        let shown = serde_json::to_string(&options).unwrap();
        let expected = r#"{"allow_http":"true","aws_region":"eu-1","aws_secret_access_key":"<secret>","endpoint":"<secret>","timeout":"5"}"#;
        assert_eq!(shown, expected);
        assert!(!format!("{options:?}").contains("hush"));
        assert!(serde_json::from_str::<PlaceOptions>(r#"{"a": [1]}"#).is_err());
    }
}
