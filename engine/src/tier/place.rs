//! The place of a tier, opened when that becomes possible.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::env::{ObjectError, ObjectErrorKind, ObjectInfo, ObjectStore, PlaceOptions, Places, Upload};

/// A store that is opened by the first call that succeeds in it. Until then calls fail as opening does: a place that cannot
/// be reached when the engine is opened holds up nothing but what needs it.
#[derive(Debug)]
pub(crate) struct Place {
    name: String,
    options: PlaceOptions,
    places: Arc<dyn Places>,
    store: Mutex<Option<Arc<dyn ObjectStore>>>,
}

impl Place {
    /// The place `name`.
    ///
    /// # Errors
    /// When there cannot be such a place.
    pub(crate) fn new(
        places: Arc<dyn Places>,
        name: &str,
        options: PlaceOptions,
    ) -> Result<Self, ObjectError> {
        let place = Self::of(places, name, options);
        match place.store() {
            Err(error) if error.kind == ObjectErrorKind::Unsupported => Err(error),
            // Other errors are those of who needs it.
            _ => Ok(place),
        }
    }

    /// The place `name`, of which it is not known whether there can be such a one.
    pub(crate) fn of(places: Arc<dyn Places>, name: &str, options: PlaceOptions) -> Self {
        Self { name: name.to_owned(), options, places, store: Mutex::new(None) }
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        let mut store = self.store.lock();
        if let Some(store) = &*store {
            return Ok(Arc::clone(store));
        }
        let opened = self.places.open(&self.name, &self.options)?;
        *store = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl ObjectStore for Place {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.store()?.get(key)
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        self.store()?.get_ranges(key, ranges)
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        self.store()?.size(key)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.store()?.put(key, body)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.store()?.create(key, body)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        self.store()?.upload(key)
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.store()?.delete(key)
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.store()?.list(prefix, after)
    }

    fn leave_free(&self, bytes: u64) {
        self.store.lock().iter().for_each(|store| store.leave_free(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::env::{FolderStore, MemFs};

    /// Places that can be reached from the third attempt on.
    #[derive(Debug, Default)]
    struct Later(AtomicU64);

    impl Places for Later {
        fn open(&self, place: &str, _: &PlaceOptions) -> Result<Arc<dyn ObjectStore>, ObjectError> {
            let error = |kind| Err(ObjectError::new(kind, "open", "", "not yet"));
            if place != "later" {
                return error(ObjectErrorKind::Unsupported);
            }
            if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
                return error(ObjectErrorKind::Unavailable);
            }
            Ok(Arc::new(FolderStore::open(Arc::new(MemFs::default()), Path::new("/objects"))?))
        }
    }

    #[test]
    fn a_place_is_opened_once_and_as_soon_as_it_can_be() {
        let places = Arc::new(Later::default());
        let open = |name| Place::new(Arc::<Later>::clone(&places), name, PlaceOptions::default());
        assert_eq!(open("never").unwrap_err().kind, ObjectErrorKind::Unsupported);
        let place = open("later").unwrap();
        assert_eq!(place.get("a").unwrap_err().kind, ObjectErrorKind::Unavailable);
        place.put("a", Bytes::from_static(b"1")).unwrap();
        assert_eq!(place.get("a").unwrap(), "1");
        assert_eq!(places.0.load(Ordering::Relaxed), 3);
    }
}
