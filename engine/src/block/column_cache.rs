//! Decoded timestamp columns of an open block.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;

/// Bytes of columns that are kept of one block.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The columns that were needed last, as many as there is room for.
#[derive(Debug, Default)]
pub(super) struct ColumnCache {
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    columns: HashMap<u32, Arc<[i64]>>,
    bytes: usize,
}

impl ColumnCache {
    /// The column `idx`, decoded by `decode` unless it is there.
    pub(super) fn get<E>(
        &self,
        idx: u32,
        decode: impl FnOnce() -> Result<Vec<i64>, E>,
    ) -> Result<Arc<[i64]>, E> {
        if let Some(column) = self.kept.read().columns.get(&idx) {
            return Ok(Arc::clone(column));
        }
        // Decoded outside the lock; of two who do it at once the first one's column stays.
        let column: Arc<[i64]> = decode()?.into();
        let mut kept = self.kept.write();
        let bytes = size_of_val(&*column);
        if kept.bytes + bytes > BYTES_MAX {
            // All of them: a query walks over all columns again and again, and the oldest is what it wants next.
            *kept = Kept::default();
        }
        if bytes <= BYTES_MAX && kept.columns.insert(idx, Arc::clone(&column)).is_none() {
            kept.bytes += bytes;
        }
        Ok(column)
    }

    /// Bytes of columns that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept.read().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_decoded_once_while_there_is_room() {
        let cache = ColumnCache::default();
        let decoded = std::cell::Cell::new(0);
        let get = |idx: u32, len: usize| {
            let column = cache.get::<()>(idx, || {
                decoded.set(decoded.get() + 1);
                Ok(vec![i64::from(idx); len])
            });
            assert_eq!(&*column.unwrap(), vec![i64::from(idx); len]);
        };
        get(1, 10);
        get(1, 10);
        assert_eq!(decoded.get(), 1);
        // More than there is room for.
        (2..6).for_each(|idx| get(idx, BYTES_MAX / 8 / 3));
        get(1, 10);
        assert_eq!(decoded.get(), 6);
        assert!(cache.kept.read().bytes <= BYTES_MAX);
        get(9, BYTES_MAX);
        get(9, BYTES_MAX);
        assert_eq!(decoded.get(), 8, "a column larger than the cache is not kept");
    }
}
