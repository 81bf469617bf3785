//! Which labels of a shard match a regular expression, as far as they were looked at.
//!
//! Labels of a shard are only added, so what was found stays true, and only labels that came since need to be
//! looked at. Series come and go below the labels: their postings are read each time.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

/// Expressions remembered by one shard.
const ENTRIES_MAX: usize = 32;
/// Most labels that match an expression which is remembered.
const LABELS_MAX: usize = 16 * 1024;

/// A small least-recently-used cache. Entries are few, so finding one is a walk over all of them.
#[derive(Debug, Default)]
pub(super) struct PatternCache {
    /// Most recently used first.
    entries: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    name: Box<[u8]>,
    pattern: Box<[u8]>,
    matches: Matches,
}

/// What is known of the labels of one name.
#[derive(Debug, Clone, Default)]
pub(super) struct Matches {
    /// Labels that were looked at: the first ones of the name, in their order of appearance.
    pub(super) seen: usize,
    /// Those of them that match.
    pub(super) labels: Arc<Vec<u32>>,
}

impl PatternCache {
    /// What was found; nothing yet when nobody looked.
    pub(super) fn get(&self, name: &[u8], pattern: &[u8]) -> Matches {
        let mut entries = self.entries.lock();
        let Some(entry) = take(&mut entries, name, pattern) else { return Matches::default() };
        let matches = entry.matches.clone();
        entries.push_front(entry);
        matches
    }

    /// Keeps what was found, unless it is too much or less than is known already.
    pub(super) fn put(&self, name: &[u8], pattern: &[u8], matches: Matches) {
        let mut entries = self.entries.lock();
        let known = take(&mut entries, name, pattern);
        let entry = match known {
            Some(known) if known.matches.seen >= matches.seen => known,
            _ if matches.labels.len() > LABELS_MAX => return,
            _ => Entry { name: name.into(), pattern: pattern.into(), matches },
        };
        entries.push_front(entry);
        entries.truncate(ENTRIES_MAX);
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.entries.lock();
        let of = |entry: &Entry| {
            size_of::<Entry>()
                + entry.name.len()
                + entry.pattern.len()
                + entry.matches.labels.capacity() * size_of::<u32>()
        };
        entries.iter().map(of).sum()
    }
}

fn take(entries: &mut VecDeque<Entry>, name: &[u8], pattern: &[u8]) -> Option<Entry> {
    let at = entries.iter().position(|entry| *entry.name == *name && *entry.pattern == *pattern)?;
    entries.remove(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(seen: usize, labels: usize) -> Matches {
        Matches { seen, labels: Arc::new(vec![7; labels]) }
    }

    #[test]
    fn it_keeps_the_most_that_is_known_and_no_more_than_it_may() {
        let cache = PatternCache::default();
        cache.put(b"a", b"x", matches(5, 2));
        cache.put(b"a", b"x", matches(3, 1));
        assert_eq!((cache.get(b"a", b"x").seen, cache.get(b"b", b"x").seen), (5, 0));
        cache.put(b"a", b"large", matches(LABELS_MAX + 1, LABELS_MAX + 1));
        assert_eq!(cache.get(b"a", b"large").seen, 0);
        for i in 0..ENTRIES_MAX - 1 {
            cache.put(b"b", format!("{i}").as_bytes(), matches(1, 1));
        }
        assert_eq!(cache.get(b"a", b"x").seen, 5);
        cache.put(b"b", b"one more", matches(1, 1));
        assert_eq!((cache.get(b"a", b"x").seen, cache.get(b"b", b"0").seen), (5, 0));
        assert!(cache.heap_bytes() >= ENTRIES_MAX * 4);
    }
}
