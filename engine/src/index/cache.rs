//! What regular expressions found in an index that never changes.
//!
//! An answer is that of the expression, not of the matcher, so that `=~` and `!~` share it.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use roaring::RoaringBitmap;

/// Results kept for one block. Dashboards repeat a few matchers; more than this is not a dashboard.
const ENTRIES_MAX: usize = 64;
/// Bytes of bitmaps kept for one block.
const BYTES_MAX: usize = 1 << 20;
/// Bytes of the largest bitmap that is kept: one of 2 million series that has no runs. A larger one would push
/// out everything else.
const ANSWER_BYTES_MAX: usize = BYTES_MAX / 4;

/// A small least-recently-used cache. Entries are few, so finding one is a walk over all of them.
#[derive(Debug, Default)]
pub(crate) struct MatcherCache {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Most recently used first.
    queue: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    name: Box<[u8]>,
    pattern: Box<[u8]>,
    answer: Arc<RoaringBitmap>,
    bytes: usize,
}

impl MatcherCache {
    /// Forgets everything.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn clear(&self) {
        *self.entries.lock() = Entries::default();
    }

    /// Bytes of what is kept.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }

    /// The series kept for this label and pattern.
    pub(crate) fn get(&self, name: &[u8], pattern: &[u8]) -> Option<Arc<RoaringBitmap>> {
        let queue = &mut self.entries.lock().queue;
        let at = queue.iter().position(|entry| entry.is_of(name, pattern))?;
        let entry = queue.remove(at)?;
        let answer = Arc::clone(&entry.answer);
        queue.push_front(entry);
        Some(answer)
    }

    /// Keeps `answer`, unless it is too large.
    pub(crate) fn insert(&self, name: &[u8], pattern: &[u8], answer: &Arc<RoaringBitmap>) {
        let bytes = answer.serialized_size() + name.len() + pattern.len();
        if bytes > ANSWER_BYTES_MAX {
            return;
        }
        let mut entries = self.entries.lock();
        if entries.queue.iter().any(|entry| entry.is_of(name, pattern)) {
            return;
        }
        entries.bytes += bytes;
        entries.queue.push_front(Entry {
            name: name.into(),
            pattern: pattern.into(),
            answer: Arc::clone(answer),
            bytes,
        });
        while entries.queue.len() > ENTRIES_MAX || entries.bytes > BYTES_MAX {
            let Some(oldest) = entries.queue.pop_back() else { break };
            entries.bytes -= oldest.bytes;
        }
    }
}

impl Entry {
    fn is_of(&self, name: &[u8], pattern: &[u8]) -> bool {
        *self.name == *name && *self.pattern == *pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = MatcherCache::default();
        let answer = Arc::new(RoaringBitmap::from_iter([1, 2]));
        cache.insert(b"a", b"first", &answer);
        for i in 0..ENTRIES_MAX - 1 {
            cache.insert(b"a", format!("x{i}").as_bytes(), &answer);
        }
        assert!(cache.get(b"a", b"first").is_some());
        assert!(cache.get(b"b", b"first").is_none());
        cache.insert(b"a", b"last", &answer);
        assert!(cache.get(b"a", b"first").is_some());
        assert!(cache.get(b"a", b"x0").is_none());
        assert_eq!(cache.get(b"a", b"last"), Some(answer));
    }

    #[test]
    fn bytes_are_bounded() {
        let cache = MatcherCache::default();
        let sparse = |seed: u32| Arc::new((0..80_000).map(|i| i * 3 + seed).collect::<RoaringBitmap>());
        for i in 0..40 {
            cache.insert(b"a", format!("x{i}").as_bytes(), &sparse(i));
        }
        let entries = cache.entries.lock();
        assert!(entries.bytes <= BYTES_MAX && !entries.queue.is_empty());
        assert!(entries.queue.len() < 40);
        assert_eq!(entries.bytes, entries.queue.iter().map(|entry| entry.bytes).sum::<usize>());
    }

    #[test]
    fn half_of_two_million_series_are_kept_and_more_are_not() {
        let cache = MatcherCache::default();
        let even = |count: u32| Arc::new((0..count).map(|i| i * 2).collect::<RoaringBitmap>());
        cache.insert(b"a", b"kept", &even(1_000_000));
        cache.insert(b"a", b"too large", &even(2_000_000));
        assert!(cache.get(b"a", b"kept").is_some());
        assert!(cache.get(b"a", b"too large").is_none());
    }
}
