//! Results of matchers that are costly to evaluate, kept for an index that never changes.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use roaring::RoaringBitmap;

use crate::model::{MatchOp, Matcher};

/// Results kept for one block. Dashboards repeat a few matchers; more than this is not a dashboard.
const ENTRIES_MAX: usize = 32;
/// Bytes of bitmaps kept for one block.
const BYTES_MAX: usize = 256 * 1024;

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
    op: MatchOp,
    value: Box<[u8]>,
    answer: Arc<RoaringBitmap>,
    bytes: usize,
}

impl MatcherCache {
    /// The result kept for `matcher`.
    pub(crate) fn get(&self, matcher: &Matcher) -> Option<Arc<RoaringBitmap>> {
        let queue = &mut self.entries.lock().queue;
        let at = queue.iter().position(|entry| entry.is_of(matcher))?;
        let entry = queue.remove(at)?;
        let answer = Arc::clone(&entry.answer);
        queue.push_front(entry);
        Some(answer)
    }

    /// Keeps `answer`, unless it alone would push out everything else.
    pub(crate) fn insert(&self, matcher: &Matcher, answer: &Arc<RoaringBitmap>) {
        let bytes = answer.serialized_size() + matcher.name().len() + matcher.value().len();
        if bytes > BYTES_MAX / 4 {
            return;
        }
        let mut entries = self.entries.lock();
        if entries.queue.iter().any(|entry| entry.is_of(matcher)) {
            return;
        }
        entries.bytes += bytes;
        entries.queue.push_front(Entry {
            name: matcher.name().into(),
            op: matcher.op(),
            value: matcher.value().into(),
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
    fn is_of(&self, matcher: &Matcher) -> bool {
        *self.name == *matcher.name() && self.op == matcher.op() && *self.value == *matcher.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(value: &str) -> Matcher {
        Matcher::new(MatchOp::Regex, b"a", value.as_bytes()).unwrap()
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = MatcherCache::default();
        let answer = Arc::new(RoaringBitmap::from_iter([1, 2]));
        cache.insert(&matcher("first"), &answer);
        for i in 0..ENTRIES_MAX - 1 {
            cache.insert(&matcher(&format!("x{i}")), &answer);
        }
        assert!(cache.get(&matcher("first")).is_some());
        cache.insert(&matcher("last"), &answer);
        assert!(cache.get(&matcher("first")).is_some());
        assert!(cache.get(&matcher("x0")).is_none());
        assert_eq!(cache.get(&matcher("last")), Some(answer));
    }

    #[test]
    fn bytes_are_bounded() {
        let cache = MatcherCache::default();
        let sparse = |seed: u32| Arc::new((0..20_000).map(|i| i * 3 + seed).collect::<RoaringBitmap>());
        for i in 0..20 {
            cache.insert(&matcher(&format!("x{i}")), &sparse(i));
        }
        let entries = cache.entries.lock();
        assert!(entries.bytes <= BYTES_MAX && !entries.queue.is_empty());
        assert_eq!(entries.bytes, entries.queue.iter().map(|entry| entry.bytes).sum::<usize>());
    }
}
